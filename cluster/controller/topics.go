package controller

import (
	"fmt"
	"log/slog"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// lookAtTopics reads which topics there are. Any broker may make one, and a tool may remove one.
func (s *State) lookAtTopics(d *Decision) {
	s.effects.lookAtTopics = false
	d.ask(Read{Children: znode.BrokerTopics}, func(d *Decision, r ReadResult) {
		var fresh []string
		for _, name := range r.Names {
			if s.topics[name] == nil && !s.setAside[name] {
				fresh = append(fresh, name)
			}
		}
		if known := len(r.Names) - len(fresh); known < len(s.topics)+len(s.setAside) {
			s.forgetOthers(d, r.Names)
		}
		if len(fresh) > 0 {
			s.readTopics(d, fresh, s.topicsFound)
		}
	})
}

// forgetOthers forgets the topics that are not among those that the tree has.
func (s *State) forgetOthers(d *Decision, names []string) {
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	for _, name := range s.names() {
		if !there[name] {
			s.vanished(d, s.topics[name])
		}
	}
	for name := range s.setAside {
		if !there[name] {
			delete(s.setAside, name)
		}
	}
}

// vanished forgets a topic whose znode somebody removed. The brokers' logs stay, as with Apache's controller.
func (s *State) vanished(d *Decision, t *topic) {
	if t.busy {
		return // it is known when the change under way has its answer
	}
	d.log(slog.LevelWarn, "topic is gone from the metadata tree without having been deleted", "topic", t.name)
	if len(t.partitions) > 0 {
		d.orders.gone = append(d.orders.gone, goneOf(t, t.partitions))
	}
	s.removeTopic(t)
}

// replaced takes in that a topic's znode has another id: the topic was removed and another one of its name made.
func (s *State) replaced(d *Decision, t *topic) {
	s.vanished(d, t)
	s.lookAtTopics(d)
}

// lookAt reads the znodes of topics again, with a watch: somebody may have added partitions, or mended what could not be read.
func (s *State) lookAt(d *Decision, names []string) {
	var topics []*topic
	mended := false
	for _, name := range names {
		if t := s.topics[name]; t != nil {
			topics = append(topics, t)
		} else if s.setAside[name] {
			delete(s.setAside, name)
			mended = true
		}
	}
	if mended {
		s.lookAtTopics(d)
	}
	s.watchTopics(d, topics)
}

// watchTopics reads topics' znodes again, with the watches that tell of the next change.
func (s *State) watchTopics(d *Decision, topics []*topic) {
	if len(topics) == 0 {
		return
	}
	paths := make([]string, len(topics))
	for i, t := range topics {
		paths[i] = znode.TopicPath(t.name)
	}
	d.ask(Read{Nodes: paths, Watch: true}, func(d *Decision, r ReadResult) {
		gone := false
		for i, t := range topics {
			switch n := r.Nodes[i]; {
			case s.topics[t.name] != t:
			case isMissing(n):
				gone = true
			case n.Err == nil:
				s.adoptTopic(d, t, n)
			}
		}
		if gone {
			s.lookAtTopics(d)
		}
	})
}

// readTopics reads topics that are not known, with a watch on each, and the states of their partitions. It takes three round trips
// however many topics there are.
func (s *State) readTopics(d *Decision, names []string, then func(*Decision, []*topic)) {
	paths := make([]string, len(names))
	parents := make([]string, len(names))
	for i, name := range names {
		paths[i], parents[i] = znode.TopicPath(name), znode.PartitionsPath(name)
	}
	var nodes []meta.Node
	d.ask(Read{Nodes: paths, Watch: true}, func(_ *Decision, r ReadResult) { nodes = r.Nodes })
	d.ask(Read{Nodes: parents}, func(d *Decision, r ReadResult) {
		if nodes == nil {
			s.effects.lookAtTopics = true // the first read failed
			s.retry()
			return
		}
		var found []*topic
		for i, name := range names {
			if t := s.decodeTopic(d, name, nodes[i]); t != nil {
				t.hasNode = r.Nodes[i].Err == nil
				found = append(found, t)
			}
		}
		s.readStates(d, found, then)
	})
}

// decodeTopic reads a topic's znode, nil if it is gone or cannot be read: it is set aside then, and the others go on.
func (s *State) decodeTopic(d *Decision, name string, n meta.Node) *topic {
	if isMissing(n) {
		return nil
	}
	err := n.Err
	var body *znode.Topic
	if err == nil {
		if body, err = znode.DecodeTopic(name, n.Data); err == nil {
			err = wellFormed(body)
		}
	}
	if err != nil {
		s.leaveOut(d, name, err)
		return nil
	}
	t := &topic{name: name, id: body.ID, version: n.Stat.Version}
	for _, replicas := range body.Partitions {
		s.addPartition(d, t, replicas)
	}
	return t
}

// leaveOut sets a topic aside.
func (s *State) leaveOut(d *Decision, name string, err error) {
	d.log(slog.LevelError, "topic is left out: its znode cannot be used", "topic", name, "error", err)
	s.setAside[name] = true
}

// wellFormed checks that the partitions are 0, 1, 2, ..., as every creation numbers them: a partition is found by its number.
func wellFormed(body *znode.Topic) error {
	for i := range body.Partitions {
		if int(body.Partitions[i].Partition) != i {
			return fmt.Errorf("partition %d is missing", i)
		}
		if len(body.Partitions[i].Replicas) == 0 {
			return fmt.Errorf("partition %d has no replicas", i)
		}
	}
	return nil
}

// readStates reads the states of the partitions of topics, and whether those without one have their node.
func (s *State) readStates(d *Decision, topics []*topic, then func(*Decision, []*topic)) {
	var paths, parents []string
	var all, fresh []*partition
	for _, t := range topics {
		for _, p := range t.partitions {
			all = append(all, p)
			paths = append(paths, znode.PartitionStatePath(p.tp()))
		}
	}
	d.ask(Read{Nodes: paths}, func(d *Decision, r ReadResult) {
		for i, p := range all {
			if n := r.Nodes[i]; isMissing(n) {
				fresh = append(fresh, p)
				parents = append(parents, znode.PartitionPath(p.tp()))
			} else {
				s.adopt(d, p, n)
				if p.led() { // it could be read
					s.discount(d, p, n.Stat.Mzxid)
				}
			}
		}
		if len(fresh) == 0 {
			then(d, topics)
			return
		}
		d.ask(Read{Nodes: parents}, func(d *Decision, r ReadResult) {
			for i, p := range fresh {
				p.hasNode = r.Nodes[i].Err == nil
			}
			then(d, topics)
		})
	})
}

// discount takes replicas for lost whose brokers have registered since the partition's state was written in transaction mzxid, while another
// replica in sync has been there all the time. They stopped and started and no controller noticed: what they had not flushed may be lost,
// as in brokersChanged. Where all that are in sync were started again the tree does not say which of them has everything: the one that led
// goes on, in a new leader epoch, by which the others find what it has lost. In the old one it would write other records at offsets that they
// have.
func (s *State) discount(d *Decision, p *partition, mzxid int64) {
	restarted := func(id int32) bool { b := s.brokers[id]; return b != nil && b.epoch > mzxid }
	stayed := func(id int32) bool { return s.isOnline(p, id) && !restarted(id) }
	if !slices.ContainsFunc(p.State.ISR, stayed) {
		p.bump = p.bump || restarted(p.State.Leader) && len(p.replicas) > 1
		return
	}
	for _, r := range p.replicas {
		if restarted(r.broker) && r.status == replicaNew && slices.Contains(p.State.ISR, r.broker) {
			d.moveReplica(p, r, replicaOnline, replicaOffline)
		}
	}
}

// topicsFound takes in topics that somebody else made.
func (s *State) topicsFound(d *Decision, topics []*topic) {
	for _, t := range topics {
		d.log(slog.LevelInfo, "topic was found in the metadata tree", "topic", t.name, "topic_id", t.id, "partitions", len(t.partitions))
		s.admit(d, t)
	}
}

// admit adds a topic that was read from the tree, and has its partitions planned. One that has no id, since a broker before 2.8
// made it, gets one first.
func (s *State) admit(d *Decision, t *topic) {
	if t.id.IsZero() {
		s.giveID(d, t)
		return
	}
	if other, known := s.byID[t.id]; known && other != t.name {
		s.leaveOut(d, t.name, fmt.Errorf("topic %s has the same id %s", other, t.id))
		return
	}
	s.putTopic(t)
	for _, p := range t.partitions {
		if p.led() {
			d.show(p)
			for _, r := range p.replicas {
				if r.status == replicaNew {
					d.moveReplica(p, r, replicaOnline)
				}
			}
		}
		s.queue(p)
	}
}

// giveID writes an id into the znode of a topic that has none.
func (s *State) giveID(d *Decision, t *topic) {
	t.id = s.rules.NewID()
	d.change(&identification{nodeWrite: setNode(znode.TopicPath(t.name), t.encode(), t.version), t: t})
}

// identification gives a topic its id.
type identification struct {
	nodeWrite
	t *topic
}

func (c *identification) done(s *State, d *Decision) {
	c.t.version++
	s.admit(d, c.t)
}

func (c *identification) lost(s *State, _ *Decision, _ meta.Node, _ error) {
	s.effects.lookAtTopics = true
	s.retry()
}

// isFrozen says that a topic's deletion has begun: its partitions do not change any more.
func (t *topic) isFrozen() bool { return t.deletion != nil && t.deletion.begun }
