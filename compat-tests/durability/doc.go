// Package durability kills the broker with SIGKILL under load, again and again,
// and then asks for every record that it acknowledged.
//
//	go test -count=1 ./compat-tests/durability                        # against klamm, bounded
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/durability    # against Apache Kafka 3.9.2
//	make soak SOAK=30m                                                # mixed work with retention and 50 kills
//
// What must hold after any number of kills (the process dies, the machine does
// not): a record acknowledged with acks=1 or acks=all is at the offset that the
// answer gave, an idempotent producer's records are there once and in order, no
// consumer has seen a record that is gone, offsets never go back, and
// DumpLogSegments finds nothing wrong in the files. Begin at load_test.go.
package durability
