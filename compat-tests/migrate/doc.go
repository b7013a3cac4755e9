// Package migrate runs `klamm migrate check` on a cluster of Apache Kafka 3.9.2 with ZooKeeper: it finds nothing in the way of a plain cluster,
// and what is planted in another. It changes neither the tree nor a directory. A start of klamm refuses what the command says that it would.
//
// It runs `klamm migrate verify` on a cluster of Apache Kafka and klamm: it finds nothing while producers write and logs are compacted, and then what is planted in followers of
// both. What it cannot compare it names: a topic that is deleted, replicas that move, a broker that is stopped.
//
//	go test -count=1 ./compat-tests/migrate
//
// It is for klamm beside Apache Kafka alone.
package migrate
