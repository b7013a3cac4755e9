package controller

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// planTopic takes the next step of a topic: its deletion, the parent of its partitions, or another assignment.
func (s *State) planTopic(d *Decision, t *topic) {
	if t.busy {
		return
	}
	if t.deletion != nil && !t.extra {
		s.planDeletion(d, t)
		return
	}
	if !t.hasNode && len(t.partitions) > 0 {
		t.busy = true
		d.change(&partitionsNode{t})
		return
	}
	c := &assignmentChange{t: t, from: t.version}
	for _, p := range t.partitions {
		if p.completing && p.next == nil {
			p.next = &znode.Replicas{Partition: p.Partition, Replicas: p.target()}
		}
		if p.next != nil {
			c.concerned = append(c.concerned, p)
		}
	}
	if len(c.concerned) == 0 && !t.extra {
		return
	}
	c.body = t.encode()
	t.busy = true
	d.change(c)
}

// encode is the body of the topic's znode with the assignments that it is to have.
func (t *topic) encode() []byte {
	body := znode.Topic{ID: t.id, Partitions: make([]znode.Replicas, len(t.partitions))}
	for i, p := range t.partitions {
		body.Partitions[i] = p.Replicas
		if p.next != nil {
			body.Partitions[i] = *p.next
		}
	}
	return body.Encode()
}

// partitionsNode makes the parent of a topic's partitions.
type partitionsNode struct{ t *topic }

func (c *partitionsNode) ops() []meta.Op {
	return []meta.Op{meta.CreateOp(znode.PartitionsPath(c.t.name), nil, meta.Persistent)}
}
func (c *partitionsNode) look() string          { return znode.PartitionsPath(c.t.name) }
func (c *partitionsNode) made(n meta.Node) bool { return n.Err == nil }
func (c *partitionsNode) packs() bool           { return false }

func (c *partitionsNode) done(s *State, _ *Decision) {
	c.t.busy, c.t.hasNode = false, true
	s.queueTopic(c.t)
	for _, p := range c.t.partitions {
		s.queue(p)
	}
}

func (c *partitionsNode) lost(s *State, _ *Decision, _ meta.Node, err error) {
	c.t.busy = false
	if errors.Is(err, meta.ErrNoNode) {
		s.effects.lookAtTopics = true // the topic may be gone
	}
	s.topicLater(c.t)
}

// assignmentChange is another body of a topic's znode.
type assignmentChange struct {
	t         *topic
	concerned []*partition
	body      []byte
	from      int32
}

func (c *assignmentChange) ops() []meta.Op {
	return []meta.Op{meta.SetOp(znode.TopicPath(c.t.name), c.body, c.from)}
}
func (c *assignmentChange) look() string { return znode.TopicPath(c.t.name) }
func (c *assignmentChange) packs() bool  { return false }

func (c *assignmentChange) made(n meta.Node) bool {
	return n.Err == nil && n.Stat.Version == c.from+1 && bytes.Equal(n.Data, c.body)
}

func (c *assignmentChange) done(s *State, d *Decision) {
	t := c.t
	t.busy, t.extra = false, false
	t.version = c.from + 1
	for _, p := range c.concerned {
		next := p.next
		p.next = nil
		s.assigned(d, p, next)
	}
	s.queueTopic(t)
}

func (c *assignmentChange) lost(s *State, d *Decision, now meta.Node, err error) {
	c.t.busy = false
	if now.Err == nil {
		s.adoptTopic(d, c.t, now)
	} else if isMissing(now) {
		s.effects.lookAtTopics = true
	}
	if passes(err) && now.Err == nil {
		s.queueTopic(c.t)
		return
	}
	for _, p := range c.concerned {
		s.reassignFailed(p, err)
	}
	s.topicLater(c.t)
}

// assigned takes over an assignment that the tree has.
func (s *State) assigned(d *Decision, p *partition, next *znode.Replicas) {
	ended := p.completing
	p.Replicas, p.completing, p.told, p.moved = *next, false, false, false
	for _, id := range next.Replicas {
		if p.replica(id) == nil {
			r := &replica{broker: id}
			p.replicas = append(p.replicas, r)
			d.moveReplica(p, r, replicaNew)
			if s.brokers[id] == nil {
				d.moveReplica(p, r, replicaOffline)
			}
		}
	}
	if !p.isReassigning() && !ended {
		p.bump = true // brokers have to act on the replicas that they are told
	}
	d.show(p)
	s.queue(p)
	s.reassignWritten(d, p)
}

// adoptTopic takes in the body of a topic's znode that somebody else wrote: partitions that are new. The assignment of
// the others is the controller's to change.
func (s *State) adoptTopic(d *Decision, t *topic, n meta.Node) {
	if n.Stat.Version == t.version {
		return
	}
	t.version = n.Stat.Version
	body, err := znode.DecodeTopic(t.name, n.Data)
	if err == nil {
		err = wellFormed(body)
	}
	if err != nil {
		d.log(slog.LevelError, "a change of a topic is ignored: its znode cannot be read", "topic", t.name, "error", err)
		return
	}
	if body.ID != t.id && !body.ID.IsZero() {
		s.replaced(d, t)
		return
	}
	if len(body.Partitions) <= len(t.partitions) {
		return
	}
	if t.deletion != nil {
		d.log(slog.LevelWarn, "partitions are taken from a topic again: it is being deleted", "topic", t.name)
		t.extra = true
		s.queueTopic(t)
		return
	}
	d.log(slog.LevelInfo, "topic has new partitions", "topic", t.name, "partitions", len(body.Partitions))
	for _, replicas := range body.Partitions[len(t.partitions):] {
		s.queue(s.addPartition(d, t, replicas))
	}
}

// addPartition adds a partition that the tree has, without a state yet.
func (s *State) addPartition(d *Decision, t *topic, assignment znode.Replicas) *partition {
	p := &partition{topic: t, Replicas: assignment, version: -1}
	d.move(p, partitionNew)
	s.addReplicas(d, p)
	t.partitions = append(t.partitions, p)
	return p
}

// addReplicas adds the replicas of a partition's assignment: new ones, of which those whose broker is gone are offline.
func (s *State) addReplicas(d *Decision, p *partition) {
	p.replicas = make([]*replica, 0, len(p.Replicas.Replicas))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(p.Replicas.Replicas))) {
		r := &replica{broker: id, untold: true}
		p.replicas = append(p.replicas, r)
		d.moveReplica(p, r, replicaNew)
		if s.brokers[id] == nil {
			d.moveReplica(p, r, replicaOffline)
		}
	}
}
