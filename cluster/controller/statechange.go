package controller

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// changeKind is why a partition's state changes. It says which brokers are told.
type changeKind uint8

const (
	changeFirst     changeKind = iota // the first leader
	changeOffline                     // the leader was gone
	changeShrink                      // replicas left the ISR, or nobody can lead
	changeShutdown                    // the leader is about to stop
	changePreferred                   // the preferred replica leads again
	changeReassign                    // a reassignment begins: new replicas are told
	changeMove                        // a replica that a reassignment keeps leads; the others are still in the ISR
	changeComplete                    // a reassignment ends
	changeBump                        // the leader epoch alone grows
	changeISR                         // the leader asked for another ISR
)

// stateChange is a new state of a partition.
type stateChange struct {
	p    *partition
	next znode.PartitionState
	kind changeKind
	body []byte
	from int32 // the version that the state has to have, -1 if there must be none
	// answer is called when the change was made or not, nil if nobody waits for it.
	answer func(*Decision, error)
}

func newStateChange(p *partition, next znode.PartitionState, kind changeKind) *stateChange {
	return &stateChange{p: p, next: next, kind: kind, body: next.Encode(), from: p.version}
}

func (c *stateChange) ops() []meta.Op {
	path := znode.PartitionStatePath(c.p.tp())
	if c.from >= 0 {
		return []meta.Op{meta.SetOp(path, c.body, c.from)}
	}
	state := meta.CreateOp(path, c.body, meta.Persistent)
	if c.p.hasNode {
		return []meta.Op{state}
	}
	return []meta.Op{meta.CreateOp(znode.PartitionPath(c.p.tp()), nil, meta.Persistent), state}
}

func (c *stateChange) look() string { return znode.PartitionStatePath(c.p.tp()) }

func (c *stateChange) made(n meta.Node) bool {
	return n.Err == nil && n.Stat.Version == c.from+1 && bytes.Equal(n.Data, c.body)
}

func (c *stateChange) packs() bool { return true }

func (c *stateChange) done(s *State, d *Decision) {
	p := c.p
	p.busy, p.hasNode = false, true
	p.State, p.version = c.next, c.from+1
	if p.topic.isFrozen() { // the deletion has begun meanwhile
		d.show(p)
		if c.answer != nil {
			c.answer(d, nil)
		}
		return
	}
	if c.kind != changeISR {
		p.bump = false // whatever was to be told is told with this epoch
	}
	if c.next.Leader == znode.NoLeader {
		d.move(p, partitionOffline)
	} else {
		d.move(p, partitionOnline)
	}
	if c.kind == changeComplete {
		p.completing = true
	} else if c.kind == changeMove {
		p.moved = true
	} else if c.kind != changeISR && p.isReassigning() {
		p.told = true
	}
	if c.kind != changeISR {
		p.hidden = p.hidden || c.kind == changeFirst
		p.ready = c.kind != changeFirst
		s.tellChange(d, p, c.kind)
	}
	d.show(p)
	if p.hidden && p.ready {
		s.reveal(d, p.topic)
	}
	if e := p.election; e != nil && p.State.Leader != znode.NoLeader && (e.unclean || p.State.Leader == p.effective()[0]) {
		s.elected(p, nil)
	}
	if c.answer != nil {
		c.answer(d, nil)
	}
	s.queue(p)
}

func (c *stateChange) lost(s *State, d *Decision, now meta.Node, err error) {
	p := c.p
	p.busy = false
	d.show(p)
	if c.answer != nil {
		defer func() { c.answer(d, err) }()
	}
	switch {
	case isMissing(now) && c.from >= 0, isMissing(now) && errors.Is(err, meta.ErrNoNode):
		// The topic may be gone.
		s.lookAgain(p)
		return
	case isMissing(now) && errors.Is(err, meta.ErrNodeExists):
		p.hasNode = true
	case !isMissing(now):
		version := p.version
		s.adopt(d, p, now)
		if p.version != version && !p.broken {
			d.log(slog.LevelWarn, "somebody else changed the state of a partition", "partition", p.tp(), "state", string(now.Data))
			p.bump = true // a leader that was refused a change waits for a higher epoch
		}
	}
	if passes(err) && !p.unread {
		s.queue(p)
		return
	}
	s.elected(p, err)
	s.later(p)
}

// lookAgain has the topics read again, and then the partition planned.
func (s *State) lookAgain(p *partition) {
	s.effects.lookAtTopics = true
	p.version, p.hasNode, p.topic.hasNode, p.unread = -1, false, false, true
	s.later(p)
}

// tellChange tells brokers of a partition's new state: which ones depends on the kind of change.
func (s *State) tellChange(d *Decision, p *partition, kind changeKind) {
	ids := p.effective()
	for _, id := range ids {
		r := p.replica(id)
		if r == nil || s.brokers[id] == nil || r.status != replicaNew && r.status != replicaOnline {
			continue
		}
		switch kind {
		case changeFirst:
			if slices.Contains(p.State.ISR, id) {
				d.tell(p, r, true)
			}
		case changeOffline:
			if s.isLive(id) || s.isSuspect(p, id) {
				d.tell(p, r, p.isNewReplica(r))
			}
		default:
			d.tell(p, r, p.isNewReplica(r))
		}
	}
	if kind == changeFirst || kind == changeComplete {
		for _, r := range p.replicas {
			if r.status == replicaNew {
				d.moveReplica(p, r, replicaOnline)
			}
		}
	}
}

// elected answers whoever asked for a leader.
func (s *State) elected(p *partition, err error) {
	if p.election == nil {
		return
	}
	if r := p.election.result; r != nil {
		if r.Err = err; err == nil {
			r.Leader = p.State.Leader
		}
	}
	p.election = nil
}

// notElected answers whoever asked for a leader that no replica can be it.
func (s *State) notElected(p *partition) {
	if p.election == nil {
		return
	}
	kind, strategy := order.ErrPreferredLeaderNotAvailable, "PreferredReplicaPartitionLeaderElectionStrategy"
	if p.election.unclean {
		kind, strategy = order.ErrEligibleLeadersNotAvailable, "OfflinePartitionLeaderElectionStrategy(true)"
	}
	s.elected(p, order.Refuse(kind, "Failed to elect leader for partition %s under strategy %s", p.tp(), strategy))
}
