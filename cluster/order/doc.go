// Package order is what the controller tells brokers about their partitions, and why it refuses an administrator.
//
// The controller (cluster/controller) and the replicas (cluster/replica) both import it, so that neither has to
// know the other. It decides nothing and does nothing.
package order
