// Package meta has the interface of the metadata tree: ZooKeeper's znodes, versions, ephemerals, sequences,
// one-shot watches, sessions and multi, as far as a Kafka cluster uses them.
//
// Package local keeps a tree in one file on disk, for a broker alone; package zk keeps that of a cluster in ZooKeeper;
// package mem keeps one in memory for tests, and can lose connections, answers and sessions. Package metatest has the
// conformance tests that every store passes. The tree knows nothing of Kafka: package znode has the paths and bodies.
//
// Begin reading at [Store], which opens sessions, and [Tree], which is one.
package meta
