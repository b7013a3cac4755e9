package cluster

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

var (
	kinds = flag.String("kinds", "", `what the brokers of TestLifeOfACluster and TestFaults are, such as "apache,klamm,apache"; empty: the kinds that the tests are for`)
	first = flag.Int("first", 1, "with -kinds: the id of the broker that is the first controller, 1 or 2")
)

// mix is a cluster of three brokers.
type mix struct {
	kinds []string
	first int32 // the id of the first controller, 1 or 2: broker 3 hangs
}

func (m mix) String() string {
	return fmt.Sprintf("%s with %s as controller", strings.Join(m.kinds, ","), m.kinds[m.first-1])
}

// mixes are the clusters that a test is run on.
func mixes() []mix {
	if *kinds != "" {
		return []mix{{strings.Split(*kinds, ","), int32(*first)}}
	}
	if harness.Reference() {
		return []mix{{harness.Kinds(3), 1}}
	}
	return []mix{
		{harness.Kinds(3), 1},
		{[]string{"apache", "klamm", "klamm"}, 1},
		{[]string{"apache", "klamm", "apache"}, 2},
	}
}

// other is the other kind of broker, where the tests are for klamm.
func other(b *harness.Broker) string {
	if b.Apache() && !harness.Reference() {
		return "klamm"
	}
	return "apache"
}

// TestLifeOfACluster does to a cluster what its operator does in a year, while clients produce and consume: leaders move,
// brokers stop, fall behind and are replaced, topics are made, grown, moved and deleted.
func TestLifeOfACluster(t *testing.T) {
	for _, m := range mixes() {
		t.Run(m.String(), func(t *testing.T) {
			c := harness.StartCluster(t, harness.ClusterOptions{Brokers: m.kinds, First: m.first, LogDirs: 2,
				Properties: map[string]string{"replica.lag.time.max.ms": "2000", "zookeeper.session.timeout.ms": "30000"}}) // no session is to run out
			l := startLoad(t, c, "events", []int32{1, 2, 3}, []int32{2, 3, 1})
			l.during("a follower hangs and is out of the ISR", func() { l.hang(3) })
			l.during("a leader stops and starts", func() { l.restart(2) })
			l.during("preferred leaders are elected", l.elect)
			l.during("the controller stops and starts", func() { l.restart(m.first) })
			l.during("a topic is made, grown, moved and deleted", l.topics)
			l.during("a replica is removed and made anew", func() {
				l.reassign("events", 0, 2, 3)
				l.reassign("events", 0, 1, 2, 3)
			})
			l.during("a broker is replaced", func() { l.replace(2) })
			l.elect()
			l.compareTree()
			l.check()
		})
	}
}

// restart stops a broker with SIGTERM and starts it again.
func (l *load) restart(id int32) {
	l.Helper()
	b := l.c.Broker(id)
	if err := b.Stop(); err != nil {
		l.Fatal(err)
	}
	l.awaitAcks() // without it
	if err := b.Run(); err != nil {
		l.Fatal(err)
	}
	l.awaitFull()
}

// elect has the first replica of each partition lead it. It asks again until they lead: a controller that has just been
// elected, or has just seen a broker return, may refuse.
func (l *load) elect() {
	l.Helper()
	l.awaitFull()
	await(l, "the first replicas to lead", func() bool {
		m := l.metadata()
		if !full(m, l.topic) {
			return false
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if p.Leader != p.Replicas[0] {
					_, _ = l.admin.ElectLeaders(l.Context(), kadm.ElectPreferredReplica, nil)
					return false
				}
			}
		}
		return true
	})
}

// hang pauses a broker until it is in no ISR, and lets it go on before its session ends. The leaders stay.
func (l *load) hang(id int32) {
	l.Helper()
	before := l.state(l.topic, 0)
	l.c.Broker(id).Pause()
	await(l, "an ISR without the broker that hangs", func() bool {
		return !slices.Contains(l.state(l.topic, 0).ISR, id) && !slices.Contains(l.state(l.topic, 1).ISR, id)
	})
	l.c.Broker(id).Resume()
	l.awaitFull()
	if after := l.state(l.topic, 0); after.Leader != before.Leader || after.LeaderEpoch != before.LeaderEpoch {
		l.Errorf("while a follower hung, the leader went from %d in epoch %d to %d in epoch %d", before.Leader, before.LeaderEpoch, after.Leader, after.LeaderEpoch)
	}
}

// topics makes a topic, writes to it, adds partitions, moves them, reads all back, and deletes it.
func (l *load) topics() {
	l.Helper()
	const topic = "passing"
	createTopic(l, topic, nil, []int32{1, 2}, []int32{3, 2})
	write := func(partitions int32) {
		cl := newClient(l, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic)) // which asks for the partitions anew
		defer cl.Close()
		for p := range partitions {
			for n := range 50 {
				if err := cl.ProduceSync(l.Context(), &kgo.Record{Partition: p, Value: fmt.Appendf(nil, "%d", n)}).FirstErr(); err != nil {
					l.Fatalf("%s/%d: %v", topic, p, err)
				}
			}
		}
	}
	write(2)
	if resp, err := l.admin.UpdatePartitions(l.Context(), 4, topic); err != nil || resp[topic].Err != nil {
		l.Fatal(err, resp[topic].Err)
	}
	harness.AwaitTopic(l, strings.Join(l.c.Addrs(), ","), topic, 4)
	write(4)
	for p := range int32(4) {
		l.reassign(topic, p, p%3+1, (p+1)%3+1)
	}
	for p, want := range []int64{100, 100, 50, 50} {
		if got := harness.ReadPartition(l, l.c.Addrs()[0], topic, int32(p), 0, want, kgo.SeedBrokers(l.c.Addrs()...)); int64(len(got)) != want {
			l.Errorf("%s/%d has %d records, want %d", topic, p, len(got), want)
		}
	}
	if resp, err := l.admin.DeleteTopic(l.Context(), topic); err != nil || resp.Err != nil {
		l.Fatal(err, resp.Err)
	}
	await(l, "the topic's directories to be gone", func() bool {
		for i := range l.c.Brokers {
			for _, dir := range l.c.Dirs(int32(i + 1)) {
				left, _ := filepath.Glob(filepath.Join(dir, topic+"-[0-9]"))
				if len(left) > 0 {
					return false
				}
			}
		}
		return true
	})
}

// reassign gives a partition other replicas and waits until they have it.
func (l *load) reassign(topic string, partition int32, replicas ...int32) {
	l.Helper()
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign(topic, partition, replicas)
	resp, err := l.admin.AlterPartitionAssignments(l.Context(), req)
	if err != nil || resp.Error() != nil {
		l.Fatalf("moving %s/%d to %v: %v %v", topic, partition, replicas, err, resp.Error())
	}
	await(l, fmt.Sprintf("%s/%d to have the replicas %v", topic, partition, replicas), func() bool {
		under, err := harness.Reassignments(l.Context(), l.client)
		if err != nil || len(under) > 0 {
			return false
		}
		p := l.state(topic, partition)
		return slices.Equal(p.Replicas, replicas) && len(p.ISR) == len(replicas) && p.Leader >= 0
	})
}

// replace has the other software run a broker for a while, as a leader too.
func (l *load) replace(id int32) {
	l.Helper()
	b := l.c.Broker(id)
	was := "klamm"
	if b.Apache() {
		was = "apache"
	}
	l.group.Twice() // one of the two is Apache's
	for _, software := range []string{other(b), was} {
		if err := b.Stop(); err != nil {
			l.Fatal(err)
		}
		if err := b.RunAs(software); err != nil {
			l.Fatal(err)
		}
		l.elect()
		l.awaitAcks()
	}
}

// compareTree waits until the tree is that of a cluster of Apache Kafka 3.9.2, which testdata/settled keeps.
func (l *load) compareTree() {
	l.Helper()
	golden := filepath.Join("testdata", "settled")
	tree := func() string {
		return l.c.Tree(l, harness.TreeOptions{Settled: true, Without: []string{"/brokers/topics/__consumer_offsets"}})
	}
	if rewriting() {
		if err := os.WriteFile(golden, []byte(tree()), 0o644); err != nil {
			l.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		l.Fatal(err)
	}
	for deadline := time.Now().Add(patient); ; time.Sleep(20 * time.Millisecond) {
		d := diff(byPath(string(want)), byPath(tree()))
		if d == "" {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("the tree differs from that of Apache Kafka 3.9.2:\n%s", d)
		}
	}
}
