// Package kcat tests the broker with kcat, the command-line client on top of
// librdkafka: each codec in both directions (against franz-go), keys, headers
// and nulls, offsets by number, from the end and by time, and its listings.
//
//	go test -count=1 ./compat-tests/kcat                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/kcat    # against Apache Kafka 3.9.2
//
// librdkafka chooses codecs and features by the exact version ranges that a
// broker advertises, so a codec that comes back says something about
// ApiVersions too.
package kcat
