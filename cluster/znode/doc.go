// Package znode has every path and every body that a Kafka 3.9 cluster keeps in its metadata tree. Its encoders
// write each body byte for byte as Apache Kafka 3.9.2 does, the order of the keys included. The one difference is
// the order of partitions in a topic's body: znode sorts them by number, Apache Kafka by hash. Its decoders read
// every older version of a body, and ignore keys that they do not know.
//
// Nothing here reads or writes a tree. Files are named after the tree: broker.go has what stands under
// /brokers/ids, topic.go what stands under /brokers/topics, and so on. The source of each rule is ZkData.scala of
// Apache Kafka 3.9.
package znode
