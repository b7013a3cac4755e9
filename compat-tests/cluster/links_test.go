package cluster

import (
	"time"

	"klamm/compat-tests/harness"
)

// badLinks are faults of the network between three brokers, ZooKeeper and the clients.
func badLinks(leader, controller, anyone one) []fault {
	peers := func(id int32) []harness.Party {
		return []harness.Party{harness.Party(id%3 + 1), harness.Party((id+1)%3 + 1)}
	}
	clients := func(int32) []harness.Party { return []harness.Party{harness.Clients} }
	zookeeper := func(int32) []harness.Party { return []harness.Party{harness.ZooKeepers} }
	all := func(id int32) []harness.Party { return append(peers(id), harness.Clients, harness.ZooKeepers) }
	const in, out = true, true
	short := func(who one, whom func(int32) []harness.Party, in, out bool) func(*load) {
		return func(l *load) { id := who(l); l.apart(id, whom(id), in, out) }
	}
	long := func(who one, whom func(int32) []harness.Party, in, out bool) func(*load) {
		return func(l *load) { id := who(l); l.expelledBy(id, whom(id), in, out) }
	}
	return []fault{
		{what: "a leader is cut off from its peers", do: short(leader, peers, in, out)},
		{what: "a leader hears nothing from its peers", do: short(leader, peers, in, !out)},
		{what: "its peers hear nothing from a leader", do: short(leader, peers, !in, out)},
		{what: "the controller is cut off from its peers", do: short(controller, peers, in, out)},
		{what: "the controller hears nothing from its peers", do: short(controller, peers, in, !out)},
		{what: "a leader is cut off from clients", do: short(leader, clients, in, out)},
		{what: "clients hear nothing from a leader", do: short(leader, clients, !in, out)},
		{what: "a leader is cut off from all for longer than its session", do: long(leader, all, in, out), deaf: true},
		{what: "the controller is cut off from all for longer than its session", do: long(controller, all, in, out), deaf: true},
		{what: "a leader hears nothing from ZooKeeper for longer than its session", do: long(leader, zookeeper, in, !out), deaf: true},
		{what: "ZooKeeper hears nothing from the controller for longer than its session", do: long(controller, zookeeper, !in, out), deaf: true},
		{what: "a broker's links are slow", do: func(l *load) { l.bad(slow, anyone(l)) }},
		{what: "all brokers' links are slow", do: func(l *load) { l.bad(slow, 1, 2, 3) }},
		{what: "a broker's links lose packets", do: func(l *load) { l.bad(lossy, anyone(l)) }},
		{what: "all brokers' links lose packets", do: func(l *load) { l.bad(lossy, 1, 2, 3) }},
	}
}

// lose has packets between a broker and others be lost: those to it, or those from it, or both.
func (l *load) lose(id int32, others []harness.Party, in, out bool) {
	for _, other := range others {
		l.c.Network.Set(other, harness.Party(id), harness.Link{Down: in})
		l.c.Network.Set(harness.Party(id), other, harness.Link{Down: out})
	}
}

// apart loses packets between a broker and others for longer than a follower may lag, and longer than clients wait for an answer. Its session goes on.
func (l *load) apart(id int32, others []harness.Party, in, out bool) {
	l.Helper()
	l.group.Stale(true)
	l.lose(id, others, in, out)
	time.Sleep(5 * time.Second)
	l.c.Network.Heal()
	l.returned()
}

// expelledBy loses packets until the broker's session has ended and the producers go on without it.
func (l *load) expelledBy(id int32, others []harness.Party, in, out bool) {
	l.Helper()
	l.group.Stale(true)
	l.lose(id, others, in, out)
	l.expelled(id)
	l.c.Network.Heal()
	l.returned()
}

// A link that is both carries less than the clients send.
var (
	slow  = harness.Link{Delay: 200 * time.Millisecond}
	lossy = harness.Link{Delay: 5 * time.Millisecond, Loss: 0.01}
)

// bad has the links of brokers be bad for a while. The producers go on.
func (l *load) bad(link harness.Link, ids ...int32) {
	l.Helper()
	l.group.Stale(true)
	for _, id := range ids {
		for _, other := range []harness.Party{1, 2, 3, harness.Clients, harness.ZooKeepers} {
			l.c.Network.Set(harness.Party(id), other, link)
			l.c.Network.Set(other, harness.Party(id), link)
		}
	}
	time.Sleep(5 * time.Second)
	l.awaitAcks()
	l.c.Network.Heal()
	l.returned()
}
