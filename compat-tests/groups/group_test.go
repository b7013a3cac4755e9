package groups

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
	"klamm/internal/history"
)

// group is a consumer group of one topic, as seen by its members.
type group struct {
	t          *testing.T
	id, topic  string
	partitions int
	producer   *kgo.Client

	mu      sync.Mutex
	members []*member        // guarded by mu; those in it
	sent    map[string]bool  // guarded by mu; the values
	taken   map[string]taker // guarded by mu; by value, who consumed it last
	// repeated are the records that were consumed twice without a reason known yet; guarded by mu.
	repeated map[string]string // by value, what to say of it
	// committed are the offsets that watch saw last, by partition; guarded by mu.
	committed map[int32]int64
	wrong     []string // guarded by mu
}

// taker is a member that consumed a record, and how often it had been told what it has by then.
type taker struct {
	*member
	changes int
	refused bool // its commit
}

// member is one client in a group.
type member struct {
	name  string
	group *group
	// assigned are the partitions that the client said it has; guarded by group.mu.
	assigned map[int32]bool
	changes  int  // of assigned; guarded by group.mu
	gaveUp   bool // guarded by group.mu; the program has ended by itself, and is to be started again
	// uncommitted are the values that were consumed since the last commit, by partition, of a client that says when it
	// commits; guarded by group.mu.
	uncommitted map[int32][]string
	session     time.Duration
	start       func(*member) (leave func())
	// leave has the client leave the group as it does when its user stops it.
	leave func()
}

func newGroup(t *testing.T, partitions int) *group {
	topic := harness.Topic(t, broker.Addr, int32(partitions))
	g := &group{t: t, id: "group-of-" + topic, topic: topic, partitions: partitions,
		producer: harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(kgo.GzipCompression())), // kafkajs knows no snappy
		sent: map[string]bool{}, taken: map[string]taker{}, repeated: map[string]string{}, committed: map[int32]int64{}}
	t.Cleanup(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, what := range g.wrong {
			t.Error(what)
		}
		for _, what := range g.repeated {
			t.Error(what)
		}
	})
	if harness.Rolling() {
		g.watch()
	}
	return g
}

// join has a client join the group. Messages call it by name.
func (g *group) join(name string, start func(*member) (leave func())) *member {
	g.t.Helper()
	return g.joinFor(session(), name, start)
}

// joinFor is join with a session timeout.
func (g *group) joinFor(session time.Duration, name string, start func(*member) (leave func())) *member {
	g.t.Helper()
	m := &member{name: name, group: g, assigned: map[int32]bool{}, uncommitted: map[int32][]string{}, session: session, start: start}
	g.mu.Lock()
	g.members = append(g.members, m)
	g.mu.Unlock()
	m.leave = start(m)
	return m
}

// leave has a member leave. The last one may lose its coordinator with what it commits at its end, and nobody would commit that later.
func (g *group) leave(m *member) {
	g.t.Helper()
	g.mu.Lock()
	last := len(g.members) == 1
	g.mu.Unlock()
	if last && harness.Rolling() {
		g.await("committing", g.allCommittedLocked)
	}
	m.leave()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.members {
		if other == m {
			g.members = append(g.members[:i:i], g.members[i+1:]...)
			return
		}
	}
}

// assign notes partitions that a client got. A cooperative client also says of a rebalance that gives it none.
func (m *member) assign(partitions ...int32) {
	if len(partitions) == 0 {
		return
	}
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.changes++
	for _, p := range partitions {
		m.assigned[p] = true
	}
}

// revoke notes partitions that a client gave up, if any.
func (m *member) revoke(partitions ...int32) {
	if len(partitions) == 0 {
		return
	}
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.changes++
	for _, p := range partitions {
		delete(m.assigned, p)
	}
}

// rebalances counts how often the client was told which partitions it has.
func (m *member) rebalances() int {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	return m.changes
}

// consume notes a record that a client consumed.
func (m *member) consume(partition int32, value string) {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	switch before, again := g.taken[value]; {
	case !g.sent[value]:
		g.wrong = append(g.wrong, fmt.Sprintf("%s consumed %q, which nobody sent", m.name, value))
	// A member whose coordinator has moved may have to join again before it could commit.
	case again && before.refused:
	case again && (!harness.Rolling() || before.member == m && before.changes == m.changes):
		// Whether the commit was refused may be read later than what came of it.
		g.repeated[value] = fmt.Sprintf("%s consumed %q, which %s consumed before, without a rebalance in between", m.name, value, before.name)
		return
	case !m.assigned[partition]:
		g.wrong = append(g.wrong, fmt.Sprintf("%s consumed %q of partition %d, which it does not have", m.name, value, partition))
	}
	g.taken[value] = taker{member: m, changes: m.changes}
}

// commits notes that a client, which says when it commits, is going to commit a record.
func (m *member) commits(partition int32, value string) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.uncommitted[partition] = append(m.uncommitted[partition], value)
}

// committed notes that a client has committed what it consumed of partitions.
func (m *member) committed(partitions ...int32) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	for _, p := range partitions {
		delete(m.uncommitted, p)
	}
}

// refused notes that a rebalance refused a client's commit. Where it takes partitions away from the client, their next owner
// consumes again what was not committed.
func (m *member) refused(partitions ...int32) {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range partitions {
		for _, value := range m.uncommitted[p] {
			if by := g.taken[value]; by.member == m {
				by.refused = true
				g.taken[value] = by
				delete(g.repeated, value)
			}
		}
	}
}

// settle waits until the members share all partitions: each member has at least one, and none has two more than
// another.
func (g *group) settle() {
	g.t.Helper()
	g.await("sharing the partitions", g.sharedLocked)
}

func (g *group) sharedLocked() bool {
	owner := map[int32]bool{}
	least, most := g.partitions, 0
	for _, m := range g.members {
		least, most = min(least, len(m.assigned)), max(most, len(m.assigned))
		for p := range m.assigned {
			if owner[p] {
				return false
			}
			owner[p] = true
		}
	}
	return len(owner) == g.partitions && most-least <= 1
}

// produce sends count records to each partition and waits until all are consumed.
func (g *group) produce(count int) {
	g.t.Helper()
	g.produceBefore(count)
	g.await("consuming", func() bool { return len(g.taken) >= len(g.sent) })
}

// allCommittedLocked says whether the group has committed the log end offsets.
func (g *group) allCommittedLocked() bool {
	for p := range g.partitions {
		if g.committed[int32(p)] < int64(len(g.sent)/g.partitions) {
			return false
		}
	}
	return true
}

// records makes count new records for each partition.
func (g *group) records(count int) (list []*kgo.Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := range g.partitions {
		for range count {
			value := fmt.Sprintf("record-%d", len(g.sent))
			g.sent[value] = true
			list = append(list, &kgo.Record{Topic: g.topic, Partition: int32(p), Value: []byte(value)})
		}
	}
	return list
}

// await waits until done says so, and fails the test where a member did something wrong meanwhile.
func (g *group) await(what string, done func() bool) {
	g.t.Helper()
	// Many programs may share the processors with the brokers. The bound is for what hangs.
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		g.startAgain()
		g.mu.Lock()
		ok, wrong := done(), strings.Join(g.wrong, "\n")
		state := g.stateLocked()
		g.mu.Unlock()
		switch {
		case wrong != "":
			g.t.Fatalf("%s: %s\n%s", what, wrong, state)
		case ok:
			return
		case time.Now().After(deadline):
			g.t.Fatalf("%s takes too long\n%s", what, state)
		}
	}
}

// startAgain starts the programs that have given up, as who runs them would.
func (g *group) startAgain() {
	g.mu.Lock()
	members := slices.DeleteFunc(slices.Clone(g.members), func(m *member) bool { return !m.gaveUp })
	for _, m := range members {
		m.gaveUp = false
		m.changes++
		clear(m.assigned)
	}
	g.mu.Unlock()
	for _, m := range members {
		m.leave = m.start(m)
	}
}

func (g *group) stateLocked() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d of %d records are consumed", len(g.taken), len(g.sent))
	if harness.Rolling() {
		fmt.Fprintf(&s, ", committed are %v", g.committed)
	}
	for _, m := range g.members {
		fmt.Fprintf(&s, "\n%s has of %d partitions %v", m.name, g.partitions, m.assigned)
	}
	return s.String()
}

// produceBefore sends records before the group has a member.
func (g *group) produceBefore(count int) {
	g.t.Helper()
	if err := g.producer.ProduceSync(harness.Context(g.t), g.records(count)...).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
}

// described asks for the group's state.
func (g *group) described(ctx context.Context, adm *kadm.Client) kadm.DescribedGroup {
	g.t.Helper()
	var all kadm.DescribedGroups
	err := harness.Ask(ctx, func() (err error) {
		if all, err = adm.DescribeGroups(ctx, g.id); err == nil {
			err = all[g.id].Err
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return all[g.id]
}

// fetchOffsets asks for a group's committed offsets until the client knows of which topics they are.
func fetchOffsets(ctx context.Context, adm *kadm.Client, id string) (offsets kadm.OffsetResponses, err error) {
	for ; ; time.Sleep(10 * time.Millisecond) {
		err = harness.Ask(ctx, func() (err error) { offsets, err = adm.FetchOffsets(ctx, id); return err })
		if err != nil || history.Named(offsets) {
			return offsets, err
		}
	}
}

// watch looks at the committed offsets until the test ends, and fails the test where one goes back, or where it saw none.
func (g *group) watch() {
	ctx, cancel := context.WithCancel(harness.Context(g.t))
	adm := harness.Admin(g.t, broker.Addr)
	done := make(chan struct{})
	looks := 0
	var last error
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(heartbeat / 4) {
			offsets, err := adm.FetchOffsets(ctx, g.id)
			switch {
			case err == nil && !history.Named(offsets):
			case err == nil:
				looks++
				g.see(offsets)
			case ctx.Err() == nil && !harness.Restarts(err):
				g.complain(fmt.Sprintf("the committed offsets cannot be asked for: %v", err))
			case ctx.Err() == nil:
				last = err
			}
		}
	}()
	g.t.Cleanup(func() {
		cancel()
		<-done
		if looks == 0 {
			g.complain(fmt.Sprintf("the committed offsets were never answered: %v", last))
		}
	})
}

// see notes the committed offsets.
func (g *group) see(offsets kadm.OffsetResponses) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, before := range g.committed {
		if o, ok := offsets.Lookup(g.topic, p); !ok || o.Err == nil && o.At < before {
			g.wrong = append(g.wrong, fmt.Sprintf("the committed offset of partition %d goes back from %d to %d", p, before, o.At))
		}
	}
	for p, o := range offsets[g.topic] {
		if o.Err == nil {
			g.committed[p] = o.At
		}
	}
}

// complain notes something that must not happen.
func (g *group) complain(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wrong = append(g.wrong, what)
}

// none fails the test where the group still has members, or has not committed the log end offsets.
func (g *group) none() {
	g.t.Helper()
	ctx, adm := harness.Context(g.t), harness.Admin(g.t, broker.Addr)
	if harness.Rolling() { // the session may have to end of a member whose leave was forgotten
		harness.Await(g.t, "the group is empty", func() bool { return g.described(ctx, adm).State == "Empty" })
	}
	described := g.described(ctx, adm)
	if described.State != "Empty" || len(described.Members) != 0 {
		g.t.Errorf("when all have left the group is %+v", described)
	}
	var offsets kadm.OffsetResponses
	var ends kadm.ListedOffsets
	err := harness.Ask(ctx, func() (err error) {
		if offsets, err = fetchOffsets(ctx, adm, g.id); err != nil {
			return err
		}
		if ends, err = adm.ListEndOffsets(ctx, g.topic); err != nil {
			return err
		}
		return errors.Join(offsets.Error(), ends.Error())
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for p := range g.partitions {
		o, _ := offsets.Lookup(g.topic, int32(p))
		end, _ := ends.Lookup(g.topic, int32(p))
		if want := int64(len(g.sent) / g.partitions); o.At != want || end.Offset != want {
			g.t.Errorf("partition %d is committed at %d and ends at %d, want %d", p, o.At, end.Offset, want)
		}
	}
}
