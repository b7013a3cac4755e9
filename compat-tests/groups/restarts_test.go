package groups

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestRestartsRebalanceNoGroup has two members of each client in a group while each broker is restarted. They lose their coordinator for
// less than their session, and keep their partitions. Without restarts nothing happens to these groups.
func TestRestartsRebalanceNoGroup(t *testing.T) {
	t.Parallel()
	// These clients begin a session anew when they lose their coordinator: sarama and kafkajs always, franz-go where it looks for the
	// coordinator at the broker that is away.
	rejoins := func(name string) bool {
		return name == "sarama" || name == "kafkajs" || strings.HasPrefix(name, "franz-go")
	}
	with := map[string]func(*member) func(){
		"franz-go": franz(kgo.RangeBalancer()), "franz-go, cooperative": franz(kgo.CooperativeStickyBalancer()),
		"kcat": kcat("range"), "sarama": sarama("range"), "aiokafka": aiokafka("range"), "kafkajs": kafkajs,
		"java " + harness.Kafka39: java(harness.Kafka39, "RangeAssignor"), "java " + harness.KafkaNewest: java(harness.KafkaNewest, "RangeAssignor"),
	}
	// A broker on a busy machine takes long to restart, and the leaves at the end may be forgotten: nobody waits for them.
	const session = 30 * time.Second
	groups := map[string]*group{}
	for name, client := range with {
		g := newGroup(t, 4)
		g.joinFor(session, "the first "+name, client)
		g.joinFor(session, "the second "+name, client)
		groups[name] = g
	}
	had := map[*member]int{}
	for _, g := range groups {
		g.settle()
		g.produce(5)
		for _, m := range g.members {
			had[m] = m.rebalances()
		}
	}
	broker.AwaitRestarts(t, len(broker.IDs()))
	for name, g := range groups {
		g.settle()
		g.produce(5)
		for _, m := range g.members {
			if n := m.rebalances(); n != had[m] && !(harness.Rolling() && rejoins(name)) {
				t.Errorf("%s was told %d times what it has, and %d times after the restarts", m.name, had[m], n)
			}
		}
	}
	for _, g := range groups {
		for len(g.members) > 0 {
			g.leave(g.members[0])
		}
	}
}
