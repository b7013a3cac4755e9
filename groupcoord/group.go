package groupcoord

import (
	"math"
	"slices"
)

// group is one group as a state machine (GroupMetadata and GroupCoordinator of Apache Kafka). Its methods take a request and the time,
// change the group, and add the consequences to effects. The caller holds the group's lock.
type group struct {
	config *Config
	id     string

	state      State
	sinceMs    int64   // when it entered its state (currentStateTimestamp), -1 if its record does not say
	generation int32   // grows with each rebalance that ends
	kind       *string // its protocol type: "consumer" for consumers; nil for a group that only commits
	protocol   *string // the one that all members use; nil while there is none

	members []*member          // in the order in which they came
	byID    map[string]*member // the same
	static  map[string]*member // those with an instance id, by that
	leader  string             // the member that assigns; empty for none
	pending map[string]int64   // member ids that nobody has joined with yet, and the tick at which each expires (KIP-394)
	known   map[string]int     // how many members support a protocol
	joining int                // how many members have joined and wait for the others

	why        reason // it rebalances, or did last
	join       joinWait
	syncAtMs   int64           // when members that sent no SyncGroup are removed; 0 for never
	unsynced   int             // how many members have not sent SyncGroup
	subscribed map[string]bool // topics that the members of a consumer group are subscribed to
	// subscriptionKnown says whether subscribed is complete.
	subscriptionKnown bool

	offsets
	bytes  int64 // about how much memory it takes
	wakeMs int64 // the latest tick at which it has to be woken
}

// joinWait is how long a rebalance waits for members to join, in ticks.
type joinWait struct {
	untilMs int64 // 0 while no rebalance waits
	// A group that was empty waits in steps of group.initial.rebalance.delay.ms as long as new members join. initial says that it does,
	// remainingMs is how much longer it may, and added says that a member joined during this step.
	initial     bool
	remainingMs int64
	added       bool
}

// never is a tick that is not reached.
const never = math.MaxInt64

func newGroup(config *Config, id string, nowMs int64) *group {
	return &group{config: config, id: id, state: Empty, sinceMs: nowMs, wakeMs: never, bytes: int64(groupBytes + len(id))}
}

// isConsumers reports whether the members are consumers, whose subscriptions the coordinator can read.
func (g *group) isConsumers() bool { return g.kind != nil && *g.kind == consumerProtocol }

const consumerProtocol = "consumer"

func (g *group) transition(to State, out *effects) {
	if g.state, g.sinceMs = to, out.nowMs; to == Dead {
		g.wakeMs = never
	}
}

// size is about how many bytes of memory the group takes.
func (g *group) size() int64 { return g.bytes + g.weight }

// add adds a member. The first one becomes the leader.
func (g *group) add(m *member) {
	if len(g.members) == 0 {
		g.byID, g.known = map[string]*member{}, map[string]int{}
	}
	if m.instanceID != nil {
		if g.static == nil {
			g.static = map[string]*member{}
		}
		g.static[*m.instanceID] = m
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	g.count(m, 1)
	g.weigh(m)
	if m.join != nil {
		g.joining++
	}
	g.unpend(m.id)
}

// pend keeps a member id that was given out, until a tick.
func (g *group) pend(id string, untilMs int64) {
	if g.pending == nil {
		g.pending = map[string]int64{}
	}
	g.pending[id] = untilMs
	g.bytes += int64(pendingBytes + len(id))
	g.wakeMs = min(g.wakeMs, untilMs)
}

func (g *group) unpend(id string) {
	if _, ok := g.pending[id]; ok {
		delete(g.pending, id)
		g.bytes -= int64(pendingBytes + len(id))
	}
}

// How many bytes of memory the parts of a group take besides the strings and bytes of clients; rounded up.
const (
	groupBytes   = 700
	memberBytes  = 700
	pendingBytes = 200
	topicBytes   = 300
	offsetBytes  = 150
)

// weigh updates how much memory a member takes.
func (g *group) weigh(m *member) {
	n := int64(memberBytes+len(m.id)+len(m.clientID)+len(m.clientHost)+len(m.assignment)) + protocolsSize(m.protocols)
	g.bytes += n - m.bytes
	m.bytes = n
}

// joinGrows reports whether a join would make the group take more memory.
func (g *group) joinGrows(r *JoinRequest) bool {
	m := g.byID[r.MemberID]
	if r.InstanceID != nil {
		m = g.static[*r.InstanceID]
	}
	return m == nil || protocolsSize(r.Protocols) > protocolsSize(m.protocols)
}

// syncGrows reports whether the new assignments are much larger than the present ones. Some growth is allowed, since the assignments of
// members that have left are shared out among the others.
func (g *group) syncGrows(r *SyncRequest) bool {
	const room = 4 << 10
	more := -room
	for _, a := range r.Assignments {
		more += len(a.Bytes)
	}
	for _, m := range g.members {
		more -= len(m.assignment)
	}
	return more > 0
}

// count adds by to the number of members that support each protocol of a member.
func (g *group) count(m *member, by int) {
	for i := range m.protocols {
		g.known[m.protocols[i].Name] += by
	}
}

// remove removes a member, or a member id that nobody has joined with. Requests of the member that wait are answered with ErrUnknownMember.
func (g *group) remove(id string, out *effects) {
	g.unpend(id)
	m := g.byID[id]
	if m == nil {
		return
	}
	g.answerJoin(m, refusedJoin("", ErrUnknownMember), out)
	g.answerSync(m, SyncAnswer{Err: ErrUnknownMember}, out)
	g.hasSynced(m)
	g.count(m, -1)
	g.bytes -= m.bytes
	delete(g.byID, id)
	g.members = slices.DeleteFunc(g.members, func(other *member) bool { return other == m })
	if m.instanceID != nil {
		delete(g.static, *m.instanceID)
	}
	if g.leader == id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// wait keeps a member's join until the others have joined, too. An older join of the member that waits came on a connection that the
// member has given up.
func (g *group) wait(m *member, done func(JoinAnswer), out *effects) {
	g.answerJoin(m, refusedJoin(m.id, ErrRebalanceInProgress), out)
	m.join = done
	g.joining++
}

// answerJoin answers a member's join, if one waits.
func (g *group) answerJoin(m *member, a JoinAnswer, out *effects) {
	if m.join != nil {
		out.answerJoin(m.join, a)
		m.join = nil
		g.joining--
	}
}

// answerSync answers a member's sync, and reports whether one waited.
func (g *group) answerSync(m *member, a SyncAnswer, out *effects) bool {
	if m.sync == nil {
		return false
	}
	out.answerSync(m.sync, a)
	m.sync = nil
	return true
}

// update replaces a member's protocols and timeouts by those of its new join.
func (g *group) update(m *member, r *JoinRequest) {
	g.count(m, -1)
	m.protocols = keep(r.Protocols)
	g.count(m, 1)
	g.weigh(m)
	m.rebalanceTimeoutMs, m.sessionTimeoutMs = r.RebalanceTimeoutMs, r.SessionTimeoutMs
}

// admits reports whether a member with these protocols can be in the group: all other members support one of them.
func (g *group) admits(kind string, protocols []Protocol) bool {
	if g.state == Empty {
		return kind != "" && len(protocols) > 0
	}
	return g.kind != nil && *g.kind == kind && slices.ContainsFunc(protocols, func(p Protocol) bool {
		return g.known[p.Name] == len(g.members)
	})
}

// elected is the protocol that gets most votes: each member votes for the first of its protocols that all members support. Of several with as many votes
// it is the one that comes first in the list of the oldest member.
func (g *group) elected() string {
	votes := map[string]int{}
	best := ""
	for _, m := range g.members {
		for i := range m.protocols {
			if name := m.protocols[i].Name; g.known[name] == len(g.members) {
				votes[name]++
				break
			}
		}
	}
	for _, m := range g.members {
		for i := range m.protocols {
			if name := m.protocols[i].Name; votes[name] > votes[best] {
				best = name
			}
		}
	}
	return best
}

// rebalanceTimeoutMs is the largest rebalance timeout of all members.
func (g *group) rebalanceTimeoutMs() (most int32) {
	for _, m := range g.members {
		most = max(most, m.rebalanceTimeoutMs)
	}
	return most
}

// alive restarts a member's session timeout.
func (g *group) alive(m *member, out *effects) { g.expect(m, out.tickMs+int64(m.sessionTimeoutMs)) }

// expect sets the tick at which a member's session ends.
func (g *group) expect(m *member, atMs int64) {
	m.deadlineMs = atMs
	g.wakeMs = min(g.wakeMs, atMs)
}

// current finds the member that a request names. A static member must be the one that has the instance id now: the error is
// ErrFencedInstance if it is not, and ErrUnknownMember if there is no such member.
func (g *group) current(id string, instanceID *string) (*member, error) {
	if instanceID != nil {
		m := g.static[*instanceID]
		if m == nil {
			return nil, ErrUnknownMember
		}
		if m.id != id {
			return nil, ErrFencedInstance
		}
		return m, nil
	}
	m := g.byID[id]
	if m == nil {
		return nil, ErrUnknownMember
	}
	return m, nil
}
