// Package oldclients tests the broker with clients that speak as clients did years
// ago: kafka-python told that the broker is of 0.8.2 to 2.1, which makes it use the
// requests and the message formats of that version, and kcat told the same.
//
//	go test -count=1 ./compat-tests/oldclients                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/oldclients    # against Apache Kafka 3.9.2
//
// What they produce is read by franz-go as of today, and the other way round, in
// each codec. client.py is the program; its libraries come with `make tools`.
package oldclients
