// Package meta has the interface of the metadata tree: ZooKeeper's znodes, versions, ephemerals, sequences,
// one-shot watches, sessions and multi, as far as a Kafka cluster uses them.
//
// Package local implements it in one file on disk, for a broker alone. A store that keeps the tree of a cluster
// in ZooKeeper fits behind the same interface. Package metatest has the conformance tests that every store
// passes. The tree knows nothing of Kafka: package znode has the paths and bodies.
//
// Begin reading at [Tree].
package meta
