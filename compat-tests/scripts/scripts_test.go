package scripts

import (
	"slices"
	"testing"
)

// TestLikeTheJavaTools runs everything on one cluster, since it takes longer to start one than to ask it.
func TestLikeTheJavaTools(t *testing.T) {
	w := build(t)
	t.Run("kafka-topics", func(t *testing.T) { w.same(t, tries(topicsSame)) })
	t.Run("kafka-consumer-groups", func(t *testing.T) { w.same(t, tries(groupsSame)) })
	t.Run("kafka-consumer-groups that change something", w.groupsChanged)
	t.Run("kafka-get-offsets", func(t *testing.T) { w.same(t, tries(offsetsSame)) })
	t.Run("kafka-configs", func(t *testing.T) { w.same(t, tries(configsSame)) })
	t.Run("kafka-configs that changes something", w.configsChanged)
	t.Run("kafka-reassign-partitions", func(t *testing.T) { w.same(t, tries(reassignSame)) })
	t.Run("kafka-reassign-partitions that moves something", w.reassigned)
	t.Run("smaller ones", func(t *testing.T) { w.same(t, tries(smallSame)) })
	t.Run("kafka-broker-api-versions", w.versions)
	t.Run("the console's producer and consumer", w.console)
	t.Run("names", w.names)
	t.Run("a broker is down", w.brokerDown)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// names calls one script by each of its names.
func (w *world) names(t *testing.T) {
	want := run(t, w.link(t, "kafka-topics.sh"), "", "--bootstrap-server", w.addr, "--list")
	if want.stdout == "" || want.code != 0 {
		t.Fatalf("kafka-topics.sh --list ends with %d and prints %q", want.code, want.stdout)
	}
	for _, words := range [][]string{{w.link(t, "kafka-topics")}, {w.binary, "kafka-topics"}, {w.binary, "kafka-topics.sh"}} {
		got := run(t, words[0], "", append(words[1:], "--bootstrap-server", w.addr, "--list")...)
		if got != want {
			t.Errorf("%v --list ends with %d and prints\n%s%s\nwant\n%s", words, got.code, got.stdout, got.stderr, want.stdout)
		}
	}
}

// brokerDown stops a broker and asks what is out of sync.
func (w *world) brokerDown(t *testing.T) {
	if err := w.cluster.Broker(3).Stop(); err != nil {
		t.Fatal(err)
	}
	w.settle(t, 3)
	w.same(t, tries(`
topics --describe
topics --describe --under-replicated-partitions
topics --describe --unavailable-partitions
topics --describe --under-min-isr-partitions
topics --describe --at-min-isr-partitions --topic alpha|gamma
log-dirs --describe --broker-list 3
leader-election --election-type preferred --topic alpha --partition 2
`))
}
