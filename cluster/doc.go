// Package cluster knows who leads what: the brokers, the topics and their partitions, and what
// is asked to change about them.
//
// Everything lasting stands in a tree of znodes (meta), written exactly as Apache Kafka 3.9
// writes it (znode). One broker, the controller, decides (controller), and gives the brokers orders (order, peer). Every broker
// carries them out (replica), answers clients from a snapshot of the whole (metadata), and notices when another broker's process
// is dead (liveness). A broker alone runs the same code over an embedded tree (meta/local).
//
// This package opens no socket and no file. Begin reading at [Broker] and [Broker.Start].
package cluster
