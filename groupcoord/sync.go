package groupcoord

import "bytes"

// syncGroup handles a SyncGroup request: it answers with the member's assignment, once the leader has sent it
// (GroupCoordinator.handleSyncGroup).
func (g *group) syncGroup(r *SyncRequest, out *effects) {
	m, err := g.syncing(r)
	if err != nil {
		out.answerSync(r.Done, SyncAnswer{Err: err})
		return
	}
	g.hasSynced(m)
	if g.state == Stable {
		out.answerSync(r.Done, g.syncAnswer(m))
		g.alive(m, out)
		return
	}
	g.answerSync(m, SyncAnswer{Err: ErrRebalanceInProgress}, out) // an older one, on a connection that the member has given up
	m.sync = r.Done
	if g.leader == m.id {
		g.assign(r.Assignments, out)
	}
}

// syncing finds the member that asks for its assignment. The error says why it gets none.
func (g *group) syncing(r *SyncRequest) (*member, error) {
	if g.state == Dead {
		return nil, ErrNotAvailable
	}
	m, err := g.current(r.MemberID, r.InstanceID)
	switch {
	case err != nil:
		return nil, err
	case r.Generation != g.generation:
		return nil, ErrIllegalGeneration
	case r.ProtocolType != nil && (g.kind == nil || *r.ProtocolType != *g.kind),
		r.Protocol != nil && (g.protocol == nil || *r.Protocol != *g.protocol):
		return nil, ErrInconsistentProtocol
	case g.state == PreparingRebalance:
		return nil, ErrRebalanceInProgress
	}
	return m, nil
}

func (g *group) syncAnswer(m *member) SyncAnswer {
	return SyncAnswer{ProtocolType: g.kind, Protocol: g.protocol, Assignment: m.assignment}
}

// assign has the leader's assignments written. When they are committed each member is answered with its own; a member that the leader
// left out gets an empty one.
func (g *group) assign(assignments []Assignment, out *effects) {
	given := make(map[string][]byte, len(assignments))
	for _, a := range assignments {
		given[a.MemberID] = bytes.Clone(a.Bytes)
	}
	generation := g.generation
	out.writes = append(out.writes, write{records: []record{g.recordWith(given)}, done: func(_ int64, err error, out *effects) {
		if g.state != CompletingRebalance || g.generation != generation {
			return // the group rebalances since, and the syncs that waited were answered
		}
		if err := groupError(err); err != nil {
			g.assignNothing(err, out)
			g.rebalance(reason{what: notWritten}, out)
			return
		}
		for _, m := range g.members {
			m.assignment = given[m.id]
			g.weigh(m)
		}
		for _, m := range g.members {
			if g.answerSync(m, g.syncAnswer(m), out) {
				g.alive(m, out)
			}
		}
		g.transition(Stable, out)
	}})
}
