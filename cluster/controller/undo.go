package controller

import (
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// takeBack removes partitions that were just created and that no broker can hold, as on a full disk: the client has no answer yet, and
// gets the reason. It gives false if another replica can lead, or if the tree refused to remove the partitions before: then they
// stay, and their logs are tried again.
func (s *State) takeBack(d *Decision, p *partition, id int32, err error) bool {
	t, c := p.topic, p.topic.creation
	if c.takingBack {
		return true
	}
	others := func(other int32) bool { return other != id && s.isOnline(p, other) }
	if c.result.Err != nil || slices.ContainsFunc(p.Replicas.Replicas, others) {
		return false
	}
	c.result.Err, c.takingBack = err, true
	if c.from > 0 {
		t.busy = true
		d.change(s.shrinking(t, c.from))
		return true
	}
	mark := &markChange{nodeWrite: createNode(znode.DeleteTopicPath(t.name), nil), t: t}
	mark.answer = func(d *Decision, failed error) {
		if failed != nil {
			s.keep(d, t)
		}
	}
	d.change(mark)
	return true
}

// keep goes on with partitions that cannot be taken back: those that failed are offline.
func (s *State) keep(d *Decision, t *topic) {
	if t.creation != nil {
		t.creation.takingBack = false
	}
	for _, p := range t.partitions {
		p.hidden = false
		d.show(p)
	}
	for key := range s.failures.lead {
		if key.Topic != t.name {
			continue
		}
		if p := s.partition(key.TopicPartition); p != nil && p.replica(key.Broker) != nil {
			s.replicaLost(d, p, p.replica(key.Broker))
		}
	}
}

// topicShrinking takes the last partitions of a topic back: first from the topic's znode, so that nobody takes them for partitions
// that wait for a leader.
type topicShrinking struct {
	nodeWrite
	t  *topic
	to int
}

func (s *State) shrinking(t *topic, to int) *topicShrinking {
	left := &topic{name: t.name, id: t.id, partitions: t.partitions[:to]}
	return &topicShrinking{nodeWrite: setNode(znode.TopicPath(t.name), left.encode(), t.version), t: t, to: to}
}

func (c *topicShrinking) done(s *State, d *Decision) {
	t := c.t
	gone := t.partitions[c.to:]
	d.orders.gone = append(d.orders.gone, goneOf(t, gone))
	for _, p := range gone {
		for _, r := range p.replicas {
			d.stop(r.broker, p, order.LeaderEpochDuringDelete, true)
		}
		if p.hasNode {
			d.change(&leftOver{partitionRemoval{state: znode.PartitionStatePath(p.tp()), parent: znode.PartitionPath(p.tp()), hasState: p.led()}})
		}
	}
	t.busy, t.version, t.creation = false, t.version+1, nil
	t.partitions = t.partitions[:c.to:c.to]
	s.failures.forget(t.name, int32(c.to))
	s.queueTopic(t)
}

func (c *topicShrinking) lost(s *State, d *Decision, now meta.Node, _ error) {
	c.t.busy = false
	if now.Err == nil {
		s.adoptTopic(d, c.t, now)
	}
	s.keep(d, c.t)
	s.topicLater(c.t)
}

// leftOver are the nodes of a partition that was taken back. Should they stay, the next partition of that number takes them over.
type leftOver struct{ partitionRemoval }

func (c *leftOver) done(*State, *Decision)                   {}
func (c *leftOver) lost(*State, *Decision, meta.Node, error) {}

// isTakenBack says that partitions which were just created are removed again.
func (t *topic) isTakenBack() bool { return t.creation != nil && t.creation.takingBack }
