package controller

import (
	"maps"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// deleteTopics marks topics for deletion and orders the brokers to delete their replicas. The topics' nodes are removed
// when the brokers have done so (replicasStopped), so that a deletion goes on after any stop in between.
func (s *State) deleteTopics(d *Decision, e *DeleteTopics) {
	e.Results = make([]TopicResult, len(e.Topics))
	for i, ref := range e.Topics {
		res := &e.Results[i]
		res.Name, res.ID = ref.Name, ref.ID
		if !ref.ID.IsZero() {
			name, ok := s.TopicByID(ref.ID)
			if !ok {
				res.Err = &order.Error{Kind: order.ErrUnknownTopicID}
				continue
			}
			res.Name = name
		}
		t := s.Topics[res.Name]
		if t == nil {
			res.Err = &order.Error{Kind: order.ErrUnknownTopic}
			continue
		}
		res.ID = t.ID
		if s.Deleting[t.Name] != nil {
			continue // it is being deleted already
		}
		e.begun = append(e.begun, begunDeletion{t.Name, t.ID, len(t.Partitions)})
		s.beginDeletion(d, t)
		if s.Deleting[t.Name] != nil {
			d.Writes = append(d.Writes, meta.CreateOp(znode.DeleteTopicPath(t.Name), nil, meta.Persistent))
		}
	}
}

// beginDeletion orders the brokers to delete the replicas of a topic that is marked for deletion.
func (s *State) beginDeletion(d *Decision, t *Topic) {
	waiting := map[int32]bool{}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if p.Version < 0 {
			continue // it never had a leader, so that no broker has a log of it
		}
		for _, id := range p.Replicas.Replicas {
			waiting[id] = true
			if s.Live[id] != nil {
				tp := protocol.TopicPartition{Topic: t.Name, Partition: p.Partition}
				d.stop(id, order.StopReplica{TopicPartition: tp, Delete: true})
			}
		}
	}
	s.Deleting[t.Name] = waiting
	s.Failures.forget(t.Name, 0)
	d.Removed = append(d.Removed, t.Name)
	if len(waiting) == 0 {
		s.remove(d, t.Name)
	}
}

// replicasStopped removes from the tree the topics that no broker holds any more.
func (s *State) replicasStopped(d *Decision, broker int32, topics []string) {
	for _, name := range topics {
		waiting := s.Deleting[name]
		t := s.Topics[name]
		if waiting == nil || t == nil {
			continue
		}
		delete(waiting, broker)
		if len(waiting) > 0 {
			continue
		}
		s.remove(d, name)
	}
}

func (s *State) remove(d *Decision, name string) {
	d.Remove = append(d.Remove, znode.TopicPath(name),
		znode.ConfigPath(znode.EntityTopics, name), znode.DeleteTopicPath(name))
	s.removeTopic(name)
}

// waitingFor are the brokers that a deletion waits for, in order.
func (s *State) waitingFor(topic string) []int32 { return slices.Sorted(maps.Keys(s.Deleting[topic])) }
