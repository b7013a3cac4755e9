// Package oldclients tests the broker with clients that speak as clients did years
// ago: kafka-python told that the broker is of 0.8.2 to 2.1, which makes it use the
// requests and the message formats of that version, and kcat told the same.
//
//	go test -count=1 ./compat-tests/oldclients                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/oldclients    # against Apache Kafka 3.9.2
//
// What they produce is read by franz-go and by the console consumer of 4.4.0, and what
// franz-go and the console producer of 4.4.0 produce is read by them, in each codec that
// the version has: keys, values, nulls, timestamps from 0.10 on, headers from 0.11 on.
// client.py is the program; its libraries come with `make tools`.
//
// Begin at oldclients_test.go; message_test.go makes and compares what is exchanged.
package oldclients
