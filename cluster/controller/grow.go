package controller

import (
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// createPartitions gives topics more partitions; the checks come in the order of 3.9's ZkAdminManager.
func (s *State) createPartitions(d *Decision, r *Rules, e *CreatePartitions) {
	e.Results = make([]TopicResult, len(e.Topics))
	granted := 0
	for i := range e.Topics {
		n, res := &e.Topics[i], &e.Results[i]
		res.Name = n.Topic
		added, err := s.checkNewPartitions(r, n, granted)
		if err != nil {
			res.Err = err
			continue
		}
		granted += len(added)
		t := s.Topics[n.Topic]
		res.ID, res.Partitions, res.ReplicationFactor = t.ID, n.Count, int16(len(t.Partitions[0].Replicas.Replicas))
		if e.ValidateOnly {
			continue
		}
		if res.Err = r.room(); res.Err != nil {
			continue
		}
		from := len(t.Partitions)
		for _, replicas := range added {
			t.Partitions = append(t.Partitions, Partition{Replicas: replicas, Version: -1})
		}
		d.Writes = append(d.Writes, meta.SetOp(znode.TopicPath(t.Name), t.encode(), t.Version))
		t.Version++
		s.bring(d, t, from)
		if slices.ContainsFunc(t.Partitions[from:], func(p Partition) bool { return p.Version < 0 }) {
			res.Err = &order.Error{Kind: order.ErrTimedOut}
		}
	}
}

func (t *Topic) encode() []byte {
	body := znode.Topic{ID: t.ID, Partitions: make([]znode.Replicas, len(t.Partitions))}
	for i := range t.Partitions {
		body.Partitions[i] = t.Partitions[i].Replicas
	}
	return body.Encode()
}

func (s *State) checkNewPartitions(r *Rules, n *NewPartitions, granted int) ([]znode.Replicas, error) {
	if s.Deleting[n.Topic] != nil {
		return nil, order.Refuse(order.ErrInvalidTopic, "The topic is queued for deletion.")
	}
	t := s.Topics[n.Topic]
	if t == nil || len(t.Partitions) == 0 {
		return nil, order.Refuse(order.ErrUnknownTopic, "The topic '%s' does not exist.", n.Topic)
	}
	for i := range t.Partitions {
		if p := &t.Partitions[i]; len(p.Adding)+len(p.Removing) > 0 {
			return nil, order.Refuse(order.ErrReassignmentInProgress, "A partition reassignment is in progress for the topic '%s'.", n.Topic)
		}
	}
	old := len(t.Partitions)
	increment := int(n.Count) - old
	if increment < 0 {
		return nil, order.Refuse(order.ErrInvalidPartitions, "Topic currently has %d partitions, which is higher than the requested %d.", old, n.Count)
	}
	if increment == 0 {
		return nil, order.Refuse(order.ErrInvalidPartitions, "Topic already has %d partitions.", old)
	}
	if granted+increment > MaxPartitionsPerRequest {
		return nil, errTooMany()
	}
	factor := len(t.Partitions[0].Replicas.Replicas)
	if n.Assignment == nil {
		first := t.Partitions[0].Replicas.Replicas[0]
		start := max(0, slices.IndexFunc(s.liveIDs(), func(id int32) bool { return id >= first }))
		assignment, err := s.assign(r, increment, factor, start, old)
		return number(assignment, old), err
	}
	if err := s.checkAddedAssignment(n.Assignment, increment, old, factor); err != nil {
		return nil, err
	}
	assignment := make([][]int32, len(n.Assignment))
	for i, ids := range n.Assignment {
		assignment[i] = slices.Clone(ids)
	}
	return number(assignment, old), nil
}

func (s *State) checkAddedAssignment(assignment [][]int32, increment, old, factor int) error {
	var unknown []int32
	for _, ids := range assignment {
		for _, id := range ids {
			if s.Live[id] == nil && !slices.Contains(unknown, id) {
				unknown = append(unknown, id)
			}
		}
	}
	if unknown != nil {
		return order.Refuse(order.ErrInvalidReplicaAssignment, "Unknown broker(s) in replica assignment: %s.", join(unknown))
	}
	if len(assignment) != increment {
		return order.Refuse(order.ErrInvalidReplicaAssignment, "Increasing the number of partitions by %d but %d assignments provided.", increment, len(assignment))
	}
	for i, ids := range assignment {
		if len(ids) == 0 {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "Cannot have replication factor of 0 for partition id %d.", old+i)
		}
		if hasTwice(ids) {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "Duplicate brokers not allowed in replica assignment: %s for partition id %d.", join(ids), old+i)
		}
	}
	var partitions, factors []int32
	for i, ids := range assignment {
		if len(ids) != factor {
			partitions, factors = append(partitions, int32(old+i)), append(factors, int32(len(ids)))
		}
	}
	if partitions != nil {
		return order.Refuse(order.ErrInvalidReplicaAssignment, "Inconsistent replication factor between partitions, "+
			"partition 0 has %d while partitions [%s] have replication factors [%s], respectively.", factor, join(partitions), join(factors))
	}
	return nil
}
