// Package cluster knows who leads what: the brokers, the topics and their partitions, and what
// is asked to change about them.
//
// Everything lasting stands in a tree of znodes (meta), written exactly as Apache Kafka 3.9
// writes it (znode). One broker, the controller, decides (controller); every broker carries out
// what it is told (replica) and answers clients from a snapshot of the whole, [Metadata].
// A broker alone runs the same code over an embedded tree (meta/local).
//
// This package opens no socket and no file. Begin reading at [Broker] and [Start].
package cluster
