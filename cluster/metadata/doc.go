// Package metadata is what every broker knows of the cluster: the live brokers, the topics, and who leads their partitions. A
// broker learns all of it from the controller's UpdateMetadata requests, also a broker that is alone and one that is the controller
// itself (kafka.server.metadata.ZkMetadataCache).
//
// A [Cache] takes the requests in. A [Snapshot] is the cluster at one moment: a request of a client takes one and sees nothing
// change under it. Nothing here reads the tree or decides.
//
// Begin reading at cache.go.
package metadata
