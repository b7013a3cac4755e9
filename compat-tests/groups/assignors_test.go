package groups

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// assignor is a way to share partitions, by the names that clients know it by. librdkafka has no sticky one that is not
// cooperative.
type assignor struct {
	name  string
	franz kgo.GroupBalancer
	java  string
	kcat  string
}

var assignors = []assignor{
	{"range", kgo.RangeBalancer(), "RangeAssignor", "range"},
	{"roundrobin", kgo.RoundRobinBalancer(), "RoundRobinAssignor", "roundrobin"},
	{"sticky", kgo.StickyBalancer(), "StickyAssignor", ""},
	{"cooperative-sticky", kgo.CooperativeStickyBalancer(), "CooperativeStickyAssignor", "cooperative-sticky"},
}

// client makes members of a kind.
type client struct {
	name string
	with func(assignor) func(*member) func() // nil where the client does not have the assignor
}

var clients = []client{
	{"franz-go", func(a assignor) func(*member) func() { return franz(a.franz) }},
	{"kcat", func(a assignor) func(*member) func() {
		if a.kcat == "" {
			return nil
		}
		return kcat(a.kcat)
	}},
	{"java " + harness.Kafka39, func(a assignor) func(*member) func() { return java(harness.Kafka39, a.java) }},
	{"java " + harness.Kafka43, func(a assignor) func(*member) func() { return java(harness.Kafka43, a.java) }},
}

// Two members of one client share the partitions, and the one that stays gets those of the one that leaves.
func TestEveryAssignorOfEveryClient(t *testing.T) {
	for _, a := range assignors {
		for _, c := range clients {
			with := c.with(a)
			if with == nil {
				continue
			}
			t.Run(a.name+" of "+c.name, func(t *testing.T) {
				g := newGroup(t, 5)
				g.produceBefore(3)
				first, second := g.join("the first", with), g.join("the second", with)
				g.settle()
				g.produce(20)
				g.leave(first)
				g.settle()
				g.produce(20)
				third := g.join("the third", with)
				g.settle()
				g.produce(20)
				g.leave(second)
				g.settle()
				g.produce(20)
				g.leave(third)
				g.none()
			})
		}
	}
}

// All clients are in one group. They leave in the order in which they came, so that most of them lead it once.
func TestEveryClientInOneGroup(t *testing.T) {
	for _, a := range assignors {
		t.Run(a.name, func(t *testing.T) {
			g := newGroup(t, 8)
			g.produceBefore(3)
			var members []*member
			for _, c := range clients {
				if with := c.with(a); with != nil {
					members = append(members, g.join(c.name, with))
				}
			}
			g.settle()
			g.produce(20)
			for len(members) > 1 {
				g.leave(members[0])
				members = members[1:]
				g.settle()
				g.produce(20)
			}
			g.leave(members[0])
			g.none()
		})
	}
}
