package groupcoord

import (
	"strings"

	"klamm/observe"
)

// reason is why a group rebalances, or why a member is removed: what happened, one of the constants below, and what the client gave as its own
// reason (KIP-800), shortened: the group keeps it until it rebalances again.
type reason struct{ what, said string }

// reasonOf gives a reason with what a client said, which may be of any length and part of a request's bytes.
func reasonOf(what, said string) reason { return reason{what, strings.Clone(shorten(said))} }

// What makes a group rebalance. Metrics count rebalances by these.
const (
	memberJoined      = "a member joined"
	memberJoinedAgain = "a member joined again"
	memberLeft        = "a member left"
	otherProtocol     = "a static member came back with another protocol"
	staticCameBack    = "a static member came back"
	tooManyMembers    = "the group has more members than group.max.size"
	notSynced         = "members did not ask for their assignments in time"
	notWritten        = "the assignments could not be written"
	sessionTimedOut   = "a member's session timed out"
)

// notJoined is what else has a member removed.
const notJoined = "a member did not join the rebalance in time"

// newMemberTimeoutMs is how long a new member may wait for the others to join. It cannot send heartbeats meanwhile.
const newMemberTimeoutMs = 5 * 60 * 1000

// rebalance has all members join again. It does nothing when the group is rebalancing already, or dead. why is the reason.
func (g *group) rebalance(why reason, out *effects) {
	switch g.state {
	case PreparingRebalance, Dead:
		return
	case CompletingRebalance:
		g.assignNothing(ErrRebalanceInProgress, out)
	}
	g.why = why
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

// tryJoin ends the wait for joins when all members have joined. A group that was empty waits longer, since more members may join.
func (g *group) tryJoin(out *effects) {
	if g.state == PreparingRebalance && !g.join.initial && g.joining == len(g.members) && len(g.pending) == 0 {
		g.joined(out)
	}
}

// joinTimeout ends the wait for joins when its time is over.
func (g *group) joinTimeout(out *effects) {
	j := &g.join
	if j.initial && j.added && j.remainingMs > 0 {
		// New members joined during this step: it waits for another one, within the rebalance timeout (InitialDelayedJoin).
		delayMs := min(int64(g.config.InitialRebalanceDelayMs), j.remainingMs)
		j.added, j.untilMs, j.remainingMs = false, out.tickMs+delayMs, max(j.remainingMs-delayMs, 0)
		return
	}
	g.joined(out)
}

// joined begins a generation with the members that have joined. Static members stay in the group even if they have not.
func (g *group) joined(out *effects) {
	var late []string
	for _, m := range g.members {
		if m.join == nil && !m.isStatic() {
			late = append(late, m.id)
		}
	}
	for _, id := range late {
		g.remove(id, out)
		out.events = append(out.events, g.evicted(id, notJoined))
	}
	if len(g.members) > 0 && !g.electLeader() {
		// No member has joined. All are static: they join, or their sessions end.
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
		out.events = append(out.events, g.rebalanced(""))
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
	out.events = append(out.events, g.rebalanced(protocol))
}

// rebalanced is the event that a generation began.
func (g *group) rebalanced(protocol string) observe.Event {
	return observe.Rebalanced{
		Group: shorten(g.id), Generation: g.generation, Members: len(g.members), Protocol: shorten(protocol), Because: g.why.what, Said: g.why.said,
	}
}

// evicted is the event that a member was removed without having asked for that.
func (g *group) evicted(id, because string) observe.Event {
	return observe.MemberEvicted{Group: shorten(g.id), Member: shorten(id), Because: because}
}

// electLeader makes a member that has joined the leader, and reports false if no member has joined.
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

// joinAnswer is the answer to a join of a member of the present generation.
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

// allSynced ends the wait for members that have not sent SyncGroup.
func (g *group) allSynced() {
	g.syncAtMs, g.unsynced = 0, 0
	for _, m := range g.members {
		m.unsynced = false
	}
}

// hasSynced notes that a member has sent SyncGroup, and ends the wait when all have.
func (g *group) hasSynced(m *member) {
	if !m.unsynced {
		return
	}
	m.unsynced = false
	if g.unsynced--; g.unsynced == 0 {
		g.syncAtMs = 0
	}
}

// syncTimeout removes the members that have not sent SyncGroup.
func (g *group) syncTimeout(out *effects) {
	var late []string
	for _, m := range g.members {
		if m.unsynced {
			late = append(late, m.id)
		}
	}
	g.syncAtMs = 0
	for _, id := range late {
		g.remove(id, out)
		out.events = append(out.events, g.evicted(id, notSynced))
	}
	g.rebalance(reason{what: notSynced}, out)
}

// wake does what is due at this tick, and sets when the group is to be woken next.
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
			g.sessionEnded(m, out)
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

// dropPending removes a member id that nobody joined with. A group that never had anything else is dead.
func (g *group) dropPending(id string, out *effects) {
	g.remove(id, out)
	g.tryJoin(out)
	if g.state == Empty && g.generation == 0 && len(g.pending) == 0 && !g.used() && len(g.owed) == 0 {
		g.transition(Dead, out)
	}
}

// sessionEnded removes a member that sent nothing for its session timeout. A member with a request that waits stays, since it cannot send
// heartbeats; but a new one only waits for newMemberTimeoutMs.
func (g *group) sessionEnded(m *member, out *effects) {
	if !m.isNew && (m.join != nil || m.sync != nil) {
		m.deadlineMs = 0
		return
	}
	out.events = append(out.events, g.evicted(m.id, sessionTimedOut))
	g.leave(m, reason{what: sessionTimedOut}, out)
}

// leave removes a member, and has the others rebalance.
func (g *group) leave(m *member, why reason, out *effects) {
	g.remove(m.id, out)
	switch g.state {
	case Stable, CompletingRebalance:
		g.rebalance(why, out)
	case PreparingRebalance:
		g.tryJoin(out)
	}
}

// nextWakeMs is the tick at which the next thing is due.
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
