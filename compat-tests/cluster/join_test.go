package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestJoinAndLeave does what docs/cluster.md says under "From one broker to a cluster, and back", with the commands that stand there: a broker that ran alone
// becomes the first of a cluster, gets a second beside it, is Apache Kafka's for a while, and runs alone again. What it had is there each time.
func TestJoinAndLeave(t *testing.T) {
	c, err := harness.PrepareCluster(harness.ClusterOptions{Brokers: []string{"klamm", "klamm"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the brokers' logs are kept: %s", strings.Join(c.KeepLogs(), " "))
		}
		c.Remove()
	})
	j := &joiner{T: t, c: c, b: c.Broker(1), file: filepath.Join(t.TempDir(), "server.properties"), ran: map[string]bool{}, ids: map[int64]bool{}}
	var lines strings.Builder
	lines.WriteString("offsets.topic.replication.factor=1\n")
	for _, name := range []string{"broker.id", "listeners", "log.dirs", "group.initial.rebalance.delay.ms", "offsets.topic.num.partitions"} {
		fmt.Fprintf(&lines, "%s=%s\n", name, j.b.Property(name))
	}
	if err := os.WriteFile(j.file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		join   = "klamm cluster join --config server.properties --zookeeper zk-1:2181,zk-2:2181,zk-3:2181/kafka"
		more   = "klamm cluster reassign --replication-factor 3 --bootstrap-server HOST:9092"
		fewer  = "klamm cluster reassign --replication-factor 1 --bootstrap-server HOST:9092"
		drain  = "klamm cluster drain 2 --bootstrap-server HOST:9092"
		leave  = "klamm cluster leave --config server.properties"
		target = "zk-1:2181,zk-2:2181,zk-3:2181/kafka"
	)
	to := c.ZooKeeper.Connect()

	alone := j.alone()
	j.fill()
	j.expect("alone")
	j.refused(join, j.file, target, to, "a broker runs on this log directory")
	alone.Stop()
	j.refused(leave, j.file, "--config", "--zookeeper "+to+" --config", "there is a tree already")
	tree := c.Zk(t)
	if _, err := tree.Create("/kafka", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	j.refused(join, j.file, target, to, "it is not empty, it has /kafka")
	if err := tree.Delete("/kafka", -1); err != nil {
		t.Fatal(err)
	}
	j.interrupted(tree)

	j.run(join, j.file, target, to, "with 2 topics and ", "\n    zookeeper.connect="+to+"\n")
	if there, _, err := tree.Exists("/brokers/topics/gone"); err != nil || there {
		t.Errorf("what an interrupted copy had is left: %t, %v", there, err)
	}
	j.run(join, j.file, target, to, "The tree is in ZooKeeper already.", "\n    zookeeper.connect="+to+"\n")
	if out, code := j.klamm("--config", j.file); code == 0 || !strings.Contains(out, "this broker has joined a cluster") {
		t.Errorf("the broker starts alone after it has joined: exit code %d\n%s", code, out)
	}
	for _, b := range c.Brokers {
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		j.expect(fmt.Sprint("in a cluster with broker ", b.ID()))
	}
	j.run(more, "", "factor 3", "factor 2")
	j.awaitReplicas(2)
	j.stop(j.b)
	j.refused(leave, j.b.ConfigFile(), "", "", "other brokers are registered (/brokers/ids): 2;")
	if err := j.b.RunAs("apache"); err != nil {
		t.Fatal(err)
	}
	j.expect("Apache Kafka in the place of the broker")
	j.stop(j.b)
	j.stop(c.Broker(2))
	j.refused(leave, j.b.ConfigFile(), "", "", "have replicas on other brokers than 1: __consumer_offsets-")

	if err := j.b.RunAs("klamm"); err != nil {
		t.Fatal(err)
	}
	if err := c.Broker(2).Run(); err != nil {
		t.Fatal(err)
	}
	j.awaitReplicas(2)
	j.run(fewer, "", "", "")
	j.run(drain, "", "", "")
	j.stop(c.Broker(2))
	j.stop(j.b)
	j.run(leave, j.b.ConfigFile(), "", "", "with 2 topics and ", "\n    zookeeper.connect\n")
	j.refused(leave, j.b.ConfigFile(), "", "", "there is a tree already")
	if out, code := j.klamm("--config", j.b.ConfigFile()); code == 0 || !strings.Contains(out, "this broker has left its cluster") {
		t.Errorf("the broker starts in the cluster that it has left: exit code %d\n%s", code, out)
	}
	alone = j.alone()
	j.expect("alone again")
	alone.Stop()
	for _, command := range commandsOf(t, "From one broker to a cluster, and back") {
		if !j.ran[command] {
			t.Errorf("docs/cluster.md has a command that was not run: %q", command)
		}
	}
}

// joiner follows docs/cluster.md.
type joiner struct {
	*testing.T
	c     *harness.Cluster
	b     *harness.Broker // the one that joins
	file  string          // its configuration while it is alone
	ran   map[string]bool // the commands of the page that were run
	ids   map[int64]bool  // of producers
	wrote int
}

// alone starts the broker without ZooKeeper.
func (j *joiner) alone() *harness.Running {
	j.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		j.Fatal(err)
	}
	r := harness.RunProgram(j, func(string) {}, binary, "--config", j.file)
	harness.Await(j, "the broker to answer alone", func() bool { return j.client().Ping(harness.Context(j)) == nil })
	return r
}

func (j *joiner) client(opts ...kgo.Opt) *kgo.Client {
	j.Helper()
	return harness.Client(j, j.b.Addr, opts...)
}

// fill makes a topic, records, a group, and a configuration of all brokers.
func (j *joiner) fill() {
	j.Helper()
	ctx, admin := harness.Context(j), harness.Admin(j, j.b.Addr)
	if _, err := admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("987654321000")}, "orders"); err != nil {
		j.Fatal(err)
	}
	j.write()
	size := kadm.AlterConfig{Name: "message.max.bytes", Value: kadm.StringPtr("1234567")}
	if done, err := admin.AlterBrokerConfigs(ctx, []kadm.AlterConfig{size}); err != nil || done[0].Err != nil {
		j.Fatal(done, err)
	}
	reader := j.client(kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
	for n := 0; n < j.wrote; {
		fetches := reader.PollFetches(ctx)
		if n += fetches.NumRecords(); ctx.Err() != nil {
			j.Fatalf("read %d of %d records: %v", n, j.wrote, fetches.Err())
		}
	}
	if err := reader.CommitUncommittedOffsets(ctx); err != nil {
		j.Fatal(err)
	}
	reader.Close()
}

// write writes ten records to each partition, as a new idempotent producer. Its id is one that no other had.
func (j *joiner) write() {
	j.Helper()
	cl := j.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	for i := range 30 {
		r := &kgo.Record{Topic: "orders", Partition: int32(i % 3), Value: fmt.Append(nil, "record ", j.wrote)}
		if err := cl.ProduceSync(harness.Context(j), r).FirstErr(); err != nil {
			j.Fatal(err)
		}
		j.wrote++
	}
	id, _, err := cl.ProducerID(harness.Context(j))
	if err != nil || j.ids[id] {
		j.Errorf("the producer got id %d, %v; others had %v", id, err, slices.Sorted(maps.Keys(j.ids)))
	}
	j.ids[id] = true
}

// expect holds what the broker has against what was made, and writes more.
func (j *joiner) expect(when string) {
	j.Helper()
	harness.AwaitTopic(j, j.b.Addr, "orders", 3)
	ctx, admin := harness.Context(j), harness.Admin(j, j.b.Addr)
	configs, err := admin.DescribeTopicConfigs(ctx, "orders")
	if err != nil || !slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == "retention.ms" && c.MaybeValue() == "987654321000" }) {
		j.Errorf("%s: the topic's configuration is %v, %v", when, configs, err)
	}
	configs, err = admin.DescribeBrokerConfigs(ctx, 1)
	if err != nil || !slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == "message.max.bytes" && c.MaybeValue() == "1234567" }) {
		j.Errorf("%s: the broker's configuration is %v, %v", when, configs, err)
	}
	offsets, err := admin.FetchOffsets(ctx, "readers")
	if err != nil {
		j.Fatalf("%s: %v", when, err)
	}
	values := map[string]bool{}
	for p := range int32(3) {
		if o, ok := offsets.Lookup("orders", p); !ok || o.At != 10 {
			j.Errorf("%s: the group's offset in partition %d is %v", when, p, o)
		}
		for _, r := range harness.ReadPartition(j, j.b.Addr, "orders", p, 0, harness.EndOffset(j, j.b.Addr, "orders", p)) {
			values[string(r.Value)] = true
		}
	}
	for i := range j.wrote {
		if value := fmt.Sprint("record ", i); !values[value] {
			j.Errorf("%s: %q is missing", when, value)
		}
	}
	j.write()
}

// interrupted leaves what a join leaves that was killed before its last transaction, and a node that the broker deleted since. The broker does not start
// alone then.
func (j *joiner) interrupted(tree *zk.Conn) {
	j.Helper()
	ids, err := os.ReadFile(filepath.Join(j.b.LogDir, "meta.properties"))
	if err != nil {
		j.Fatal(err)
	}
	_, id, _ := strings.Cut(string(ids), "cluster.id=")
	id, _, _ = strings.Cut(id, "\n")
	for _, n := range [][2]string{{"/klamm_claim", `{"version":1,"cluster":"` + id + `","broker":1}`}, {"/brokers", ""}, {"/brokers/topics", ""}, {"/brokers/topics/gone", `{"partitions":{"0":[1]},"version":1}`}} {
		if _, err := tree.Create(n[0], []byte(n[1]), 0, zk.WorldACL(zk.PermAll)); err != nil {
			j.Fatal(err)
		}
	}
	file := filepath.Join(j.b.LogDir, "klamm-metadata")
	if err := os.Rename(file, file+".joined"); err != nil {
		j.Fatal(err)
	}
	if out, code := j.klamm("--config", j.file); code == 0 || !strings.Contains(out, "this broker has joined a cluster") {
		j.Errorf("the broker starts alone while it joins: exit code %d\n%s", code, out)
	}
}

// klamm runs klamm, and gives all that it says.
func (j *joiner) klamm(args ...string) (string, int) {
	j.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		j.Fatal(err)
	}
	cmd := exec.CommandContext(harness.Context(j), binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code says it
	return out.String(), cmd.ProcessState.ExitCode()
}

// do runs a command of the page, with a configuration file, and old replaced by its replacement.
func (j *joiner) do(command, file, old, replacement string) (string, int) {
	j.Helper()
	if !slices.Contains(commandsOf(j, "From one broker to a cluster, and back"), command) {
		j.Fatalf("docs/cluster.md does not have the command %q", command)
	}
	j.ran[command] = true
	if old != "" {
		command = strings.ReplaceAll(command, old, replacement)
	}
	command = strings.ReplaceAll(command, "HOST:9092", j.b.Addr)
	return j.klamm(strings.Fields(strings.ReplaceAll(command, "server.properties", file))[1:]...)
}

func (j *joiner) run(command, file, old, replacement string, says ...string) {
	j.Helper()
	out, code := j.do(command, file, old, replacement)
	for _, want := range says {
		if !strings.Contains(out, want) {
			j.Errorf("%s: no %q in\n%s", command, want, out)
		}
	}
	if code != 0 {
		j.Fatalf("%s: exit code %d\n%s", command, code, out)
	}
}

// refused runs a command of the page that is not to change anything.
func (j *joiner) refused(command, file, old, replacement, why string) {
	j.Helper()
	if out, code := j.do(command, file, old, replacement); code != 2 || !strings.Contains(out, why) {
		j.Fatalf("%s: exit code %d, want 2 with %q\n%s", command, code, why, out)
	}
}

// stop stops a broker and waits until it is not registered any more: ZooKeeper may end its session a moment later.
func (j *joiner) stop(b *harness.Broker) {
	j.Helper()
	if err := errors.Join(b.Stop(), b.AwaitSessionEnd()); err != nil {
		j.Fatal(err)
	}
}

// awaitReplicas waits until each partition has so many replicas, all in sync.
func (j *joiner) awaitReplicas(n int) {
	j.Helper()
	harness.Await(j, fmt.Sprint(n, " replicas in sync of each partition"), func() bool {
		topics, err := harness.Admin(j, j.b.Addr).ListTopicsWithInternal(harness.Context(j))
		if err != nil {
			return false
		}
		full := true
		topics.EachPartition(func(p kadm.PartitionDetail) { full = full && len(p.Replicas) == n && len(p.ISR) == n })
		return full && len(topics) == 2
	})
}
