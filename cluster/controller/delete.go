package controller

import (
	"errors"
	"log/slog"
	"maps"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// deletion is that of a topic that is marked for it.
type deletion struct {
	// begun says that brokers were told to forget the topic. Before that a write of its node may have to end.
	begun bool
	// removing says that no broker holds anything any more, and the nodes are being removed.
	removing bool
}

// deleteTopics marks topics for deletion. What follows is the plan's.
func (s *State) deleteTopics(d *Decision, e *DeleteTopics) {
	e.Results = make([]TopicResult, len(e.Topics))
	asked := map[*topic]bool{}
	for i, ref := range e.Topics {
		res := &e.Results[i]
		res.Name, res.ID = ref.Name, ref.ID
		if !ref.ID.IsZero() {
			name, ok := s.byID[ref.ID]
			if !ok {
				res.Err = &order.Error{Kind: order.ErrUnknownTopicID}
				continue
			}
			res.Name = name
		}
		t := s.topics[res.Name]
		if t == nil {
			res.Err = &order.Error{Kind: order.ErrUnknownTopic}
			continue
		}
		res.ID = t.id
		if t.deletion != nil || asked[t] {
			continue // it is being deleted already
		}
		asked[t] = true
		mark := &markChange{nodeWrite: createNode(znode.DeleteTopicPath(t.name), nil), t: t}
		mark.answer = func(_ *Decision, err error) {
			if err != nil {
				res.Err = err
				return
			}
			e.begun = append(e.begun, begunDeletion{t.name, t.id, len(t.partitions)})
		}
		d.change(mark)
	}
}

// markChange marks a topic for deletion.
type markChange struct {
	nodeWrite
	t      *topic
	answer func(*Decision, error)
}

func (c *markChange) made(n meta.Node) bool { return n.Err == nil }

func (c *markChange) done(s *State, d *Decision) {
	if c.t.deletion == nil {
		s.markDeleted(d, c.t)
	}
	c.answer(d, nil)
}

func (c *markChange) lost(s *State, d *Decision, now meta.Node, err error) {
	if passes(err) && isMissing(now) && !errors.Is(err, meta.ErrNoNode) {
		d.change(c)
		return
	}
	c.answer(d, err)
}

// markDeleted hides a topic from now on and has its deletion planned.
func (s *State) markDeleted(d *Decision, t *topic) {
	t.deletion = &deletion{}
	for _, p := range t.partitions {
		d.show(p)
		p.election = nil
	}
	s.queueTopic(t)
}

// lookAtMarks reads which topics are marked for deletion: any broker and the tools may mark one.
func (s *State) lookAtMarks(d *Decision) {
	d.ask(Read{Children: znode.DeleteTopics}, func(d *Decision, r ReadResult) { s.marked(d, r.Names) })
}

func (s *State) marked(d *Decision, names []string) {
	for _, name := range names {
		t := s.topics[name]
		switch {
		case t == nil && s.setAside[name]:
			// What cannot be read cannot be deleted; the mark stays until somebody mends the topic's node.
		case t == nil || s.rules.KeepTopics:
			// The topic is gone: its removal was interrupted before the mark was deleted. Or nothing is to be deleted.
			d.change(&cleanUp{deleteNode(znode.DeleteTopicPath(name))})
		case t.deletion == nil:
			d.log(slog.LevelInfo, "topic is marked for deletion", "topic", name)
			s.markDeleted(d, t)
		}
	}
}

// planDeletion takes the next step of the deletion of a topic. A reassignment under way ends with it; Apache's controller has the deletion wait
// for its end.
func (s *State) planDeletion(d *Decision, t *topic) {
	if t.deletion.removing {
		return
	}
	if !t.deletion.begun {
		t.deletion.begun = true
		for _, p := range t.partitions {
			d.move(p, partitionOffline)
			d.move(p, partitionNonExistent)
			s.reassignFailed(p, order.Refuse(order.ErrUnknownTopic, "The topic is being deleted."))
			p.next = nil
		}
		s.failures.forget(t.name, 0)
		s.trimReassignments(d, func(r *znode.Reassignment) bool { return r.Topic == t.name })
	}
	left := false
	for _, p := range t.partitions {
		for _, r := range p.replicas {
			left = s.deleteReplica(d, p, r) || left
		}
	}
	if !left {
		t.deletion.removing = true
		s.remove(d, t)
	}
}

// deleteReplica has a broker delete a replica, if it can. It says whether the replica may still be there.
func (s *State) deleteReplica(d *Decision, p *partition, r *replica) (left bool) {
	if r.status == replicaNew || r.status == replicaOnline {
		d.moveReplica(p, r, replicaOffline)
	}
	if r.status != replicaOffline {
		return r.status != replicaDeletionSuccessful
	}
	switch {
	case s.brokers[r.broker] != nil:
		d.moveReplica(p, r, replicaDeletionStarted)
		d.stop(r.broker, p, order.LeaderEpochDuringDelete, true)
		return true
	case !slices.ContainsFunc(p.topic.partitions, (*partition).led): // so that no broker has a log of the topic
		d.moveReplica(p, r, replicaDeletionStarted, replicaDeletionSuccessful)
		return false
	}
	// Also in a partition without a state: somebody may have removed its node and not yet all that belongs to the topic.
	d.moveReplica(p, r, replicaDeletionIneligible)
	return true
}

// waitsFor are the brokers that may still hold something of a topic being deleted, in order.
func (t *topic) waitsFor() []int32 {
	ids := map[int32]bool{}
	for _, p := range t.partitions {
		for _, r := range p.replicas {
			if r.status != replicaDeletionSuccessful && r.status != replicaNonExistent {
				ids[r.broker] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
