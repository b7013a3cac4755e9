// Package meta is the metadata tree as an interface: ZooKeeper's znodes, versions, ephemerals,
// sequences, one-shot watches, sessions and multi, as far as a Kafka cluster uses them.
//
// There are two stores behind it: meta/local, embedded and on disk, for a broker alone; and
// ZooKeeper itself for a cluster. Package metatest holds the conformance tests that every store passes.
// The tree knows nothing of Kafka: paths and bodies are package znode's.
package meta
