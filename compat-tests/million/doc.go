// Package million sends a text file through the broker with kcat and with the
// Java console producer, in each codec, and reads it back with franz-go, kcat
// and the Java console consumer, partition by partition, byte for byte.
//
//	make million                                                   # a million lines, against klamm
//	go test -count=1 ./compat-tests/million                        # a few thousand lines
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/million    # the same against Apache Kafka 3.9.2
package million
