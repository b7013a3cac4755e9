package cluster

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// TestGrowAndShrink does what docs/cluster.md says under "Growing and shrinking", with the commands that stand there, to a cluster of four brokers while
// clients work: a broker joins and gets its part, in a run that is cancelled, one that is interrupted and one that is not; the replication factor goes
// from 2 to 3 and back; throttles are removed that a killed command would have left; the broker is emptied. The end is judged as in the other tests of this package.
func TestGrowAndShrink(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: harness.Kinds(4),
		Properties: map[string]string{"replication.quota.window.size.seconds": "3600", "zookeeper.session.timeout.ms": "30000"}}) // no session is to run out
	if err := c.Broker(4).Stop(); err != nil {
		t.Fatal(err)
	}
	g := &grower{load: startLoad(t, c, "orders", []int32{1, 2}, []int32{2, 3}, []int32{3, 1}, []int32{1, 3}, []int32{2, 1}, []int32{3, 2}, []int32{1, 2}, []int32{2, 3}),
		ran: map[string]bool{}}
	if err := c.Broker(4).Run(); err != nil {
		t.Fatal(err)
	}
	g.awaitFull()

	before := g.replicas()
	plan := g.run("klamm cluster rebalance --bootstrap-server HOST:9092 --dry-run", "", "")
	if !strings.Contains(plan, "replicas with") || !maps.Equal(before, g.replicas()) {
		t.Errorf("the plan changes %v to %v:\n%s", before, g.replicas(), plan)
	}
	const rebalance = "klamm cluster rebalance --bootstrap-server HOST:9092 --throttle 50000000"
	g.during("reassignments are cancelled", func() {
		g.fill()
		g.throttle("*", "1") // broker 4 gets one batch of a partition
		g.interrupt(rebalance, "--throttle 50000000", "")
		moved := g.underWay()
		if len(moved) == 0 {
			t.Error("after Ctrl-C nothing is under way")
		}
		g.run("klamm cluster cancel --bootstrap-server HOST:9092", "", "")
		if left := g.underWay(); len(left) > 0 {
			t.Errorf("under way after klamm cluster cancel: %v", left)
		}
		for p := range g.partitions {
			if move, ok := moved[fmt.Sprintf("%s/%d", g.topic, p)]; ok {
				g.awaitReplicas(p, slices.DeleteFunc(move.Replicas, func(id int32) bool { return slices.Contains(move.AddingReplicas, id) }))
			}
		}
		g.unthrottle()
	})
	g.during("a rebalance is interrupted", func() {
		g.interrupt(rebalance, "50000000", "1")
		g.awaitThrottles(0)
		await(g.load, "what is under way to end", func() bool { return len(g.underWay()) == 0 })
		if left := g.replicas()[4]; left == 0 {
			t.Error("what was under way at Ctrl-C has not gone on: broker 4 has no replicas")
		}
	})
	g.during("a rebalance goes on", func() { g.run(rebalance, "", "") })
	g.expectEven()
	const factor = "klamm cluster reassign --replication-factor 3 --topic orders --bootstrap-server HOST:9092"
	g.during("the replication factor goes from 2 to 3", func() { g.run(factor, "", "") })
	g.expectFactor(3)
	g.during("the replication factor goes from 3 to 2", func() { g.run(factor, "factor 3", "factor 2") })
	g.expectFactor(2)
	g.during("throttles that a killed command left are removed", func() {
		g.throttle("0:4", "50000000")
		if said := g.run(rebalance, "--throttle 50000000", "--dry-run"); !strings.Contains(said, "the brokers [4] throttle moves already") {
			t.Errorf("a command does not name broker 4, which has a throttle:\n%s", said)
		}
		g.configs("topics --entity-name orders", "replicas")
		g.configs("brokers --entity-name 4", "rate")
		g.awaitThrottles(0)
	})
	g.during("a broker is emptied", func() { g.run("klamm cluster drain 4 --bootstrap-server HOST:9092", "", "") })
	await(g.load, "broker 4 to have no replicas", func() bool { return g.replicas()[4] == 0 })
	g.during("an empty broker gets its part again", func() { g.run(rebalance, "", "") })
	g.expectEven()
	for _, command := range g.commands() {
		if !g.ran[command] {
			t.Errorf("docs/cluster.md has a command that was not run: %q", command)
		}
	}
	g.check()
}

// grower follows docs/cluster.md.
type grower struct {
	*load
	ran map[string]bool // the commands of the page that were run
}

// commands are those of the page's section.
func (g *grower) commands() []string {
	g.Helper()
	return commandsOf(g, "Growing and shrinking")
}

// commandsOf are the commands of a section of docs/cluster.md.
func commandsOf(t testing.TB, section string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ = strings.Cut(string(text), "\n## "+section+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			all = append(all, strings.TrimSpace(command))
		}
	}
	return all
}

// command makes a process of a command of klamm on the page, with old replaced by its replacement.
func (g *grower) command(command, old, replacement string) *exec.Cmd {
	g.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		g.Fatal(err)
	}
	return exec.CommandContext(g.Context(), binary, g.arguments(command, old, replacement)...)
}

// arguments are those of a command of the page.
func (g *grower) arguments(command, old, replacement string) []string {
	g.Helper()
	if !slices.Contains(g.commands(), command) {
		g.Fatalf("docs/cluster.md does not have the command %q", command)
	}
	g.ran[command] = true
	if old != "" {
		command = strings.ReplaceAll(command, old, replacement)
	}
	command = strings.ReplaceAll(command, "HOST:9092", strings.Join(g.c.Addrs(), ","))
	return strings.Fields(command)[1:]
}

// run runs a command of the page and gives what it writes, the progress last.
func (g *grower) run(command, old, replacement string) string {
	g.Helper()
	cmd := g.command(command, old, replacement)
	var progress bytes.Buffer
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if err != nil {
		g.Fatalf("%s: %v\n%s%s", command, err, out, progress.String())
	}
	g.Logf("%s\n%s", command, progress.String())
	return string(out) + progress.String()
}

// interrupt runs a command of the page and sends it SIGINT when something is under way.
func (g *grower) interrupt(command, old, replacement string) {
	g.Helper()
	cmd := g.command(command, old, replacement)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		g.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.Fatal(err)
	}
	var said []string
	sent := false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		said = append(said, lines.Text())
		if !sent && strings.Contains(lines.Text(), "partitions are reassigned") && !strings.Contains(lines.Text(), " 0 are under way") {
			sent = cmd.Process.Signal(syscall.SIGINT) == nil
		}
	}
	_ = cmd.Wait()
	all := strings.Join(said, "\n")
	if cmd.ProcessState.ExitCode() != 130 || !strings.Contains(all, "interrupted: what is under way goes on") || !strings.Contains(all, "klamm cluster cancel --bootstrap-server") {
		g.Fatalf("exit code %d\n%s", cmd.ProcessState.ExitCode(), all)
	}
}

// underWay are the reassignments under way.
func (g *grower) underWay() map[string]kmsg.ListPartitionReassignmentsResponseTopicPartition {
	g.Helper()
	under, err := harness.Reassignments(g.Context(), g.client)
	if err != nil {
		g.Fatal(err)
	}
	return under
}

// fill writes two batches to each partition that are larger than what a rate of 1 lets pass.
func (g *grower) fill() {
	g.Helper()
	cl := newClient(g.load, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(g.topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer cl.Close()
	for range 2 {
		for p := range g.partitions {
			if err := cl.ProduceSync(g.Context(), &kgo.Record{Partition: p, Value: make([]byte, 900_000)}).FirstErr(); err != nil {
				g.Fatal(err)
			}
		}
	}
}

// throttle sets what a command with --throttle that was killed leaves behind, on the topic and broker 4.
func (g *grower) throttle(replicas, rate string) {
	g.Helper()
	g.alterThrottles(kadm.SetConfig, replicas, rate)
	g.awaitThrottles(4)
}

// unthrottle removes that.
func (g *grower) unthrottle() {
	g.Helper()
	g.alterThrottles(kadm.DeleteConfig, "", "")
	g.awaitThrottles(0)
}

func (g *grower) alterThrottles(op kadm.IncrementalOp, replicas, rate string) {
	g.Helper()
	of := func(suffix, value string) (all []kadm.AlterConfig) {
		for _, side := range []string{"leader", "follower"} {
			all = append(all, kadm.AlterConfig{Op: op, Name: side + ".replication.throttled." + suffix, Value: &value})
		}
		return all
	}
	topics, err := g.admin.AlterTopicConfigs(g.Context(), of("replicas", replicas), "orders")
	if err != nil {
		g.Fatal(err)
	}
	brokers, err := g.admin.AlterBrokerConfigs(g.Context(), of("rate", rate), 4)
	if err != nil {
		g.Fatal(err)
	}
	for _, r := range slices.Concat(topics, brokers) {
		if r.Err != nil {
			g.Fatal(r.Name, r.Err)
		}
	}
}

// configs runs the command of the page with which kafka-configs removes throttles from a topic or a broker.
func (g *grower) configs(entity, suffix string) {
	g.Helper()
	command := fmt.Sprintf("kafka-configs --bootstrap-server HOST:9092 --alter --entity-type %s --delete-config leader.replication.throttled.%s,follower.replication.throttled.%s", entity, suffix, suffix)
	harness.Java(g, harness.Kafka39, "configs", nil, g.arguments(command, "", "")...)
}

// awaitThrottles waits until so many properties of throttles are set on the topic and the brokers: a broker may hear of a change a moment later.
func (g *grower) awaitThrottles(n int) {
	g.Helper()
	await(g.load, fmt.Sprint(n, " throttles to be set"), func() bool {
		topics, err := g.admin.DescribeTopicConfigs(g.Context(), "orders")
		if err != nil {
			g.Fatal(err)
		}
		brokers, err := g.admin.DescribeBrokerConfigs(g.Context(), 1, 2, 3, 4)
		if err != nil {
			g.Fatal(err)
		}
		set := 0
		for _, r := range slices.Concat(topics, brokers) {
			for _, c := range r.Configs {
				if strings.Contains(c.Key, ".replication.throttled.") && c.MaybeValue() != "" && c.Source != kmsg.ConfigSourceDefaultConfig {
					set++
				}
			}
		}
		return set == n
	})
}

// replicas counts the replicas of each broker.
func (g *grower) replicas() map[int32]int {
	g.Helper()
	counts, _ := g.counts()
	return counts
}

// counts counts the replicas and the leaderships of each broker.
func (g *grower) counts() (replicas, leads map[int32]int) {
	g.Helper()
	replicas, leads = map[int32]int{}, map[int32]int{}
	var m *kmsg.MetadataResponse
	await(g.load, "Metadata", func() bool { m = g.metadata(); return m != nil })
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			leads[p.Leader]++
			for _, id := range p.Replicas {
				replicas[id]++
			}
		}
	}
	return replicas, leads
}

// awaitReplicas waits until a partition has these replicas: Metadata hears of a change a moment later.
func (g *grower) awaitReplicas(partition int32, want []int32) {
	g.Helper()
	await(g.load, fmt.Sprintf("partition %d to have replicas %v", partition, want), func() bool {
		return slices.Equal(slices.Sorted(slices.Values(g.state(g.topic, partition).Replicas)), slices.Sorted(slices.Values(want)))
	})
}

// expectEven waits until all four brokers have equally many replicas and leaderships: Metadata hears of an election a moment later.
func (g *grower) expectEven() {
	g.Helper()
	await(g.load, "replicas and leaderships to be even", func() bool {
		replicas, leads := g.counts()
		for _, of := range []map[int32]int{replicas, leads} {
			counts := slices.Sorted(maps.Values(of))
			if len(counts) != 4 || counts[3]-counts[0] > 1 {
				return false
			}
		}
		return full(g.metadata(), g.topic)
	})
}

// expectFactor waits until each partition of the topic has so many replicas, all in sync.
func (g *grower) expectFactor(n int) {
	g.Helper()
	for p := range g.partitions {
		await(g.load, fmt.Sprintf("partition %d to have %d replicas", p, n), func() bool {
			got := g.state(g.topic, p)
			return len(got.Replicas) == n && len(got.ISR) == n
		})
	}
}
