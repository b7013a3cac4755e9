package controller

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/observe"
)

// A plan compares what a partition is with what it should be, and takes the next step: at most one change of its state in the tree at
// a time. When the tree has the change the partition is planned again, until nothing is left to do. So a death in the midst of a reassignment, a lost
// answer or another's write need no case of their own: the plan goes on from what the tree has now.

// queue has a partition planned before the decision ends.
func (s *State) queue(p *partition) {
	if !p.queued {
		p.queued = true
		s.dirty = append(s.dirty, p)
	}
}

// queueTopic has a topic planned before the decision ends.
func (s *State) queueTopic(t *topic) {
	if !t.queued {
		t.queued = true
		s.dirtyTopics = append(s.dirtyTopics, t)
	}
}

// planAll plans all partitions and topics that are queued, and asks for what they have to know first.
func (s *State) planAll(d *Decision) {
	if d.Resign != nil {
		return
	}
	for len(s.dirty)+len(s.dirtyTopics) > 0 {
		partitions, topics := s.dirty, s.dirtyTopics
		s.dirty, s.dirtyTopics = nil, nil
		for _, t := range topics {
			t.queued = false
			if s.topics[t.name] == t {
				s.planTopic(d, t)
			}
		}
		for _, p := range partitions {
			p.queued = false
			if s.topics[p.topic.name] == p.topic {
				s.plan(d, p)
			}
		}
	}
	s.askUnread(d)
	s.askUnclean(d)
}

// plan takes the next step of a partition.
func (s *State) plan(d *Decision, p *partition) {
	if p.busy || p.broken || p.topic.isFrozen() {
		return
	}
	if p.unread {
		p.busy = true
		s.unread = append(s.unread, p)
		return
	}
	s.bringBack(d, p)
	if !p.led() {
		s.planFirst(d, p)
		return
	}
	if p.State.ControllerEpoch > s.Epoch {
		d.log(slog.LevelError, "partition is left alone: a later controller wrote its state", "partition", p.tp(), "controller_epoch", p.State.ControllerEpoch)
		s.notElected(p)
		return
	}
	c, waits := s.nextState(d, p)
	p.asking = p.asking && waits // a leader may be there by now
	if c != nil {
		p.busy = true
		d.change(c)
		return
	}
	if waits {
		return
	}
	s.notElected(p)
	if !s.isSuspect(p, p.State.Leader) { // nobody is told to follow who is not among the live brokers that it knows
		for _, r := range p.replicas {
			if r.untold && s.serves(p, r.broker) && slices.Contains(p.effective(), r.broker) {
				d.tell(p, r, p.isNewReplica(r))
			}
		}
	}
	s.dismiss(d, p)
	if p.completing {
		s.queueTopic(p.topic)
	}
}

// isNewReplica says whether a broker may have no log of a partition although it works: a reassignment adds the replica.
func (p *partition) isNewReplica(r *replica) bool {
	return !p.completing && slices.Contains(p.Adding, r.broker) && !slices.Contains(p.State.ISR, r.broker)
}

// bringBack puts replicas online whose brokers are there, once the partition's state no longer counts on what they had before.
func (s *State) bringBack(d *Decision, p *partition) {
	for _, r := range p.replicas {
		if r.status != replicaOffline || !s.isLive(r.broker) || !slices.Contains(p.effective(), r.broker) || s.failures.has(Replica{r.broker, p.tp()}) {
			continue
		}
		leads := p.led() && p.State.Leader == r.broker
		// A suspect has all that was acknowledged, too.
		has := func(id int32) bool { return s.isOnline(p, id) || s.isSuspect(p, id) }
		counted := p.led() && slices.Contains(p.State.ISR, r.broker) && slices.ContainsFunc(p.State.ISR, has)
		if leads || counted {
			continue
		}
		if d.moveReplica(p, r, replicaOnline) {
			r.untold = true
			d.show(p)
		}
	}
}

// dismiss stops the replicas that the assignment no longer has, when no in-sync replica is among them.
func (s *State) dismiss(d *Decision, p *partition) {
	p.replicas = slices.DeleteFunc(p.replicas, func(r *replica) bool {
		if slices.Contains(p.effective(), r.broker) || p.State.Leader == r.broker || slices.Contains(p.State.ISR, r.broker) {
			return false
		}
		d.moveReplica(p, r, replicaOffline, replicaDeletionStarted, replicaDeletionSuccessful, replicaNonExistent)
		d.stop(r.broker, p, p.State.LeaderEpoch, true)
		s.failures.drop(Replica{r.broker, p.tp()})
		return true
	})
}

// planFirst gives a partition its first leader: the first replica that is online, with all that are online in the ISR. A partition
// without such a replica waits for one.
func (s *State) planFirst(d *Decision, p *partition) {
	if p.status == partitionNonExistent {
		d.move(p, partitionNew)
	}
	isr := kept(p.Replicas.Replicas, s.online(p))
	if len(isr) == 0 {
		s.notElected(p)
		return
	}
	if !p.topic.hasNode {
		s.queueTopic(p.topic) // the parent first
		return
	}
	p.busy = true
	d.change(s.firstState(p, isr))
}

func (s *State) firstState(p *partition, isr []int32) *stateChange {
	next := znode.PartitionState{ControllerEpoch: s.Epoch, Leader: isr[0], ISR: isr}
	if p.State.ISR != nil {
		next.LeaderEpoch = p.State.LeaderEpoch + 1 // somebody deleted the state's node
	}
	return newStateChange(p, next, changeFirst)
}

// nextState is the change that a partition's state needs, nil if it needs none. waits says that the tree was asked first.
func (s *State) nextState(d *Decision, p *partition) (c *stateChange, waits bool) {
	leader, isr := p.State.Leader, p.State.ISR
	if s.awaitsSuspect(p) {
		return nil, false
	}
	if len(isr) > 0 && len(without(isr, p.effective())) == len(isr) {
		s.readmit(d, p)
		return nil, true
	}
	if !s.serves(p, leader) {
		return s.electLeader(d, p)
	}
	if c := s.replaceLeader(p); c != nil {
		return c, false
	}
	stay := func(id int32) bool { return id == leader || s.isOnline(p, id) }
	if left := kept(isr, stay); len(left) < len(isr) {
		return newStateChange(p, s.successor(p, leader, left), changeShrink), false
	}
	if p.isReassigning() && !p.completing {
		if c := s.reassign(p); c != nil {
			return c, false
		}
	}
	if p.election != nil && !p.election.unclean {
		if to, ok := electPreferred(p.effective(), isr, s.online(p)); ok {
			return newStateChange(p, s.successor(p, to, isr), changePreferred), false
		}
	}
	if p.bump {
		return newStateChange(p, s.successor(p, leader, isr), changeBump), false
	}
	return nil, false
}

// readmit takes replicas back into the assignment that alone are in sync, although another reassignment has left them out: without
// them everything would be lost. They leave again when the others have caught up. The tree says of them that they are added and removed: a
// cancel of this leaves them out too.
func (s *State) readmit(d *Decision, p *partition) {
	if p.next != nil {
		return
	}
	d.log(slog.LevelWarn, "replicas stay in a partition's assignment until others are in sync", "partition", p.tp(), "replicas", p.State.ISR)
	p.next = &znode.Replicas{
		Partition: p.Partition, Replicas: slices.Concat(p.Replicas.Replicas, p.State.ISR),
		Adding: slices.Concat(p.Adding, p.State.ISR), Removing: slices.Concat(p.Removing, p.State.ISR),
	}
	s.queueTopic(p.topic)
}

// replaceLeader moves the leadership from a broker that shuts down, or from a replica that leaves the assignment, if another
// replica can lead. The only replica of a partition goes on to lead until its broker is gone.
func (s *State) replaceLeader(p *partition) *stateChange {
	leader, assignment := p.State.Leader, p.effective()
	if s.isOnline(p, leader) || len(assignment) == 1 && assignment[0] == leader {
		return nil
	}
	to, ok := electForShutdown(assignment, p.State.ISR, s.online(p))
	if !ok {
		return nil
	}
	return newStateChange(p, s.successor(p, to, kept(p.State.ISR, s.online(p))), changeShutdown)
}

// electLeader is for a partition whose leader is gone.
func (s *State) electLeader(d *Decision, p *partition) (c *stateChange, waits bool) {
	if p.status == partitionOnline || p.status == partitionNew {
		d.move(p, partitionOffline)
	}
	assignment, online := p.effective(), s.online(p)
	if leader, isr, ok := electOffline(assignment, p.State.ISR, online); ok {
		return newStateChange(p, s.successor(p, leader, isr), changeOffline), false
	}
	suspect := func(id int32) bool { return s.isSuspect(p, id) }
	if leader, isr, ok := electUnclean(assignment, online); ok && !slices.ContainsFunc(p.State.ISR, suspect) {
		allowed, known := s.uncleanAllowed(p)
		if !known {
			return nil, true
		}
		if allowed {
			next := s.successor(p, leader, isr)
			next.Recovering = true
			d.Events = append(d.Events, observe.UncleanElection{Topic: p.tp().Topic, Partition: p.tp().Partition, Leader: leader, ISR: p.State.ISR})
			return newStateChange(p, next, changeOffline), false
		}
	}
	if p.State.Leader != znode.NoLeader {
		// The ISR stays: whoever of it comes back first has all that was acknowledged.
		return newStateChange(p, s.successor(p, znode.NoLeader, p.State.ISR), changeShrink), false
	}
	return nil, false
}

// uncleanAllowed says whether a partition may have a leader that is not in sync. known is false if the topic's configuration is asked
// for first: then the partition is planned again.
func (s *State) uncleanAllowed(p *partition) (allowed, known bool) {
	if p.election != nil && p.election.unclean {
		return true, true
	}
	if allowed, known = s.unclean[p.topic.name]; known {
		return allowed, true
	}
	if !p.asking {
		p.asking = true
		s.undecided = append(s.undecided, p)
	}
	return false, false
}

// askUnclean reads the configurations of topics that may need an unclean election, all at once. A read that fails is made again later, in
// another event, so that the partitions that wait for it belong to the read.
func (s *State) askUnclean(d *Decision) {
	waiting := map[string][]*partition{}
	for _, p := range s.undecided {
		waiting[p.topic.name] = append(waiting[p.topic.name], p)
	}
	s.undecided = nil
	if len(waiting) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(waiting))
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = znode.ConfigPath(znode.EntityTopics, name)
	}
	d.ask(Read{Nodes: paths}, func(d *Decision, r ReadResult) {
		for i, name := range names {
			s.unclean[name] = s.decodeUnclean(d, name, paths[i], r.Nodes[i])
			for _, p := range waiting[name] {
				if p.asking && s.partition(p.tp()) == p {
					p.asking = false
					d.show(p)
					s.queue(p)
				}
			}
		}
	})
}

func (s *State) decodeUnclean(d *Decision, name, path string, n meta.Node) bool {
	if n.Err == nil {
		config, err := znode.DecodeConfig(path, n.Data)
		if err != nil {
			d.log(slog.LevelError, "no leader that is not in sync is elected: the topic's configuration cannot be read", "topic", name, "error", err)
			return false
		}
		return UncleanAllowed(config, s.rules.Unclean)
	}
	return UncleanAllowed(nil, s.rules.Unclean)
}

// UncleanAllowed says whether a topic with these properties of its own may have a leader that is not in sync. byDefault answers for
// topics that do not say; nil for no. Tools write what users typed into the tree, so the value is read as Kafka reads it
// (ConfigDef.parseType).
func UncleanAllowed(config map[string]string, byDefault func() bool) bool {
	if v, set := config["unclean.leader.election.enable"]; set {
		return strings.EqualFold(strings.TrimSpace(v), "true")
	}
	return byDefault != nil && byDefault()
}

// uncleanEnabled looks at the partitions without a leader again.
func (s *State) uncleanEnabled(topic string) {
	for p := range s.all {
		if (topic == "" || topic == p.topic.name) && p.led() && p.status == partitionOffline {
			s.queue(p)
		}
	}
}

// askUnread asks the tree what the states of partitions are, all at once.
func (s *State) askUnread(d *Decision) {
	partitions := s.unread
	s.unread = nil
	if len(partitions) == 0 {
		return
	}
	paths := make([]string, len(partitions))
	for i, p := range partitions {
		paths[i] = znode.PartitionStatePath(p.tp())
	}
	d.ask(Read{Nodes: paths}, func(d *Decision, r ReadResult) {
		for i, p := range partitions {
			p.busy, p.unread = false, false
			if s.partition(p.tp()) != p {
				continue // it is gone, and the node may be that of another topic of this name
			}
			if s.adopt(d, p, r.Nodes[i]); p.unread { // that node alone cannot be read
				s.later(p)
				continue
			}
			d.show(p)
			s.queue(p)
		}
	})
}

// adopt takes over the state of a partition as it stands in the tree.
func (s *State) adopt(d *Decision, p *partition, n meta.Node) {
	switch {
	case isMissing(n):
		p.version = -1
		return
	case n.Err != nil:
		p.unread = true
		return
	case p.version == n.Stat.Version && bytes.Equal(n.Data, p.State.Encode()):
		return
	}
	state, err := znode.DecodePartitionState(p.tp(), n.Data)
	p.hasNode, p.version = true, n.Stat.Version
	if err != nil {
		// Nothing is done with the partition until somebody mends the node and another controller reads it.
		d.log(slog.LevelError, "partition is left alone: its state cannot be read", "partition", p.tp(), "error", err)
		p.broken = true
		p.State = znode.PartitionState{Leader: znode.NoLeader}
		return
	}
	p.State = state
	if p.status == partitionNonExistent {
		d.move(p, partitionNew)
	}
	d.move(p, partitionOffline)
	if s.serves(p, state.Leader) {
		d.move(p, partitionOnline)
	}
	if s.topics[p.topic.name] == p.topic {
		d.show(p)
	}
}
