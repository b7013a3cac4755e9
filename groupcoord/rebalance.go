package groupcoord

// newMemberTimeoutMs is for how long a member that has just come may wait for the others: it cannot send heartbeats yet.
const newMemberTimeoutMs = 5 * 60 * 1000

// rebalance has all members join anew. A group that is rebalancing already, or is no more, is left as it is.
func (g *group) rebalance(out *effects) {
	switch g.state {
	case PreparingRebalance, Dead:
		return
	case CompletingRebalance:
		g.assignNothing(ErrRebalanceInProgress, out)
	}
	g.allSynced()
	timeoutMs := int64(g.rebalanceTimeoutMs())
	g.join = joinWait{untilMs: out.tickMs + timeoutMs}
	if g.state == Empty {
		delayMs := int64(g.config.InitialRebalanceDelayMs)
		g.join = joinWait{initial: true, untilMs: out.tickMs + delayMs, remainingMs: max(timeoutMs-delayMs, 0)}
	}
	g.wakeMs = min(g.wakeMs, g.join.untilMs)
	g.transition(PreparingRebalance, out)
	g.tryJoin(out)
}

// tryJoin ends the wait for joins when all members have come. A group that was empty waits on: there may be more.
func (g *group) tryJoin(out *effects) {
	if g.state == PreparingRebalance && !g.join.initial && g.joining == len(g.members) && len(g.pending) == 0 {
		g.joined(out)
	}
}

// joinTimeout ends the wait for joins when it has lasted long enough.
func (g *group) joinTimeout(out *effects) {
	j := &g.join
	if j.initial && j.added && j.remainingMs > 0 {
		// Members came: it waits for as long again, within the rebalance timeout (InitialDelayedJoin).
		delayMs := min(int64(g.config.InitialRebalanceDelayMs), j.remainingMs)
		j.added, j.untilMs, j.remainingMs = false, out.tickMs+delayMs, max(j.remainingMs-delayMs, 0)
		return
	}
	g.joined(out)
}

// joined begins a generation with the members that have joined. Static members stay, also when they have not.
func (g *group) joined(out *effects) {
	var late []string
	for _, m := range g.members {
		if m.join == nil && !m.isStatic() {
			late = append(late, m.id)
		}
	}
	for _, id := range late {
		g.remove(id, out)
	}
	if len(g.members) > 0 && !g.electLeader() {
		// None has: their sessions end, or they come.
		g.join = joinWait{untilMs: out.tickMs + int64(g.rebalanceTimeoutMs())}
		return
	}
	g.join = joinWait{}
	g.generation++
	if len(g.members) == 0 {
		g.protocol = nil
		g.subscribe()
		g.transition(Empty, out)
		out.writes = append(out.writes, write{records: []record{g.record()}})
		return
	}
	protocol := g.elected()
	g.protocol = &protocol
	g.subscribe()
	g.transition(CompletingRebalance, out)
	for _, m := range g.members {
		g.answerJoin(m, g.joinAnswer(m), out)
		g.alive(m, out)
		m.isNew, m.unsynced = false, true
	}
	g.unsynced = len(g.members)
	g.syncAtMs = out.tickMs + int64(g.rebalanceTimeoutMs())
	g.wakeMs = min(g.wakeMs, g.syncAtMs)
}

// electLeader makes a member that has joined the leader, and reports false when none has.
func (g *group) electLeader() bool {
	if m := g.byID[g.leader]; m != nil && m.join != nil {
		return true
	}
	for _, m := range g.members {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// joinAnswer is what a member is told of the generation that it is in.
func (g *group) joinAnswer(m *member) JoinAnswer {
	a := JoinAnswer{MemberID: m.id, Generation: g.generation, ProtocolType: g.kind, Protocol: g.protocol, Leader: g.leader}
	if g.leader == m.id {
		a.Members = g.described()
	}
	return a
}

// described lists the members for the leader.
func (g *group) described() []JoinedMember {
	list := make([]JoinedMember, len(g.members))
	for i, m := range g.members {
		list[i] = JoinedMember{MemberID: m.id, InstanceID: m.instanceID, Metadata: m.metadata(*g.protocol)}
	}
	return list
}

// assignNothing answers the members that wait for their assignments with an error.
func (g *group) assignNothing(err error, out *effects) {
	for _, m := range g.members {
		m.assignment = nil
		if g.answerSync(m, SyncAnswer{Err: err}, out) {
			g.alive(m, out)
		}
	}
}

// allSynced ends the wait for members that have not asked what to do.
func (g *group) allSynced() {
	g.syncAtMs, g.unsynced = 0, 0
	for _, m := range g.members {
		m.unsynced = false
	}
}

// hasSynced notes that a member has asked what to do, and ends the wait when it was the last.
func (g *group) hasSynced(m *member) {
	if !m.unsynced {
		return
	}
	m.unsynced = false
	if g.unsynced--; g.unsynced == 0 {
		g.syncAtMs = 0
	}
}

// syncTimeout removes the members that have not asked what to do.
func (g *group) syncTimeout(out *effects) {
	var silent []string
	for _, m := range g.members {
		if m.unsynced {
			silent = append(silent, m.id)
		}
	}
	g.syncAtMs = 0
	for _, id := range silent {
		g.remove(id, out)
	}
	g.rebalance(out)
}

// wake does what is due, and says when it is to be woken next.
func (g *group) wake(out *effects) {
	if g.state == Dead {
		g.wakeMs = never
		return
	}
	for id, untilMs := range g.pending {
		if untilMs <= out.tickMs {
			g.dropPending(id, out)
		}
	}
	for _, m := range append([]*member(nil), g.members...) {
		if m.deadlineMs > 0 && m.deadlineMs <= out.tickMs && g.byID[m.id] == m {
			g.silent(m, out)
		}
	}
	if g.join.untilMs > 0 && g.join.untilMs <= out.tickMs {
		g.joinTimeout(out)
	}
	if g.syncAtMs > 0 && g.syncAtMs <= out.tickMs {
		g.syncTimeout(out)
	}
	g.wakeMs = g.nextWakeMs()
}

// dropPending forgets an id that nobody came with. A group that only had such, and never a generation, is no more.
func (g *group) dropPending(id string, out *effects) {
	g.remove(id, out)
	g.tryJoin(out)
	if g.state == Empty && g.generation == 0 && len(g.pending) == 0 && !g.used() {
		g.transition(Dead, out)
	}
}

// silent is what becomes of a member that has not been heard of for its session timeout: whose request waits,
// waits for us, unless it is new and was never to wait for so long.
func (g *group) silent(m *member, out *effects) {
	if !m.isNew && (m.join != nil || m.sync != nil) {
		m.deadlineMs = 0
		return
	}
	g.leave(m, out)
}

// leave takes out a member that is gone. The others share its work.
func (g *group) leave(m *member, out *effects) {
	g.remove(m.id, out)
	switch g.state {
	case Stable, CompletingRebalance:
		g.rebalance(out)
	case PreparingRebalance:
		g.tryJoin(out)
	}
}

// nextWakeMs is when the next thing is due.
func (g *group) nextWakeMs() int64 {
	at := int64(never)
	due := func(ms int64) {
		if ms > 0 {
			at = min(at, ms)
		}
	}
	for _, m := range g.members {
		due(m.deadlineMs)
	}
	for _, untilMs := range g.pending {
		due(untilMs)
	}
	due(g.join.untilMs)
	due(g.syncAtMs)
	return at
}
