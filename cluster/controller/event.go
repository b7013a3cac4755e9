package controller

import (
	"log/slog"

	"klamm/cluster/order"
	"klamm/observe"
	"klamm/protocol"
)

// Event is something that the controller has to decide about. Those with answers (admin.go, and alter.go for what brokers ask) leave
// them in the event itself. The others are *Started, *NodeChanged, *Performed, *OrdersAnswered, *RetryDue, *BalanceDue and
// *UncleanElectionEnabled.
type Event interface{ event() }

// Started comes first: the tree is read, partitions without a leader get one, deletions and reassignments that were under way go
// on, and every live broker is told all that concerns it.
type Started struct{}

// NodeChanged says that watches fired. What changed is read from the tree.
type NodeChanged struct{ Paths []string }

// OrdersAnswered says what became of the orders in one request to a broker.
type OrdersAnswered struct {
	Broker int32
	// BrokerEpoch is that of the registration that the request went to.
	BrokerEpoch int64
	// Lead or Stop are what was ordered.
	Lead []order.LeaderAndISR
	Stop []order.StopReplica
	order.Answer
}

// RetryDue says that it is time to do again what failed for a reason that passes.
type RetryDue struct{}

// BalanceDue says that it is time to look whether brokers lead what they are preferred for.
type BalanceDue struct{}

// UncleanElectionEnabled says that unclean.leader.election.enable became true for a topic, or with "" for the brokers' default.
type UncleanElectionEnabled struct{ Topic string }

func (*Started) event()                {}
func (*NodeChanged) event()            {}
func (*Performed) event()              {}
func (*OrdersAnswered) event()         {}
func (*RetryDue) event()               {}
func (*BalanceDue) event()             {}
func (*UncleanElectionEnabled) event() {}

// Decision is what follows from an event. The orders are sent, and then the tree is read and written; what the tree answered comes back as
// *Performed before any other event.
type Decision struct {
	Reads []Read
	Txs   []Tx
	// Batches are the orders, in the order in which each broker gets them.
	Batches []Batch
	// Live are the registered brokers, nil if they are those of the decision before.
	Live []order.LiveBroker
	// Resign says why this broker cannot go on as the controller, nil if it can.
	Resign error
	// Notes are for the log.
	Notes []Note
	// Events are for the log and for who observes.
	Events []observe.Event

	reads   []inquiry
	changes []change
	orders  orders
}

// Note is a line for the log.
type Note struct {
	Level   slog.Level
	Message string
	Args    []any
}

func (d *Decision) log(level slog.Level, message string, args ...any) {
	d.Notes = append(d.Notes, Note{level, message, args})
}

// Replica is one broker's replica of a partition.
type Replica struct {
	Broker int32
	protocol.TopicPartition
}
