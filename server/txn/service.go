// Package txn serves the APIs of transactions, one file for each. This broker coordinates no transactions yet, and says
// so as any broker does that is not the coordinator.
//
// Begin reading at add_partitions_to_txn.go.
package txn

import "klamm/cluster"

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker *cluster.Broker // this broker's place in the cluster
}

// Service serves the APIs of transactions. Its methods are handlers of package request.
type Service struct{ broker *cluster.Broker }

// New makes a service.
func New(o Options) *Service { return &Service{broker: o.Broker} }
