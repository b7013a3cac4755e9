// Package znode is every path and every body that a Kafka 3.9 cluster keeps in its metadata
// tree, in one place. Bodies are written byte for byte as Apache Kafka 3.9.2 writes them (the order
// of keys too; only the order of partitions within a topic's body is by number here and by hash there);
// decoders take every older version of a body, and keys that they do not know.
//
// Nothing here reads or writes a tree. The names of files follow the tree: broker.go is what stands
// under /brokers/ids, topic.go under /brokers/topics, and so on. The source of each rule is ZkData.scala of Apache Kafka 3.9.
package znode
