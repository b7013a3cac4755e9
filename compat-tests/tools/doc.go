// Package tools asks a broker that has no security, no transactions and no peers what tools and clients ask of
// any broker: ACLs, quotas, SCRAM credentials, delegation tokens, elections, reassignments, transactions and
// features. It runs Apache Kafka's own command-line tools, of release 3.9.2 and of release 4.4.0, and has franz-go
// and kafka-python guess the broker's version from what it announces.
//
//	go test -count=1 ./compat-tests/tools                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/tools    # against Apache Kafka 3.9.2
//
// A tool prints the same and ends with the same exit code with either broker. Where a change would not take effect
// in klamm, it is refused, and the test says so: see [expectation].
package tools
