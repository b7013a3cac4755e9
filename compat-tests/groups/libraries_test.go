package groups

import "testing"

// TestLibraries has two members of each library consume, commit and leave. A member that comes later
// goes on from the committed offsets.
func TestLibraries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		with func(*member) func()
	}{
		{"aiokafka", aiokafka("roundrobin")},
		{"kafkajs", kafkajs},
		{"sarama", sarama("sticky")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, 4)
			g.produceBefore(5)
			first, second := g.join("the first", c.with), g.join("the second", c.with)
			g.settle()
			g.produce(20)
			g.leave(first)
			g.settle()
			g.produce(20)
			g.leave(second)
			g.none()
			g.produceBefore(20)
			again := g.join("the first, again", c.with)
			g.settle()
			g.produce(20)
			g.leave(again)
			g.none()
		})
	}
}
