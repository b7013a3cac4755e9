package controller

import (
	"fmt"
	"strings"

	"klamm/cluster/znode"
	"klamm/protocol"
)

// Rules are what decisions depend on besides the state.
type Rules struct {
	// Partitions and ReplicationFactor are num.partitions and default.replication.factor.
	Partitions        int32
	ReplicationFactor int16
	// ValidateConfig checks a topic's own properties; the message of its error goes to the client.
	ValidateConfig func(config map[string]string) error
	// Room says why there is no room for new partitions; nil for always.
	Room func() error
	// Intn draws a number from 0 to n-1: where an assignment begins in the list of brokers.
	Intn func(n int) int
	// NewID draws a topic's id.
	NewID func() protocol.UUID
	// Unclean is unclean.leader.election.enable, for topics that do not say otherwise; nil for no.
	Unclean func() bool
	// KeepTopics is set if delete.topic.enable is false: marks of topics for deletion are removed.
	KeepTopics bool
	// ImbalancePercent is leader.imbalance.per.broker.percentage.
	ImbalancePercent int
}

// MaxPartitionsPerRequest bounds how many partitions one request may create, as Kafka 4 bounds it. 3.9 has no bound and
// runs out of memory.
const MaxPartitionsPerRequest = 10_000

// Decide takes one event. If the decision reads or writes, the next event has to be *Performed.
func (s *State) Decide(e Event, nowMs int64) *Decision {
	s.nowMs = nowMs
	d := &Decision{}
	if _, goesOn := e.(*Performed); !goesOn {
		clear(s.unclean)
	}
	s.take(d, e)
	s.planAll(d)
	d.deliver(s)
	d.seal(s)
	return d
}

func (s *State) take(d *Decision, e Event) {
	switch e := e.(type) {
	case *Started:
		s.started(d)
	case *Performed:
		s.performed(d, e)
	case *NodeChanged:
		s.nodesChanged(d, e.Paths)
	case *OrdersAnswered:
		s.ordersAnswered(d, e)
	case *RetryDue:
		s.treeRetry(d)
		s.retryDue(d)
	case *BalanceDue:
		s.balance()
	case *Suspected:
		s.suspected(d, e)
	case *UncleanElectionEnabled:
		s.uncleanEnabled(e.Topic)
	case *CreateTopics:
		s.createTopics(d, e)
	case *CreatePartitions:
		s.createPartitions(d, e)
	case *DeleteTopics:
		s.deleteTopics(d, e)
	case *AlterReassignments:
		s.alterReassignments(d, e)
	case *ListReassignments:
		s.listReassignments(e)
	case *ElectLeaders:
		s.electLeaders(e)
	case *AlterPartition:
		s.alterPartition(d, e)
	case *ControlledShutdown:
		s.controlledShutdown(d, e)
	case *AllocateProducerIDs:
		s.allocateProducerIDs(d, e)
	default:
		panic(fmt.Sprintf("controller: unknown event %T", e))
	}
}

// NextMs is when RetryDue has to come, 0 for never.
func (s *State) NextMs() int64 {
	next := s.failures.nextMs()
	if r := s.effects.retryMs; r > 0 && (next == 0 || r < next) {
		next = r
	}
	return next
}

// nodesChanged reads again what watches were set on.
func (s *State) nodesChanged(d *Decision, paths []string) {
	if !s.loaded {
		return // it is all being read
	}
	looks := map[string]func(*Decision){
		znode.BrokerIDs: s.lookAtBrokers, znode.BrokerTopics: s.lookAtTopics, znode.DeleteTopics: s.lookAtMarks,
		znode.LogDirNotification: s.lookAtLogDirs, znode.ISRChangeNotification: s.lookAtISRChanges,
		znode.ReassignPartitions: s.lookAtReassignments, znode.PreferredElection: s.lookAtElections,
	}
	var topics []string
	for _, path := range paths {
		if name, below := strings.CutPrefix(path, znode.BrokerTopics+"/"); below {
			topics = append(topics, name)
			continue
		}
		if strings.HasPrefix(path, znode.BrokerIDs+"/") {
			path = znode.BrokerIDs
		}
		if look := looks[path]; look != nil {
			look(d)
			delete(looks, path)
		}
	}
	s.lookAt(d, topics)
}
