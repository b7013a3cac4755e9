// Package meta has the interface of the metadata tree: ZooKeeper's znodes, versions, ephemerals,
// sequences, one-shot watches, sessions and multi, as far as a Kafka cluster uses them.
//
// Two stores implement it: meta/local, embedded and on disk, for a broker alone; and
// ZooKeeper itself for a cluster. Package metatest holds the conformance tests that every store passes.
// The tree knows nothing of Kafka: paths and bodies are package znode's.
package meta
