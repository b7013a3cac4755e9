// Package garbage sees that hostile bytes cost nobody but their sender: normal
// clients work beside a hundred connections that send everything that no client
// should, and neither notice it nor does the broker keep anything of it.
//
//	make garbage GARBAGE=30m                      # half an hour
//	go test -count=1 -v ./compat-tests/garbage    # some seconds
//
// The hostile connections are those of a process of its own, with a lower
// priority, so that what it takes to make garbage is not taken from the normal
// clients: what they feel is what the broker spends on it. Everything generated
// comes from one seed, which is printed and taken back by -seed.
//
// What must hold in any run: no client has an error, everything produced is
// consumed, once and in order, and the broker's memory is bounded while it lasts and
// the same as before when it is over. Runs of at least a minute measure too: beside
// garbage the 99th percentile of the normal clients' latencies is at most twice what it
// is alone. That wants a machine that does nothing else; shorter runs print it only.
// Begin at garbage_test.go.
package garbage
