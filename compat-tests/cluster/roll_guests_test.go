package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/internal/history"
)

// guests are clients of the load's topic that end and start anew before each step of a roll: a producer, each time with another codec, and a member of
// each of two groups, of which one has static members and the other cooperative ones.
type guests struct {
	topic     history.Topic
	n         int // how often they have come
	groups    [2]*history.Group
	opts      [2]func(i int) []kgo.Opt // of a group's members
	leave     [2][2]func()             // ends a member of a group and waits for that
	producers []*history.Producer      // all but the last have ended
}

// invite starts guests.
func (m *migration) invite() {
	m.Helper()
	topic := history.Topic{Name: m.topic, Partitions: m.partitions, Client: func(opts ...kgo.Opt) *kgo.Client { return newClient(m.load, opts...) }}
	g := &guests{topic: topic, groups: [2]*history.Group{history.NewGroup(topic, "static"), history.NewGroup(topic, "cooperative")}}
	g.groups[1].Cooperative()
	g.opts[0] = func(i int) []kgo.Opt { return []kgo.Opt{kgo.InstanceID(fmt.Sprint("member-", i))} }
	g.opts[1] = func(int) []kgo.Opt { return []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())} }
	m.guests = g
	for kind, group := range g.groups {
		group.Twice() // Apache's brokers coordinate them too
		for i := range g.leave[kind] {
			m.join(kind, i)
		}
	}
	m.running.Go(func() { g.groups[0].Ask(m.ctx, topic, 50*time.Millisecond) })
	m.comeAgain()
}

// join starts a member of a group.
func (m *migration) join(kind, i int) {
	g, ended := m.guests, make(chan struct{})
	ctx, cancel := context.WithCancel(m.ctx)
	m.running.Go(func() {
		defer close(ended)
		g.groups[kind].Member(ctx, g.topic, i, g.opts[kind](i)...)
	})
	g.leave[kind][i] = func() { cancel(); <-ended }
}

// comeAgain ends the producer and a member of each group, and starts others in their place. The transactional producer begins anew too.
func (m *migration) comeAgain() {
	m.Helper()
	g := m.guests
	g.n++
	for kind := range g.groups {
		m.finish("a member of a group to leave", g.leave[kind][g.n%2])
		m.join(kind, g.n%2)
	}
	m.finishGuest()
	names := slices.Sorted(maps.Keys(codecs))
	p := history.StartProducer(m.ctx, g.topic, fmt.Sprint("guest", g.n), history.Steady(5*time.Millisecond), kgo.ProducerBatchCompression(codecs[names[g.n%len(names)]]))
	m.Cleanup(func() { m.cancel(); p.Finish() })
	g.producers = append(g.producers, p)
	if m.pays != nil {
		m.pays.anew.Store(true)
	}
}

// finishGuest ends the producer that is there.
func (m *migration) finishGuest() {
	m.Helper()
	if n := len(m.guests.producers); n > 0 {
		m.finish("acknowledgements of a guest's records", m.guests.producers[n-1].Finish)
	}
}

// farewell waits until the guests are served, before the load ends.
func (m *migration) farewell() {
	m.Helper()
	m.finishGuest()
	m.more = append(m.more, m.guests.producers...)
	m.moreGroups = append(m.moreGroups, m.guests.groups[:]...)
}
