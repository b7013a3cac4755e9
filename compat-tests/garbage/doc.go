// Package garbage checks that hostile bytes cost nobody but their sender. Normal clients
// work beside a hundred connections that send everything that no client should. The
// clients do not notice it, and the broker keeps nothing of it.
//
//	make garbage GARBAGE=30m                      # half an hour
//	go test -count=1 -v ./compat-tests/garbage    # some seconds
//
// The hostile connections belong to a process of their own with a lower priority, so that
// making garbage takes nothing from the normal clients: they feel only what the broker
// spends on it. Everything generated comes from one seed, which the test prints and -seed
// takes.
//
// What must hold in any run: no client has an error, everything produced is consumed,
// once and in order, and the broker's memory is bounded while it lasts and the same as
// before when it is over. Runs of at least a minute measure too: beside garbage the 99th
// percentile of the normal clients' latencies is at most twice what it is alone. That
// takes a machine that does nothing else; shorter runs only print the latencies. Begin at
// garbage_test.go.
package garbage
