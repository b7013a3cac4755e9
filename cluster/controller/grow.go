package controller

import (
	"errors"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// createPartitions gives topics more partitions; the checks come in the order of 3.9's ZkAdminManager.
func (s *State) createPartitions(d *Decision, e *CreatePartitions) {
	e.Results = make([]TopicResult, len(e.Topics))
	granted := 0
	for i := range e.Topics {
		n, res := &e.Topics[i], &e.Results[i]
		res.Name = n.Topic
		added, err := s.checkNewPartitions(n, granted)
		if err != nil {
			res.Err = err
			continue
		}
		granted += len(added)
		t := s.topics[n.Topic]
		res.ID, res.Partitions, res.ReplicationFactor = t.id, n.Count, int16(len(t.partitions[0].Replicas.Replicas))
		if e.ValidateOnly {
			continue
		}
		if t.busy {
			res.Err = order.Refuse(order.ErrInvalidRequest, "The topic '%s' is named twice.", n.Topic)
			continue
		}
		if res.Err = s.rules.room(); res.Err != nil {
			continue
		}
		t.creation = &creation{result: res, from: len(t.partitions)}
		t.busy = true
		d.change(s.growth(d, t, added))
	}
}

// topicGrowth gives a topic more partitions, with the states of as many as there is room for in one transaction.
type topicGrowth struct {
	t     *topic
	added []*partition
	from  int32
	body  []byte
	list  []meta.Op
	first []*stateChange
	again bool // it is the second attempt
}

func (s *State) growth(d *Decision, t *topic, added []znode.Replicas) *topicGrowth {
	grown := &topic{name: t.name, id: t.id, partitions: slices.Clone(t.partitions)}
	c := &topicGrowth{t: t, from: t.version}
	for _, replicas := range added {
		p := s.addPartition(d, grown, replicas)
		p.topic = t
		c.added = append(c.added, p)
	}
	c.body = grown.encode()
	c.list = []meta.Op{meta.SetOp(znode.TopicPath(t.name), c.body, c.from)}
	if !t.hasNode {
		c.list = append(c.list, meta.CreateOp(znode.PartitionsPath(t.name), nil, meta.Persistent))
	}
	c.list, c.first = s.firstStates(c.added, c.list)
	return c
}

func (c *topicGrowth) ops() []meta.Op { return c.list }
func (c *topicGrowth) look() string   { return znode.TopicPath(c.t.name) }
func (c *topicGrowth) packs() bool    { return false }

func (c *topicGrowth) made(n meta.Node) bool {
	return n.Err == nil && n.Stat.Version == c.from+1 && string(n.Data) == string(c.body)
}

func (c *topicGrowth) done(s *State, d *Decision) {
	t := c.t
	t.busy, t.version = false, c.from+1
	t.hasNode = t.hasNode || !c.again
	t.partitions = append(t.partitions, c.added...)
	for _, first := range c.first {
		first.done(s, d)
	}
	for _, p := range c.added {
		s.queue(p)
	}
	s.queueTopic(t)
}

func (c *topicGrowth) lost(s *State, d *Decision, now meta.Node, err error) {
	t := c.t
	if now.Err == nil && now.Stat.Version == c.from && passes(err) && !c.again {
		// The topic is as it was. If nodes of the partitions were left over by something that was interrupted, the plan finds them.
		c.again, c.first, c.list = true, nil, c.list[:1]
		t.hasNode = t.hasNode || errors.Is(err, meta.ErrNodeExists)
		d.change(c)
		return
	}
	t.busy = false
	t.creation.result.Err = err
	t.creation = nil
	switch {
	case now.Err == nil:
		s.adoptTopic(d, t, now)
	case isMissing(now):
		s.lookAtTopics(d)
	default:
		s.effects.lookAtTopics = true
		s.retry()
	}
}

func (s *State) checkNewPartitions(n *NewPartitions, granted int) ([]znode.Replicas, error) {
	t := s.topics[n.Topic]
	if t != nil && t.deletion != nil {
		return nil, order.Refuse(order.ErrInvalidTopic, "The topic is queued for deletion.")
	}
	if t == nil || len(t.partitions) == 0 {
		return nil, order.Refuse(order.ErrUnknownTopic, "The topic '%s' does not exist.", n.Topic)
	}
	for _, p := range t.partitions {
		if p.isReassigning() || p.next != nil {
			return nil, order.Refuse(order.ErrReassignmentInProgress, "A partition reassignment is in progress for the topic '%s'.", n.Topic)
		}
	}
	old := len(t.partitions)
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
	factor := len(t.partitions[0].Replicas.Replicas)
	if n.Assignment == nil {
		first := t.partitions[0].Replicas.Replicas[0]
		start := max(0, slices.IndexFunc(s.brokerIDs(), func(id int32) bool { return id >= first }))
		assignment, err := s.assign(increment, factor, start, old)
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
			if s.brokers[id] == nil && !slices.Contains(unknown, id) {
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
