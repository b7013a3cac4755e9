// Package zookeeper runs one klamm broker on a real ZooKeeper: topics and configurations by Apache Kafka's own tools,
// records by kcat, stops, kills and sessions that end, a chroot, TLS and access control lists.
//
//	go test -count=1 ./compat-tests/zookeeper
//
// It is for klamm alone. Clusters of several brokers are in package cluster.
package zookeeper
