// Package franzgo tests the broker with franz-go: kgo for producing and
// fetching, kadm for what an administrator does, and kmsg for single requests
// whose answers the clients hide.
//
//	go test -count=1 ./compat-tests/franzgo                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/franzgo    # against Apache Kafka 3.9.2
//
// franz-go is the client that negotiates the highest versions, topic IDs and
// fetch sessions included; what it does with them is in produce_test.go and
// fetch_test.go. proxy_test.go cuts its connections in the middle of answers.
package franzgo
