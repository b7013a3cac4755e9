package groups

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// assignor is a way to share partitions, with each client's name for it; the name is empty for a client that does
// not have it.
type assignor struct {
	name                         string
	franz                        kgo.GroupBalancer
	java, kcat, sarama, aiokafka string
	// cooperative says that members keep their partitions when another member joins.
	cooperative bool
}

var assignors = []assignor{
	{"range", kgo.RangeBalancer(), "RangeAssignor", "range", "range", "range", false},
	{"roundrobin", kgo.RoundRobinBalancer(), "RoundRobinAssignor", "roundrobin", "roundrobin", "roundrobin", false},
	{"sticky", kgo.StickyBalancer(), "StickyAssignor", "", "sticky", "", false},
	{"cooperative-sticky", kgo.CooperativeStickyBalancer(), "CooperativeStickyAssignor", "cooperative-sticky", "", "", true},
}

// client makes members of a kind.
type client struct {
	name string
	with func(assignor) func(*member) func() // nil where the client does not have the assignor
	slow bool                                // a member takes long to start
}

var clients = []client{
	{"franz-go", func(a assignor) func(*member) func() { return franz(a.franz) }, false},
	{"kcat", func(a assignor) func(*member) func() { return named(a.kcat, kcat) }, false},
	{"java " + harness.Kafka39, func(a assignor) func(*member) func() { return java(harness.Kafka39, a.java) }, true},
	{"java " + harness.KafkaNewest, func(a assignor) func(*member) func() { return java(harness.KafkaNewest, a.java) }, true},
	{"sarama", func(a assignor) func(*member) func() { return named(a.sarama, sarama) }, false},
	{"aiokafka", func(a assignor) func(*member) func() { return named(a.aiokafka, aiokafka) }, false},
}

func named(assignor string, with func(string) func(*member) func()) func(*member) func() {
	if assignor == "" {
		return nil
	}
	return with(assignor)
}

// TestEveryAssignorOfEveryClient has two members of one client share the partitions. When one leaves, the other gets all of
// them. Then a third member joins and gets its share.
func TestEveryAssignorOfEveryClient(t *testing.T) {
	for _, a := range assignors {
		for _, c := range clients {
			with := c.with(a)
			if with == nil || c.slow && harness.Small() {
				continue
			}
			t.Run(a.name+" of "+c.name, func(t *testing.T) {
				t.Parallel()
				g := newGroup(t, 5)
				g.produceBefore(3)
				first, second := g.join("the first", with), g.join("the second", with)
				g.settle()
				g.produce(20)
				g.leave(first)
				g.settle()
				g.produce(20)
				last := second
				if !c.slow || a.cooperative {
					last = g.join("the third", with)
					g.settle()
					g.produce(20)
					g.leave(second)
					g.settle()
					g.produce(20)
				}
				g.leave(last)
				g.none()
			})
		}
	}
}

// TestEveryClientInOneGroup has all clients in one group. They leave in the order in which they came, so that
// most of them lead the group once.
func TestEveryClientInOneGroup(t *testing.T) {
	for _, a := range assignors {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, 12)
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
