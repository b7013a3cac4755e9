package groupcoord

// joinGroup handles a JoinGroup request. It checks for refusals in the order of Apache Kafka (GroupCoordinator.handleJoinGroup); the
// Coordinator makes the first checks. newID makes a member id that begins with a prefix.
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

// takes reports whether a member may join without exceeding group.max.size. While the group rebalances only the members that have joined
// count: when the limit was lowered, the last ones to join are refused.
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

// joinNew handles the join of a member without a member id.
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
			g.addAndRebalance(id, r, out)
		}
		return
	}
	id := newID(r.ClientID)
	if !r.NeedsKnownID {
		g.addAndRebalance(id, r, out)
		return
	}
	// A client that gives up its first request and sends another would become two members. So it gets its member id first, and
	// becomes a member when it joins with that (KIP-394).
	g.pend(id, out.tickMs+int64(r.SessionTimeoutMs))
	out.answerJoin(r.Done, refusedJoin(id, ErrMemberIDRequired))
}

// addAndRebalance adds a new member, and has all members join again.
func (g *group) addAndRebalance(id string, r *JoinRequest, out *effects) {
	m := &member{
		id: id, instanceID: r.InstanceID, clientID: r.ClientID, clientHost: r.ClientHost,
		sessionTimeoutMs: r.SessionTimeoutMs, rebalanceTimeoutMs: r.RebalanceTimeoutMs,
		protocols: keep(r.Protocols), isNew: true, join: r.Done,
	}
	if g.state == PreparingRebalance && g.generation == 0 {
		g.join.added = true
	}
	if len(g.members) == 0 {
		kind := r.ProtocolType // a copy: the request's memory is reused
		g.kind = &kind
	}
	g.add(m)
	g.expect(m, out.tickMs+newMemberTimeoutMs)
	g.rebalance(reasonOf(memberJoined, r.Reason), out)
}

// joinKnown handles the join of a member that has a member id.
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
			refuse(ErrUnknownMember) // the id was given to a dynamic member
			return
		}
		g.addAndRebalance(r.MemberID, r, out)
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
		// The member may not have got the answer to its last join.
		if m.supports(r.Protocols) {
			out.answerJoin(r.Done, g.joinAnswer(m))
		} else {
			g.rejoin(m, r, out)
		}
	case Stable:
		// The leader joins again when it sees a reason to rebalance, as more partitions of a topic.
		if g.leader == m.id || !m.supports(r.Protocols) {
			g.rejoin(m, r, out)
		} else {
			out.answerJoin(r.Done, g.joinAnswer(m))
		}
	}
}

// rejoin has a member wait until the others have joined, too.
func (g *group) rejoin(m *member, r *JoinRequest, out *effects) {
	g.update(m, r)
	g.wait(m, r.Done, out)
	g.rebalance(reasonOf(memberJoinedAgain, r.Reason), out)
}

// replace gives a static member that was restarted a new member id. A client that still uses the old one is fenced.
func (g *group) replace(m *member, id string, r *JoinRequest, out *effects) {
	oldLeader, oldID, was := g.leader, m.id, *m
	g.rename(m, id, out)
	g.alive(m, out)
	g.update(m, r)
	g.wait(m, r.Done, out)
	switch g.state {
	case Stable:
		if g.elected() != *g.protocol {
			g.rebalance(reasonOf(otherProtocol, r.Reason), out)
			return
		}
		// The member needs only its assignment. It is answered when its new id is in the log, and then sends SyncGroup.
		out.writes = append(out.writes, write{records: []record{g.record()}, done: func(_ int64, err error, out *effects) {
			g.replaced(m, id, oldID, oldLeader, &was, r, groupError(err), out)
		}})
	case CompletingRebalance:
		// The leader may be making an assignment for the old id at this moment.
		g.rebalance(reasonOf(staticCameBack, r.Reason), out)
	}
}

// rename gives a member another member id. Requests with the old one that wait are refused.
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

// replaced answers a static member that got a new member id in a stable group, when the id was written to the log or could not be.
func (g *group) replaced(m *member, id, oldID, oldLeader string, was *member, r *JoinRequest, err error, out *effects) {
	if g.state != Stable || g.byID[id] != m || m.join == nil {
		return // the group rebalances, or the member has left or was replaced again: it was answered
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
		// It may be the leader again, which watches for changes of topics, but it has nothing to assign.
		if a = g.joinAnswer(m); g.leader == id {
			a.SkipAssignment = true
		}
	}
	g.answerJoin(m, a, out)
}
