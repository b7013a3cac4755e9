package controller

import (
	"errors"
	"log/slog"
	"strconv"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// remove deletes the nodes of a topic that no broker holds any more: those of its partitions first, in transactions that may be many,
// and then in one transaction the topic, its configuration and its mark. An interruption leaves the mark, and the deletion goes on.
func (s *State) remove(d *Decision, t *topic) {
	d.ask(Read{Children: znode.PartitionsPath(t.name)}, func(d *Decision, r ReadResult) {
		var states, parents []string
		for _, name := range r.Names {
			number, err := strconv.ParseInt(name, 10, 32)
			if err != nil {
				d.log(slog.LevelError, "deletion of a topic halts: a node below it is no partition", "topic", t.name, "znode", znode.PartitionsPath(t.name)+"/"+name)
				s.removeLater(t)
				return
			}
			tp := protocol.TopicPartition{Topic: t.name, Partition: int32(number)}
			states, parents = append(states, znode.PartitionStatePath(tp)), append(parents, znode.PartitionPath(tp))
		}
		// Read what is there: a transaction that deletes a node that is missing fails as a whole.
		last := []string{znode.PartitionsPath(t.name), znode.TopicPath(t.name), znode.ConfigPath(znode.EntityTopics, t.name), znode.DeleteTopicPath(t.name)}
		d.ask(Read{Nodes: append(states, last...)}, func(d *Decision, r ReadResult) {
			c := &partitionsRemoval{t: t, left: len(parents)}
			for i, path := range last {
				n := r.Nodes[len(states)+i]
				if n.Err != nil {
					continue
				}
				version := meta.AnyVersion
				if path == znode.TopicPath(t.name) {
					if t.isMadeAgain(n) {
						s.removedBefore(d, t)
						return
					}
					version = n.Stat.Version
				}
				c.last = append(c.last, meta.DeleteOp(path, version))
			}
			var parts []*partitionRemoval
			for i := range states {
				parts = append(parts, &partitionRemoval{c, states[i], parents[i], r.Nodes[i].Err == nil})
			}
			c.begin(d, parts)
		})
	})
}

// isMadeAgain says whether a node is that of another topic of the same name. Any broker can make one as soon as the topic is removed.
func (t *topic) isMadeAgain(n meta.Node) bool {
	body, err := znode.DecodeTopic(t.name, n.Data)
	return err == nil && !body.ID.IsZero() && body.ID != t.id
}

// removedBefore takes in that a topic was removed although the answer said nothing of it, and that the tree has another one of its name. That one
// may be marked for deletion by now.
func (s *State) removedBefore(d *Decision, t *topic) {
	if s.topics[t.name] != t {
		return // that is known
	}
	s.removeTopic(t)
	s.readTopics(d, []string{t.name}, func(d *Decision, found []*topic) {
		s.topicsFound(d, found)
		s.lookAtMarks(d)
	})
}

func (s *State) removeLater(t *topic) {
	t.deletion.removing = false
	s.topicLater(t)
}

// partitionsRemoval goes on when the nodes of all partitions are gone.
type partitionsRemoval struct {
	t      *topic
	left   int
	failed bool
	last   []meta.Op
}

// begin removes the partitions: together with the topic if all fits into one transaction.
func (c *partitionsRemoval) begin(d *Decision, parts []*partitionRemoval) {
	var ops []meta.Op
	for _, part := range parts {
		ops = append(ops, part.ops()...)
	}
	if meta.TransactionBytes(ops) < maxTxBytes/2 {
		c.left, c.last = 0, append(ops, c.last...)
		c.next(d)
		return
	}
	for _, part := range parts {
		d.change(part)
	}
}

func (c *partitionsRemoval) next(d *Decision) {
	if c.left == 0 && !c.failed {
		d.change(&topicRemoval{c.t, c.last})
	}
}

// partitionRemoval deletes the nodes of one partition.
type partitionRemoval struct {
	all           *partitionsRemoval
	state, parent string
	hasState      bool
}

func (c *partitionRemoval) ops() []meta.Op {
	ops := []meta.Op{meta.DeleteOp(c.parent, meta.AnyVersion)}
	if c.hasState {
		ops = append([]meta.Op{meta.DeleteOp(c.state, meta.AnyVersion)}, ops...)
	}
	return ops
}
func (c *partitionRemoval) look() string          { return c.parent }
func (c *partitionRemoval) made(n meta.Node) bool { return isMissing(n) }
func (c *partitionRemoval) packs() bool           { return true }

func (c *partitionRemoval) done(_ *State, d *Decision) {
	c.all.left--
	c.all.next(d)
}

func (c *partitionRemoval) lost(s *State, _ *Decision, _ meta.Node, _ error) {
	if !c.all.failed {
		c.all.failed = true
		s.removeLater(c.all.t)
	}
}

// topicRemoval deletes the nodes of a topic whose partitions are gone.
type topicRemoval struct {
	t    *topic
	list []meta.Op
}

func (c *topicRemoval) ops() []meta.Op        { return c.list }
func (c *topicRemoval) look() string          { return znode.TopicPath(c.t.name) }
func (c *topicRemoval) made(n meta.Node) bool { return isMissing(n) }
func (c *topicRemoval) packs() bool           { return false }
func (c *topicRemoval) removesConfigs() bool  { return true }

func (c *topicRemoval) done(s *State, _ *Decision) {
	s.removeTopic(c.t)
}

func (c *topicRemoval) lost(s *State, d *Decision, _ meta.Node, err error) {
	if passes(err) && !errors.Is(err, meta.ErrNotEmpty) {
		s.remove(d, c.t) // somebody removed a part of it, or the outcome was lost
		return
	}
	s.removeLater(c.t)
}
