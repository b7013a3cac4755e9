package controller

import (
	"log/slog"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// lookAtLogDirs reads which brokers have a log directory that failed, or can try logs again that failed. The broker tells which replicas are
// concerned when it is given the orders for all that it has, also for those that failed before (3.9's onBrokerLogDirFailure).
func (s *State) lookAtLogDirs(d *Decision) {
	s.notifications(d, znode.LogDirNotification, func(d *Decision, path string, n meta.Node) {
		id, err := znode.DecodeLogDirEvent(path, n.Data)
		if err != nil {
			d.log(slog.LevelError, "a notification of a failed log directory is ignored: it cannot be read", "znode", path, "error", err)
			return
		}
		d.log(slog.LevelInfo, "broker has logs that failed, or that are tried again", "broker_id", id)
		for p := range s.all {
			if r := p.replica(id); r != nil && (r.isUsable() || s.failures.has(Replica{id, p.tp()})) && p.led() && !p.topic.isFrozen() {
				d.tellAgain(p, r, false)
			}
		}
	})
}

// lookAtISRChanges reads which ISRs brokers before 2.7 wrote themselves.
func (s *State) lookAtISRChanges(d *Decision) {
	s.notifications(d, znode.ISRChangeNotification, func(d *Decision, path string, n meta.Node) {
		list, err := znode.DecodePartitionList(path, n.Data)
		if err != nil {
			d.log(slog.LevelError, "a notification of changed ISRs is ignored: it cannot be read", "znode", path, "error", err)
			return
		}
		for _, tp := range list {
			if p := s.partition(tp); p != nil && !p.topic.isFrozen() {
				p.unread = true
				d.show(p)
				s.queue(p)
			}
		}
	})
}

// notifications reads the children of a node, takes in each and deletes it.
func (s *State) notifications(d *Decision, parent string, take func(d *Decision, path string, n meta.Node)) {
	d.ask(Read{Children: parent}, func(d *Decision, r ReadResult) {
		if len(r.Names) == 0 {
			return
		}
		paths := below(parent, r.Names)
		d.ask(Read{Nodes: paths}, func(d *Decision, r ReadResult) {
			for i, n := range r.Nodes {
				if n.Err == nil {
					take(d, paths[i], n)
				}
				if !isMissing(n) {
					d.change(&cleanUp{deleteNode(paths[i])})
				}
			}
		})
	})
}

func below(parent string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = parent + "/" + name
	}
	return paths
}

// legacyReassignment is the node by which tools before 2.4 ask for reassignments.
type legacyReassignment struct {
	version int32 // -1 if there is no node
	list    []znode.Reassignment
	busy    bool
}

// lookAtReassignments reads /admin/reassign_partitions, with a watch that also tells when it is made.
func (s *State) lookAtReassignments(d *Decision) {
	s.readReassignments(d, func(d *Decision) {
		var refused []protocol.TopicPartition
		for _, r := range s.legacy.list {
			tp := protocol.TopicPartition{Topic: r.Topic, Partition: r.Partition}
			p := s.partition(tp)
			if p != nil && p.isReassigning() && slices.Equal(p.target(), r.Replicas) {
				continue // it is under way
			}
			err := order.Refuse(order.ErrInvalidReplicaAssignment, "the list of replicas is empty, or has a broker twice")
			if len(r.Replicas) > 0 && !hasTwice(r.Replicas) {
				err = s.beginReassignment(p, r.Replicas, func(error) {})
			}
			if err != nil {
				d.log(slog.LevelWarn, "a reassignment is refused", "znode", znode.ReassignPartitions, "partition", tp, "error", err)
				refused = append(refused, tp)
			}
		}
		s.trimReassignments(d, func(r *znode.Reassignment) bool {
			return slices.Contains(refused, protocol.TopicPartition{Topic: r.Topic, Partition: r.Partition})
		})
	})
}

func (s *State) readReassignments(d *Decision, then func(*Decision)) {
	d.ask(Read{Nodes: []string{znode.ReassignPartitions}, Watch: true}, func(d *Decision, r ReadResult) {
		n := r.Nodes[0]
		if s.legacy.busy {
			return // what is being written fires the watch again
		}
		s.legacy = legacyReassignment{version: -1}
		if n.Err != nil {
			return
		}
		list, err := znode.DecodeReassignments(n.Data)
		if err != nil {
			d.log(slog.LevelError, "reassignments are ignored: the node cannot be read", "znode", znode.ReassignPartitions, "error", err)
		}
		s.legacy.version, s.legacy.list = n.Stat.Version, list
		then(d)
	})
}

// trimReassignments takes entries out of /admin/reassign_partitions, and deletes the node when nothing is left.
func (s *State) trimReassignments(d *Decision, done func(*znode.Reassignment) bool) {
	l := &s.legacy
	if l.version < 0 {
		return
	}
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(r znode.Reassignment) bool { return done(&r) })
	if len(l.list) < before {
		s.writeReassignments(d)
	}
}

func (s *State) writeReassignments(d *Decision) {
	l := &s.legacy
	if l.busy || l.version < 0 {
		return
	}
	l.busy = true
	c := &legacyChange{left: slices.Clone(l.list)}
	if len(c.left) == 0 {
		c.nodeWrite = nodeWrite{op: meta.DeleteOp(znode.ReassignPartitions, l.version)}
	} else {
		c.nodeWrite = setNode(znode.ReassignPartitions, znode.EncodeReassignments(c.left), l.version)
	}
	d.change(c)
}

// legacyChange writes what is left of the legacy reassignments.
type legacyChange struct {
	nodeWrite
	left []znode.Reassignment
}

func (c *legacyChange) done(s *State, d *Decision) {
	l := &s.legacy
	l.busy = false
	if c.op.Kind == meta.OpDelete {
		l.version, l.list = -1, nil
		s.lookAtReassignments(d) // with a watch for the next one
		return
	}
	l.version++
	if len(l.list) < len(c.left) {
		s.writeReassignments(d)
	}
}

func (c *legacyChange) lost(s *State, d *Decision, _ meta.Node, err error) {
	s.legacy.busy = false
	left := c.left
	if !passes(err) {
		return
	}
	s.readReassignments(d, func(d *Decision) {
		s.trimReassignments(d, func(r *znode.Reassignment) bool {
			return !slices.ContainsFunc(left, func(l znode.Reassignment) bool { return l.Topic == r.Topic && l.Partition == r.Partition })
		})
	})
}

// lookAtElections reads /admin/preferred_replica_election, by which tools before 2.4 ask for elections, with a watch that also tells when
// it is made.
func (s *State) lookAtElections(d *Decision) {
	path := znode.PreferredElection
	d.ask(Read{Nodes: []string{path}, Watch: true}, func(d *Decision, r ReadResult) {
		n := r.Nodes[0]
		if n.Err != nil {
			return
		}
		list, err := znode.DecodePartitionList(path, n.Data)
		if err != nil {
			d.log(slog.LevelError, "elections are ignored: the node cannot be read", "znode", path, "error", err)
		}
		for _, tp := range list {
			p := s.partition(tp)
			if err := s.checkElection(p, false); err != nil {
				d.log(slog.LevelInfo, "no election is held", "partition", tp, "error", err)
				continue
			}
			p.election = &election{}
			s.queue(p)
		}
		d.change(&electionsTaken{deleteNode(path)})
	})
}

// electionsTaken removes the list of elections, and sets the watch for the next one.
type electionsTaken struct{ nodeWrite }

func (c *electionsTaken) done(s *State, d *Decision) { s.lookAtElections(d) }

func (c *electionsTaken) lost(s *State, d *Decision, _ meta.Node, err error) {
	d.log(slog.LevelWarn, "a list of elections cannot be removed", "znode", c.op.Path, "error", err)
}
