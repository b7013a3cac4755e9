package groupcoord

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seed      = flag.Uint64("seed", 0, "the first history of TestModel; 0 takes one by the time")
	histories = flag.Int("histories", 1000, "how many histories TestModel goes through")
)

// TestModel goes through random histories of clients, logs that fail and coordinators that change, and checks the answers by simple
// rules: see model.
func TestModel(t *testing.T) {
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for i := range uint64(*histories) {
		at := first + i
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, at)
			defer func() {
				if t.Failed() {
					t.Logf("again: go test ./groupcoord -run TestModel -seed %d -histories 1", at)
				}
			}()
			for range 20 + m.rnd.IntN(150) {
				m.step()
				synctest.Wait()
				if t.Failed() {
					break
				}
			}
			m.end()
		})
		if t.Failed() {
			return
		}
	}
}

// model is a few clients of two groups, and the rules for their answers:
//
//   - Each request is answered once.
//   - In a generation of one coordinator all members get the same leader and protocol, the leader gets the list of all of them, and each
//     gets the assignment that the leader made for it.
//   - A member that was told that it is none, or that it was fenced, is never answered as a member again.
//   - An offset that is fetched was committed, and is not older than the last one that was acknowledged, whatever happened to logs and
//     coordinators.
type model struct {
	t       *testing.T
	mu      sync.Mutex // held by who is answered: several may be at once
	rnd     *rand.Rand
	w       *world
	clients []*modelClient
	epoch   int // counts coordinators
	seen    map[generationOf]*modelGeneration
	offsets map[string][]*modelOffset // by group and partition, in the order of the log
	open    int                       // requests that are not answered
}

type generationOf struct {
	epoch      int
	group      string
	generation int32
}

type modelGeneration struct {
	leader, protocol string
	members          map[string]bool // that the leader was told of; nil as long as it was not
	told             map[string]bool // members that were told
	given            map[string]string
}

type modelOffset struct {
	value int64 // -1 for none
	acked bool
}

type modelClient struct {
	group      string
	instance   *string
	id         string
	generation int32
	leads      bool
	members    []string
	busy       bool // a join or sync waits
	over       map[string]bool
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), w: newWorld(t), seen: map[generationOf]*modelGeneration{}, offsets: map[string][]*modelOffset{}}
	m.w.config.MaxSize = []int{1 << 30, 3}[m.rnd.IntN(2)]
	m.w.config.InitialRebalanceDelayMs = []int32{0, 3000}[m.rnd.IntN(2)]
	m.restart()
	for i := range 6 {
		c := &modelClient{group: []string{"g", "h"}[i%2], over: map[string]bool{}}
		if m.rnd.IntN(3) == 0 {
			c.instance = ptrTo(fmt.Sprint("i", m.rnd.IntN(3)))
		}
		m.clients = append(m.clients, c)
	}
	return m
}

func ptrTo(s string) *string { return &s }

func (m *model) restart() {
	m.w.c.Close()
	synctest.Wait()
	m.w.start()
	m.epoch++
}

func (m *model) step() {
	c := m.clients[m.rnd.IntN(len(m.clients))]
	switch n := m.rnd.IntN(100); {
	case n < 30:
		m.join(c)
	case n < 50:
		m.sync(c)
	case n < 60:
		m.heartbeat(c)
	case n < 65:
		m.leave(c)
	case n < 75:
		m.commit(c)
	case n < 80:
		m.fetch(c.group)
	case n < 90:
		m.sleep(8 * time.Second)
	case n < 93:
		m.w.log.turn(true, nil)
	case n < 95:
		m.w.log.turn(false, []error{ErrNotCoordinator, ErrRecordsTooLarge}[m.rnd.IntN(2)])
	case n < 98:
		m.heal()
	case n < 99:
		m.restart()
	default:
		m.w.c.Resigned(0)
		synctest.Wait()
		m.w.c.Elected(0, int32(m.epoch), m.w.log)
		m.epoch++
	}
}

// sleep lets some time pass. It locks mu, as answers that timers cause do.
func (m *model) sleep(limit time.Duration) {
	m.mu.Lock()
	d := time.Duration(m.rnd.Int64N(int64(limit)))
	m.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
}

// heal makes the log work again, and commits the batches that wait, or fails them.
func (m *model) heal() {
	m.w.log.mu.Lock()
	m.w.log.hold, m.w.log.fail = false, nil
	waiting := m.w.log.waiting
	m.w.log.waiting = nil
	m.w.log.mu.Unlock()
	for _, done := range waiting {
		done([]error{nil, nil, ErrNotCoordinator}[m.rnd.IntN(3)])
	}
}

// once gives a function that counts an answer, and fails the test at a second one.
func (m *model) once(what string) func() {
	m.open++
	answered := false
	return func() {
		if answered {
			m.t.Errorf("%s was answered twice", what)
		}
		answered = true
		m.open--
	}
}

func (m *model) join(c *modelClient) {
	if c.busy && m.rnd.IntN(4) > 0 {
		return
	}
	r := &JoinRequest{
		Group: c.group, MemberID: c.id, InstanceID: c.instance, ClientID: "c", SessionTimeoutMs: 6000 + int32(m.rnd.IntN(10_000)),
		RebalanceTimeoutMs: 1000 + int32(m.rnd.IntN(20_000)), ProtocolType: consumerProtocol, NeedsKnownID: c.instance == nil && m.rnd.IntN(2) == 0,
		SkipsAssignment: m.rnd.IntN(2) == 0,
	}
	for _, name := range []string{"range", "sticky", "range"}[m.rnd.IntN(2):][:2] {
		r.Protocols = append(r.Protocols, Protocol{name, subscribes([]string{"t", "t/u"}[m.rnd.IntN(2)])})
	}
	if m.rnd.IntN(10) == 0 {
		r.MemberID = []string{"", "nobody", m.clients[0].id}[m.rnd.IntN(3)]
	}
	mine, asked := r.MemberID == c.id, r.MemberID
	if !mine {
		c = &modelClient{group: c.group, over: c.over} // whoever it is, it does not go on
	}
	answered, epoch := m.once("a join"), m.epoch
	c.busy = true
	r.Done = func(a JoinAnswer) {
		m.mu.Lock()
		defer m.mu.Unlock()
		answered()
		m.joined(c, asked, epoch, a)
	}
	m.w.c.Join(r)
}

func (m *model) joined(c *modelClient, asked string, epoch int, a JoinAnswer) {
	c.busy = false
	switch {
	case errors.Is(a.Err, ErrMemberIDRequired):
		c.id = a.MemberID
		return
	case errors.Is(a.Err, ErrUnknownMember), errors.Is(a.Err, ErrFencedInstance), errors.Is(a.Err, ErrGroupFull):
		if asked != "" && asked == c.id {
			c.over[asked] = true
		}
		c.id, c.generation = "", 0
		return
	case a.Err != nil:
		return
	}
	if c.over[a.MemberID] {
		m.t.Errorf("%s joined, which had been told that it is no member", a.MemberID)
	}
	c.id, c.generation, c.leads, c.members = a.MemberID, a.Generation, a.Leader == a.MemberID && !a.SkipAssignment, nil
	g := m.seen[generationOf{epoch, c.group, a.Generation}]
	if g == nil {
		g = &modelGeneration{leader: a.Leader, protocol: *a.Protocol, told: map[string]bool{}, given: map[string]string{}}
		m.seen[generationOf{epoch, c.group, a.Generation}] = g
	}
	if c.instance == nil && g.protocol != *a.Protocol {
		m.t.Errorf("generation %d of %s has protocols %s and %s", a.Generation, c.group, g.protocol, *a.Protocol)
	}
	g.told[a.MemberID] = true
	if a.Leader != a.MemberID {
		return
	}
	g.members = map[string]bool{}
	for _, other := range a.Members {
		g.members[other.MemberID] = true
		c.members = append(c.members, other.MemberID)
	}
	if !g.members[a.MemberID] {
		m.t.Errorf("leader %s is not told of itself", a.MemberID)
	}
}

func (m *model) sync(c *modelClient) {
	if c.id == "" || c.busy || c.generation == 0 {
		return
	}
	epoch, generation, id := m.epoch, c.generation, c.id
	r := &SyncRequest{Group: c.group, MemberID: c.id, InstanceID: c.instance, Generation: c.generation}
	g := m.seen[generationOf{epoch, c.group, generation}]
	if c.leads && g != nil {
		for _, other := range c.members {
			what := fmt.Sprint(other, " in ", m.rnd.IntN(1000))
			if m.rnd.IntN(5) > 0 {
				r.Assignments = append(r.Assignments, Assignment{other, []byte(what)})
			}
		}
	}
	answered := m.once("a sync")
	c.busy = true
	r.Done = func(a SyncAnswer) {
		m.mu.Lock()
		defer m.mu.Unlock()
		answered()
		c.busy = false
		if errors.Is(a.Err, ErrUnknownMember) || errors.Is(a.Err, ErrFencedInstance) {
			c.over[id] = true
			c.id, c.generation = "", 0
		}
		if a.Err != nil {
			return
		}
		if c.over[id] {
			m.t.Errorf("%s has work, which had been told that it is no member", id)
		}
		// A leader may send its assignments twice. Those of the first that is written count.
		if what := string(a.Assignment); what != "" && c.instance == nil {
			var of string
			if _, err := fmt.Sscanf(what, "%s in", &of); err != nil || of != id {
				m.t.Errorf("%s in generation %d does what was for %q", id, generation, what)
			}
		}
	}
	m.w.c.Sync(r)
}

func (m *model) heartbeat(c *modelClient) {
	if c.id == "" {
		return
	}
	err := m.w.c.Heartbeat(&HeartbeatRequest{Group: c.group, MemberID: c.id, InstanceID: c.instance, Generation: c.generation})
	switch {
	case err == nil && c.over[c.id]:
		m.t.Errorf("%s lives, which had been told that it is no member", c.id)
	case errors.Is(err, ErrUnknownMember), errors.Is(err, ErrFencedInstance):
		c.over[c.id] = true
		if !c.busy {
			c.id, c.generation = "", 0
		}
	}
}

func (m *model) leave(c *modelClient) {
	if c.id == "" {
		return
	}
	errs, err := m.w.c.Leave(c.group, []Leaver{{MemberID: c.id, InstanceID: c.instance}})
	if err == nil && errs[0] == nil {
		c.over[c.id] = true
		if !c.busy {
			c.id, c.generation = "", 0
		}
	}
}

func (m *model) commit(c *modelClient) {
	r := &CommitRequest{Group: c.group, MemberID: c.id, InstanceID: c.instance, Generation: c.generation, RetentionMs: -1}
	if m.rnd.IntN(3) == 0 {
		r.MemberID, r.InstanceID, r.Generation = "", nil, -1
	}
	var offsets []*modelOffset
	for partition := range int32(2) {
		o := &modelOffset{value: int64(m.rnd.IntN(1000))}
		r.Offsets = append(r.Offsets, CommittedOffset{Topic: "t", Partition: partition, Offset: o.value, LeaderEpoch: -1, TimestampMs: -1})
		offsets = append(offsets, o)
	}
	answered := m.once("a commit")
	_, before := m.w.log.Offsets()
	r.Done = func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		answered()
		for _, o := range offsets {
			o.acked = err == nil
		}
	}
	m.w.c.Commit(r)
	if _, after := m.w.log.Offsets(); after > before { // it is in the log, whatever becomes of it
		for i, o := range offsets {
			key := fmt.Sprint(c.group, i)
			m.offsets[key] = append(m.offsets[key], o)
		}
	}
}

func (m *model) fetch(group string) {
	list, err := m.w.c.FetchOffsets(group, []Partitions{{"t", []int32{0, 1}}}, m.rnd.IntN(2) == 0)
	if err != nil {
		return
	}
	for i, o := range list {
		if o.Err != nil {
			continue
		}
		ok := false
		history := append([]*modelOffset{{value: -1}}, m.offsets[fmt.Sprint(group, i)]...)
		for j := len(history) - 1; j >= 0 && !ok; j-- {
			if ok = history[j].value == o.Offset; history[j].acked {
				break
			}
		}
		if !ok {
			m.t.Errorf("%s has offset %d in partition %d, which is older than one acknowledged:%s", group, o.Offset, i, historyText(history))
		}
	}
}

func historyText(history []*modelOffset) (text string) {
	for _, o := range history {
		text += fmt.Sprintf(" %d", o.value)
		if o.acked {
			text += "!"
		}
	}
	return text
}

// end lets time pass until all requests are answered and all sessions have ended.
func (m *model) end() {
	m.heal()
	synctest.Wait()
	m.fetch("g")
	m.fetch("h")
	for range 20 {
		m.sleep(2 * time.Minute)
		m.heal()
		synctest.Wait()
	}
	if m.open != 0 {
		m.t.Errorf("%d requests were not answered", m.open)
	}
	list, err := m.w.c.ListGroups(nil)
	if err != nil {
		m.t.Error(err)
	}
	for _, g := range list {
		if g.State != Empty {
			m.t.Errorf("%s is %v when all are gone", g.Group, g.State)
		}
	}
	m.w.counted()
	m.w.log.turn(false, nil)
	m.restart()
	m.fetch("g")
	m.fetch("h")
	m.w.c.Close()
}
