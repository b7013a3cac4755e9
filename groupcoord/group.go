package groupcoord

import (
	"math"
	"slices"
)

// group is one group as a state machine (GroupMetadata and GroupCoordinator of Apache Kafka): its methods take what
// is asked and the time, change it, and put what comes of that into effects. Whoever calls them has it locked.
type group struct {
	config *Config
	id     string

	state      State
	sinceMs    int64   // when it came into its state, -1 where its record does not say
	generation int32   // grows with each rebalance that ends
	kind       *string // its protocol type: "consumer" for consumers; nil for a group that only commits
	protocol   *string // the one that all members use; nil while there is none

	members []*member          // in the order in which they came
	byID    map[string]*member // the same
	static  map[string]*member // those with an instance id, by that
	leader  string             // the member that assigns; empty for none
	pending map[string]int64   // ids that were given to members that have not come with them yet, and until when they may
	known   map[string]int     // how many members know a protocol
	joining int                // how many members wait for the others to join

	join       joinWait
	syncAtMs   int64 // when members are removed that have not asked what to do; 0 for never
	unsynced   int   // how many have not
	subscribed map[string]bool
	// subscriptionKnown says that subscribed is what the members of a consumer group read.
	subscriptionKnown bool

	offsets
	bytes  int64 // about how much memory it takes
	wakeMs int64 // it is to be woken at this tick, or before
}

// joinWait is how long a rebalance waits for members to join. Like all times of timers it is in ticks.
type joinWait struct {
	untilMs int64 // 0 while none waits
	// A group that was empty waits in steps, as long as members come: initial says so, remainingMs is for
	// how much longer it may, and added that a member came during this step.
	initial     bool
	remainingMs int64
	added       bool
}

// never is a time that does not come.
const never = math.MaxInt64

func newGroup(config *Config, id string, nowMs int64) *group {
	return &group{config: config, id: id, state: Empty, sinceMs: nowMs, wakeMs: never, bytes: int64(groupBytes + len(id))}
}

// isConsumers says that the members are consumers, whose subscriptions the coordinator understands.
func (g *group) isConsumers() bool { return g.kind != nil && *g.kind == consumerProtocol }

const consumerProtocol = "consumer"

func (g *group) transition(to State, out *effects) {
	if g.state, g.sinceMs = to, out.nowMs; to == Dead {
		g.wakeMs = never
	}
}

// size is about how many bytes of memory the group takes.
func (g *group) size() int64 { return g.bytes + g.weight }

// add takes a member in. The first one says what type of group it is, and leads.
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

// pend keeps an id that was given to a member until a tick.
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

// What is taken by what a group is made of, besides what clients say in bytes; rounded up.
const (
	groupBytes   = 700
	memberBytes  = 700
	pendingBytes = 200
	topicBytes   = 300
	offsetBytes  = 150
)

// weigh counts how much memory a member takes now.
func (g *group) weigh(m *member) {
	n := int64(memberBytes+len(m.id)+len(m.clientID)+len(m.clientHost)+len(m.assignment)) + protocolsSize(m.protocols)
	g.bytes += n - m.bytes
	m.bytes = n
}

// joinGrows says whether the group takes more memory when a join is taken.
func (g *group) joinGrows(r *JoinRequest) bool {
	m := g.byID[r.MemberID]
	if r.InstanceID != nil {
		m = g.static[*r.InstanceID]
	}
	return m == nil || protocolsSize(r.Protocols) > protocolsSize(m.protocols)
}

// syncGrows says whether members are given much more to do than they had: some is left for what those did that are gone.
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

// count notes that a member knows its protocols, or no longer does.
func (g *group) count(m *member, by int) {
	for i := range m.protocols {
		g.known[m.protocols[i].Name] += by
	}
}

// remove takes a member out, or an id that was given to one. A request of it that waits is answered: nobody else will.
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

// wait keeps a member's join until the others have come too. One of it that waits already is of a connection
// that the member has given up.
func (g *group) wait(m *member, done func(JoinAnswer), out *effects) {
	g.answerJoin(m, refusedJoin(m.id, ErrRebalanceInProgress), out)
	m.join = done
	g.joining++
}

// answerJoin answers the join of a member that waits, if it does.
func (g *group) answerJoin(m *member, a JoinAnswer, out *effects) {
	if m.join != nil {
		out.answerJoin(m.join, a)
		m.join = nil
		g.joining--
	}
}

// answerSync does so for its sync, and reports whether there was one.
func (g *group) answerSync(m *member, a SyncAnswer, out *effects) bool {
	if m.sync == nil {
		return false
	}
	out.answerSync(m.sync, a)
	m.sync = nil
	return true
}

// says replaces what a member said of itself.
func (g *group) says(m *member, r *JoinRequest) {
	g.count(m, -1)
	m.protocols = keep(r.Protocols)
	g.count(m, 1)
	g.weigh(m)
	m.rebalanceTimeoutMs, m.sessionTimeoutMs = r.RebalanceTimeoutMs, r.SessionTimeoutMs
}

// admits says whether who knows these protocols can be in the group with its members.
func (g *group) admits(kind string, protocols []Protocol) bool {
	if g.state == Empty {
		return kind != "" && len(protocols) > 0
	}
	return g.kind != nil && *g.kind == kind && slices.ContainsFunc(protocols, func(p Protocol) bool {
		return g.known[p.Name] == len(g.members)
	})
}

// elected is the protocol that most members prefer of those that all know; of several the one that the member
// prefers that is here longest.
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

// rebalanceTimeoutMs is how long the slowest member may take to join.
func (g *group) rebalanceTimeoutMs() (most int32) {
	for _, m := range g.members {
		most = max(most, m.rebalanceTimeoutMs)
	}
	return most
}

// alive puts off a member's end by its session timeout.
func (g *group) alive(m *member, out *effects) { g.expect(m, out.tickMs+int64(m.sessionTimeoutMs)) }

// expect has a member count as dead from a time on.
func (g *group) expect(m *member, atMs int64) {
	m.deadlineMs = atMs
	g.wakeMs = min(g.wakeMs, atMs)
}

// current finds the member that a request names, or says why it is none: of a static member it must be who
// has the instance id now.
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
