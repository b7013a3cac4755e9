package groupcoord

// join has a member come, or come again. The refusals are looked for in the order of the reference
// (GroupCoordinator.handleJoinGroup), which the Coordinator begins: newID makes an id from what it starts with.
func (g *group) joinGroup(r *JoinRequest, newID func(prefix string) string, out *effects) {
	switch {
	case !g.takes(r.MemberID):
		g.remove(r.MemberID, out)
		out.answerJoin(r.Done, refusedJoin("", ErrGroupFull))
	case r.MemberID == "":
		g.joinNew(r, newID, out)
	default:
		g.joinKnown(r, out)
	}
	g.tryJoin(out)
}

// takes says whether a member may join a group of bounded size. While the group rebalances those count that have
// joined: where the bound was lowered the last to come are left out.
func (g *group) takes(id string) bool {
	switch g.state {
	case PreparingRebalance:
		m := g.byID[id]
		return m != nil && m.join != nil || g.joining < g.config.MaxSize
	case CompletingRebalance, Stable:
		return g.byID[id] != nil || len(g.members) < g.config.MaxSize
	}
	return true
}

// joinNew has a member join that has no id yet.
func (g *group) joinNew(r *JoinRequest, newID func(prefix string) string, out *effects) {
	if g.state == Dead {
		out.answerJoin(r.Done, refusedJoin("", ErrNotAvailable))
		return
	}
	if !g.admits(r.ProtocolType, r.Protocols) {
		out.answerJoin(r.Done, refusedJoin("", ErrInconsistentProtocol))
		return
	}
	if r.InstanceID != nil {
		id := newID(*r.InstanceID)
		if m := g.static[*r.InstanceID]; m != nil {
			g.replace(m, id, r, out)
		} else {
			g.join1(id, r, out)
		}
		return
	}
	id := newID(r.ClientID)
	if !r.NeedsKnownID {
		g.join1(id, r, out)
		return
	}
	// A client that gives up on its first request and sends another would be two members. So it is
	// told its id first, and is none before it comes with that (KIP-394).
	g.pend(id, out.tickMs+int64(r.SessionTimeoutMs))
	out.answerJoin(r.Done, refusedJoin(id, ErrMemberIDRequired))
}

// join1 takes a new member in, and has all join for it.
func (g *group) join1(id string, r *JoinRequest, out *effects) {
	m := &member{
		id: id, instanceID: r.InstanceID, clientID: r.ClientID, clientHost: r.ClientHost,
		sessionTimeoutMs: r.SessionTimeoutMs, rebalanceTimeoutMs: r.RebalanceTimeoutMs,
		protocols: keep(r.Protocols), isNew: true, join: r.Done,
	}
	if g.state == PreparingRebalance && g.generation == 0 {
		g.join.added = true
	}
	if len(g.members) == 0 {
		kind := r.ProtocolType // the request is not kept
		g.kind = &kind
	}
	g.add(m)
	g.expect(m, out.tickMs+newMemberTimeoutMs)
	g.rebalance(out)
}

// joinKnown has a member join that has an id.
func (g *group) joinKnown(r *JoinRequest, out *effects) {
	refuse := func(err error) { out.answerJoin(r.Done, refusedJoin(r.MemberID, err)) }
	if g.state == Dead {
		refuse(ErrNotAvailable)
		return
	}
	if !g.admits(r.ProtocolType, r.Protocols) {
		refuse(ErrInconsistentProtocol)
		return
	}
	if _, ok := g.pending[r.MemberID]; ok {
		if r.InstanceID != nil {
			refuse(ErrUnknownMember) // the id was a dynamic member's
			return
		}
		g.join1(r.MemberID, r, out)
		return
	}
	m, err := g.current(r.MemberID, r.InstanceID)
	if err != nil {
		refuse(err)
		return
	}
	switch g.state {
	case PreparingRebalance:
		g.rejoin(m, r, out)
	case CompletingRebalance:
		// It may not have got the answer to its join.
		if m.says(r.Protocols) {
			out.answerJoin(r.Done, g.joinAnswer(m))
		} else {
			g.rejoin(m, r, out)
		}
	case Stable:
		// A leader joins for what it alone sees, as a topic that has more partitions.
		if g.leader == m.id || !m.says(r.Protocols) {
			g.rejoin(m, r, out)
		} else {
			out.answerJoin(r.Done, g.joinAnswer(m))
		}
	}
}

// rejoin has a member of the group wait for the others to join too.
func (g *group) rejoin(m *member, r *JoinRequest, out *effects) {
	g.says(m, r)
	g.wait(m, r.Done, out)
	g.rebalance(out)
}

// replace gives a static member that is back, and knows nothing of what it was, a new id. Who still has the old one
// is fenced.
func (g *group) replace(m *member, id string, r *JoinRequest, out *effects) {
	oldLeader, oldID, was := g.leader, m.id, *m
	g.rename(m, id, out)
	g.alive(m, out)
	g.says(m, r)
	g.wait(m, r.Done, out)
	switch g.state {
	case Stable:
		if g.elected() != *g.protocol {
			g.rebalance(out)
			return
		}
		// All it needs is its assignment; once the new id is in the log, it is told to ask for that.
		out.writes = append(out.writes, write{records: []record{g.record()}, done: func(_ int64, err error, out *effects) {
			g.replaced(m, id, oldID, oldLeader, &was, r, groupError(err), out)
		}})
	case CompletingRebalance:
		// The leader may be assigning to the old id just now.
		g.rebalance(out)
	}
}

// rename gives a member another id. Requests of who had the old one are refused.
func (g *group) rename(m *member, id string, out *effects) {
	g.answerJoin(m, refusedJoin(m.id, ErrFencedInstance), out)
	g.answerSync(m, SyncAnswer{Err: ErrFencedInstance}, out)
	delete(g.byID, m.id)
	if g.leader == m.id {
		g.leader = id
	}
	m.id = id
	g.byID[id] = m
}

// replaced answers a static member that was given a new id in a stable group, when that is in the log or cannot be.
func (g *group) replaced(m *member, id, oldID, oldLeader string, was *member, r *JoinRequest, err error, out *effects) {
	if g.state != Stable || g.byID[id] != m || m.join == nil {
		return // all join anew, or it is gone or back once more, and was answered
	}
	if err != nil {
		g.count(m, -1)
		m.protocols, m.sessionTimeoutMs, m.rebalanceTimeoutMs = was.protocols, was.sessionTimeoutMs, was.rebalanceTimeoutMs
		g.count(m, 1)
		a := JoinAnswer{Err: err, Generation: g.generation, ProtocolType: g.kind, Protocol: g.protocol, Leader: oldLeader}
		g.answerJoin(m, a, out)
		g.rename(m, oldID, out)
		g.alive(m, out)
		return
	}
	a := JoinAnswer{MemberID: id, Generation: g.generation, ProtocolType: g.kind, Protocol: g.protocol, Leader: oldLeader}
	if r.SkipsAssignment {
		// It may lead again, and watch what there is to read, but has nothing to assign.
		if a = g.joinAnswer(m); g.leader == id {
			a.SkipAssignment = true
		}
	}
	g.answerJoin(m, a, out)
}
