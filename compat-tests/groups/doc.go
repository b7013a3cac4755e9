// Package groups tests consumer groups with the clients that people use: franz-go, the Java consumers of 3.9.2 and
// 4.4.0, librdkafka (as kcat), sarama, aiokafka and kafkajs, each with the assignors that it has, alone and in one group
// with the others; and Apache Kafka's tools for groups.
//
//	go test -count=1 ./compat-tests/groups                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/groups    # against Apache Kafka 3.9.2
//
// The assignors run in the clients. A broker can be wrong about who is a member, what it tells each member, and what
// it remembers of that. So the tests look at who consumes what: each record is consumed by one member, the one that
// has the record's partition. Begin at member_test.go.
package groups
