package controller

import (
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// room says why there is no room for new partitions.
func (r *Rules) room() error {
	if r.Room == nil {
		return nil
	}
	return r.Room()
}

// replicasNotMade removes what was just created: a whole topic as if it were deleted, new partitions of
// another by their nodes.
func (s *State) replicasNotMade(d *Decision, e *ReplicasNotMade) {
	for _, failed := range e.Topics {
		t := s.Topics[failed.Name]
		switch {
		case t == nil || s.Deleting[t.Name] != nil:
		case failed.From == 0:
			s.beginDeletion(d, t)
			if s.Deleting[t.Name] != nil {
				d.Writes = append(d.Writes, meta.CreateOp(znode.DeleteTopicPath(t.Name), nil, meta.Persistent))
			}
		default:
			s.shrink(d, t, failed.From)
		}
	}
}

// shrink takes the partitions from number to on from a topic.
func (s *State) shrink(d *Decision, t *Topic, to int) {
	for i := to; i < len(t.Partitions); i++ {
		p := &t.Partitions[i]
		tp := protocol.TopicPartition{Topic: t.Name, Partition: p.Partition}
		d.Remove = append(d.Remove, znode.PartitionPath(tp))
		for _, id := range p.Replicas.Replicas {
			if s.Live[id] != nil {
				d.stop(id, order.StopReplica{TopicPartition: tp, Delete: true})
			}
		}
	}
	t.Partitions = t.Partitions[:to:to]
	d.Writes = append(d.Writes, meta.SetOp(znode.TopicPath(t.Name), t.encode(), t.Version))
	t.Version++
	s.Failures.forget(t.Name, int32(to))
	d.changeTopic(t.Name)
}

// answer puts the failures into the results of the event that asked for the partitions.
func (e *ReplicasNotMade) answer(cause Event) {
	var results []TopicResult
	switch cause := cause.(type) {
	case *CreateTopics:
		results = cause.Results
	case *CreatePartitions:
		results = cause.Results
	}
	for i := range results {
		for _, failed := range e.Topics {
			if results[i].Name == failed.Name && results[i].Err == nil {
				results[i].Err = failed.Err
			}
		}
	}
}
