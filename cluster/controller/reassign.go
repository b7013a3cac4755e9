package controller

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// AlterReassignments asks for partitions to have other replicas (KIP-455). The refusals of a partition, in the order of 3.9: an empty list,
// an id twice, a negative id, new replicas on brokers that are not live, nothing to cancel, no such partition.
type AlterReassignments struct {
	Partitions []Reassignment
	// KeepFactor refuses, after those, another number of replicas than the partition has or is to have (KIP-860, Kafka 4.1).
	KeepFactor bool
	// Results has one for each partition, in order.
	Results []error
}

// Reassignment asks for one partition to have other replicas. Nil Replicas cancel what is under way.
type Reassignment struct {
	protocol.TopicPartition
	Replicas []int32
}

// ListReassignments asks which partitions are being reassigned: all, or with Partitions not nil those among them.
type ListReassignments struct {
	Partitions []protocol.TopicPartition
	Results    []ReassignmentUnderWay
}

// ReassignmentUnderWay is a partition that is being reassigned.
type ReassignmentUnderWay struct {
	protocol.TopicPartition
	Replicas, Adding, Removing []int32
}

func (*AlterReassignments) event() {}
func (*ListReassignments) event()  {}

func (s *State) listReassignments(e *ListReassignments) {
	add := func(p *partition) {
		if p != nil && p.isReassigning() {
			e.Results = append(e.Results, ReassignmentUnderWay{p.tp(), p.Replicas.Replicas, p.Adding, p.Removing})
		}
	}
	if e.Partitions == nil {
		for p := range s.all {
			add(p)
		}
		return
	}
	for _, tp := range e.Partitions {
		add(s.partition(tp))
	}
}

func (s *State) alterReassignments(d *Decision, e *AlterReassignments) {
	e.Results = make([]error, len(e.Partitions))
	var superseded []protocol.TopicPartition
	for i := range e.Partitions {
		r := &e.Partitions[i]
		p := s.partition(r.TopicPartition)
		if r.Replicas != nil {
			if e.Results[i] = s.checkReplicas(p, r.Replicas); e.Results[i] != nil {
				continue
			}
			if p != nil && e.KeepFactor && len(r.Replicas) != len(p.target()) {
				e.Results[i] = order.Refuse(order.ErrInvalidReplicationFactor, "The replication factor is changed from %d to %d", len(p.target()), len(r.Replicas))
				continue
			}
		} else if p == nil || !p.isReassigning() {
			e.Results[i] = order.Refuse(order.ErrNoReassignmentInProgress, "No partition reassignment is in progress.")
			continue
		}
		superseded = append(superseded, r.TopicPartition)
		e.Results[i] = s.beginReassignment(p, r.Replicas, func(err error) { e.Results[i] = err })
	}
	// The latest word counts, whichever way it came.
	s.trimReassignments(d, func(r *znode.Reassignment) bool {
		return slices.Contains(superseded, protocol.TopicPartition{Topic: r.Topic, Partition: r.Partition})
	})
}

// checkReplicas checks what a partition is to be reassigned to. p is nil if there is no such partition.
func (s *State) checkReplicas(p *partition, replicas []int32) error {
	refuse := func(format string, args ...any) error {
		return order.Refuse(order.ErrInvalidReplicaAssignment, format, args...)
	}
	switch {
	case len(replicas) == 0:
		return refuse("Empty replica list specified in partition reassignment.")
	case hasTwice(replicas):
		return refuse("Duplicate replica ids in partition reassignment replica list: ArrayBuffer(%s)", join(replicas))
	case slices.Min(replicas) < 0:
		return refuse("Invalid broker id in replica list: ArrayBuffer(%s)", join(replicas))
	}
	adding := replicas
	if p != nil {
		adding = reassignTo(p, replicas).Adding
	}
	live := s.liveIDs()
	if gone := without(adding, live); len(gone) > 0 {
		return refuse("Replica assignment has brokers that are not alive. Replica list: ArrayBuffer(%s), live broker list: Set(%s)", join(adding), join(live))
	}
	return nil
}

// reassignTo is the assignment of a partition on its way to other replicas: those, and then the ones that it had before.
func reassignTo(p *partition, target []int32) znode.Replicas {
	origin := p.origin()
	if p.completing {
		origin = p.target() // the others are gone
	}
	return znode.Replicas{
		Partition: p.Partition, Replicas: append(slices.Clone(target), without(origin, target)...),
		Adding: without(target, origin), Removing: without(origin, target),
	}
}

// beginReassignment has the tree say that a partition is to have other replicas, or with nil again those that it had. answer is told
// if the tree refuses that.
func (s *State) beginReassignment(p *partition, target []int32, answer func(error)) error {
	if p == nil || p.topic.deletion != nil {
		return order.Refuse(order.ErrUnknownTopic, "The partition does not exist.")
	}
	if target == nil {
		target = p.origin()
	}
	next := reassignTo(p, target)
	p.next, p.reassigner = &next, answer
	s.queueTopic(p.topic)
	return nil
}

// reassignFailed gives up what the tree could not be told.
func (s *State) reassignFailed(p *partition, err error) {
	if p.reassigner == nil {
		return // the end of a reassignment is tried again
	}
	p.reassigner(err)
	p.next, p.reassigner = nil, nil
}

// reassignWritten goes on when the tree has a partition's assignment.
func (s *State) reassignWritten(d *Decision, p *partition) {
	p.reassigner = nil
	if p.isReassigning() {
		d.log(slog.LevelInfo, "partition is being reassigned", "partition", p.tp(), "replicas", p.Replicas.Replicas,
			"adding", p.Adding, "removing", p.Removing)
		return
	}
	d.log(slog.LevelInfo, "partition is reassigned", "partition", p.tp(), "replicas", p.Replicas.Replicas)
	s.trimReassignments(d, func(r *znode.Reassignment) bool {
		return r.Topic == p.topic.name && r.Partition == p.Partition && slices.Equal(r.Replicas, p.Replicas.Replicas)
	})
}

// reassign is the next change of the state of a partition that is being reassigned, nil while its new replicas catch up. When all are
// in sync one of them leads in a new leader epoch, and then, in a further one, the others leave the ISR, as under Apache's controller; before that the new ones are told, in a new leader epoch so that the leader counts them.
func (s *State) reassign(p *partition) *stateChange {
	target := p.target()
	if len(without(target, p.State.ISR)) > 0 {
		if p.told {
			return nil
		}
		return newStateChange(p, s.successor(p, p.State.Leader, p.State.ISR), changeReassign)
	}
	leader := p.State.Leader
	if !slices.Contains(target, leader) || !s.isOnline(p, leader) {
		next, ok := electReassigned(target, p.State.ISR, s.online(p))
		if !ok {
			return nil
		}
		leader, p.moved = next, false
	}
	isr := kept(p.State.ISR, func(id int32) bool { return slices.Contains(target, id) })
	if !p.moved && len(isr) < len(p.State.ISR) {
		return newStateChange(p, s.successor(p, leader, p.State.ISR), changeMove)
	}
	return newStateChange(p, s.successor(p, leader, isr), changeComplete)
}

// join lists ids as Apache's messages do.
func join(ids []int32) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return strings.Join(s, ", ")
}
