package groups

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// group is a consumer group of one topic, as seen by its members.
type group struct {
	t          *testing.T
	id, topic  string
	partitions int
	producer   *kgo.Client

	mu      sync.Mutex
	members []*member         // guarded by mu; those in it
	sent    map[string]bool   // guarded by mu; the values
	taken   map[string]string // guarded by mu; by value, who consumed it
	wrong   []string          // guarded by mu
}

// member is one client in a group.
type member struct {
	name  string
	group *group
	// assigned are the partitions that the client said it has; guarded by group.mu.
	assigned map[int32]bool
	// leave has the client leave the group as it does when its user stops it.
	leave func()
}

func newGroup(t *testing.T, partitions int) *group {
	topic := harness.Topic(t, broker.Addr, int32(partitions))
	return &group{t: t, id: "group-of-" + topic, topic: topic, partitions: partitions,
		producer: harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(kgo.GzipCompression())), // kafkajs knows no snappy
		sent: map[string]bool{}, taken: map[string]string{}}
}

// join has a client join the group. Messages call it by name.
func (g *group) join(name string, start func(*member) (leave func())) *member {
	g.t.Helper()
	m := &member{name: name, group: g, assigned: map[int32]bool{}}
	g.mu.Lock()
	g.members = append(g.members, m)
	g.mu.Unlock()
	m.leave = start(m)
	return m
}

// leave has a member leave.
func (g *group) leave(m *member) {
	g.t.Helper()
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

// assign notes partitions that a client got.
func (m *member) assign(partitions ...int32) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	for _, p := range partitions {
		m.assigned[p] = true
	}
}

// revoke notes partitions that a client gave up.
func (m *member) revoke(partitions ...int32) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	for _, p := range partitions {
		delete(m.assigned, p)
	}
}

// consume notes a record that a client consumed.
func (m *member) consume(partition int32, value string) {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	switch before, again := g.taken[value]; {
	case !g.sent[value]:
		g.wrong = append(g.wrong, fmt.Sprintf("%s consumed %q, which nobody sent", m.name, value))
	case again:
		g.wrong = append(g.wrong, fmt.Sprintf("%s consumed %q, which %s consumed before", m.name, value, before))
	case !m.assigned[partition]:
		g.wrong = append(g.wrong, fmt.Sprintf("%s consumed %q of partition %d, which it does not have", m.name, value, partition))
	}
	g.taken[value] = m.name
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
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

func (g *group) stateLocked() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d of %d records are consumed", len(g.taken), len(g.sent))
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

// none fails the test where a member did something wrong, the group still has members, or it has not committed the
// log end offsets.
func (g *group) none() {
	g.t.Helper()
	ctx, adm := harness.Context(g.t), harness.Admin(g.t, broker.Addr)
	described, err := adm.DescribeGroups(ctx, g.id)
	if err != nil || described[g.id].State != "Empty" || len(described[g.id].Members) != 0 {
		g.t.Errorf("when all have left the group is %+v, %v", described[g.id], err)
	}
	lags, err := adm.Lag(ctx, g.id)
	if err != nil {
		g.t.Fatal(err)
	}
	for p, lag := range lags[g.id].Lag[g.topic] {
		if want := int64(len(g.sent) / g.partitions); lag.Lag != 0 || lag.Commit.At != want {
			g.t.Errorf("partition %d is committed at %d, lag %d, want %d", p, lag.Commit.At, lag.Lag, want)
		}
	}
	if len(lags[g.id].Lag[g.topic]) != g.partitions {
		g.t.Errorf("offsets of %d partitions are committed", len(lags[g.id].Lag[g.topic]))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, what := range g.wrong {
		g.t.Error(what)
	}
}
