package groupcoord

import "bytes"

// syncGroup tells a member what it has to do, once the leader has said so (GroupCoordinator.handleSyncGroup).
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
	g.answerSync(m, SyncAnswer{Err: ErrRebalanceInProgress}, out) // of a connection that the member has given up
	m.sync = r.Done
	if g.leader == m.id {
		g.assign(r.Assignments, out)
	}
}

// syncing finds the member, or says why it is not told what to do.
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

// assign has the leader's assignments written. When they are in the log the members are told theirs; whom the leader
// has forgotten has nothing to do.
func (g *group) assign(assignments []Assignment, out *effects) {
	given := make(map[string][]byte, len(assignments))
	for _, a := range assignments {
		given[a.MemberID] = bytes.Clone(a.Bytes)
	}
	generation := g.generation
	out.writes = append(out.writes, write{records: []record{g.recordWith(given)}, done: func(_ int64, err error, out *effects) {
		if g.state != CompletingRebalance || g.generation != generation {
			return // somebody joined or left meanwhile, and who waited has been answered
		}
		if err := groupError(err); err != nil {
			g.assignNothing(err, out)
			g.rebalance(out)
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
