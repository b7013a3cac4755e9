package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestThrottledReassignment has kafka-reassign-partitions move a replica to broker 3 with a throttle, raise the throttle, and remove it at
// the end. The first rate allows one batch for as long as the test runs.
func TestThrottledReassignment(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: harness.Kinds(3), Properties: map[string]string{"replication.quota.window.size.seconds": "3600"}})
	cl := harness.Client(t, c.Addrs()[0], kgo.ProducerBatchCompression(kgo.NoCompression()))
	m := &throttled{T: t, c: c, admin: kadm.NewClient(cl), file: filepath.Join(t.TempDir(), "plan.json")}
	createTopic(&load{T: t, client: cl}, "orders", nil, []int32{1, 2})
	harness.AwaitTopic(t, c.Addrs()[0], "orders", 1)
	const batches, size = 4, 900_000
	for range batches {
		if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: "orders", Value: make([]byte, size)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	plan := `{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,3],"log_dirs":["any","any"]}]}`
	if err := os.WriteFile(m.file, []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}

	// The tool does not wait until the brokers have its throttle. They have one from before: a broker that has these rates has heard of the topic's
	// configuration, which came first.
	all := "*"
	for _, side := range []string{"leader", "follower"} {
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: side + ".replication.throttled.replicas", Value: &all}
		if resp, err := m.admin.AlterTopicConfigs(harness.Context(t), []kadm.AlterConfig{change}, "orders"); err != nil || resp[0].Err != nil {
			t.Fatal(resp, err)
		}
	}
	harness.SetBrokerConfigs(t, m.admin, map[string]string{"leader.replication.throttled.rate": "2", "follower.replication.throttled.rate": "2"}, 1, 2, 3)
	m.tool("--execute", "--throttle", "1")
	m.expectThrottle("0:1,0:2", "0:3", "1")
	harness.Await(t, "the new replica to have the first batch", func() bool { return m.copied() >= size })
	if got := m.copied(); got >= 2*size || !m.moving() {
		t.Errorf("broker 3 has %d bytes, and the replica moves: %t", got, m.moving())
	}
	m.tool("--execute", "--additional", "--throttle", "1000000000")
	m.expectThrottle("0:1,0:2", "0:3", "1000000000")
	harness.Await(t, "the replica to have moved", func() bool { return !m.moving() && m.copied() >= batches*size })
	out := m.tool("--verify")
	for _, want := range []string{"is completed", "Clearing broker-level throttles on brokers 1,2,3", "Clearing topic-level throttles on topic orders"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	m.expectThrottle("", "", "")
}

type throttled struct {
	*testing.T
	c     *harness.Cluster
	admin *kadm.Client
	file  string
}

func (m *throttled) tool(args ...string) string {
	m.Helper()
	return harness.Java(m, harness.Kafka39, "reassign-partitions", nil,
		append([]string{"--bootstrap-server", m.c.Addrs()[0], "--reassignment-json-file", m.file}, args...)...)
}

func (m *throttled) moving() bool {
	m.Helper()
	var topics kadm.TopicsSet // without one kadm asks nobody
	topics.Add("orders", 0)
	list, err := m.admin.ListPartitionReassignments(harness.Context(m), topics)
	if err != nil {
		m.Fatal(err)
	}
	return len(list) > 0
}

// copied gives how many bytes broker 3 has of the partition.
func (m *throttled) copied() (bytes int64) {
	m.Helper()
	logs, _ := filepath.Glob(filepath.Join(m.c.Dirs(3)[0], "orders-0", "*.log"))
	for _, log := range logs {
		if info, err := os.Stat(log); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// expectThrottle waits until the topic has these throttled replicas, and every broker these rates.
func (m *throttled) expectThrottle(leaders, followers, rate string) {
	m.Helper()
	want := fmt.Sprintf("leader.replication.throttled.replicas=%s follower.replication.throttled.replicas=%s", leaders, followers)
	for range 3 {
		want += fmt.Sprintf(" leader.replication.throttled.rate=%s follower.replication.throttled.rate=%s", rate, rate)
	}
	got := ""
	harness.Await(m, "the throttle "+want, func() bool {
		topic, err := m.admin.DescribeTopicConfigs(harness.Context(m), "orders")
		if err != nil {
			m.Fatal(err)
		}
		brokers, err := m.admin.DescribeBrokerConfigs(harness.Context(m), 1, 2, 3)
		if err != nil {
			m.Fatal(err)
		}
		got = m.of(topic, "leader.replication.throttled.replicas", "follower.replication.throttled.replicas") + " " +
			m.of(brokers, "leader.replication.throttled.rate", "follower.replication.throttled.rate")
		return got == want
	})
}

// of shows some properties of each resource.
func (m *throttled) of(resources kadm.ResourceConfigs, names ...string) string {
	var all []string
	for _, r := range resources {
		for _, name := range names {
			value := ""
			if i := slices.IndexFunc(r.Configs, func(c kadm.Config) bool { return c.Key == name }); i >= 0 {
				value = r.Configs[i].MaybeValue()
			}
			all = append(all, name+"="+value)
		}
	}
	return strings.Join(all, " ")
}
