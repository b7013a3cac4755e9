// Package order has what brokers tell each other about the cluster: the orders of the controller (LeaderAndIsr, StopReplica,
// UpdateMetadata), what a broker asks of the controller (AlterPartition, ControlledShutdown, AllocateProducerIds), and why the
// controller refuses an administrator or a broker. The files wire_*.go turn all of it into Kafka's requests and back.
//
// The controller (cluster/controller), the replicas (cluster/replica) and the metadata (cluster/metadata) import it, so that none of
// them has to know another. It decides nothing and does nothing.
//
// Begin reading at order.go.
package order
