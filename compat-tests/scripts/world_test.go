package scripts

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// world is a cluster with known content, and klamm as a program.
type world struct {
	cluster *harness.Cluster
	addr    string
	client  *kgo.Client
	admin   *kadm.Client
	binary  string
	files   string // a directory for files that commands name, @D in a command line

	mu    sync.Mutex
	links string // guarded by mu: a directory with links to klamm
}

// build makes the world.
func build(t *testing.T) *world {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{binary: binary, links: t.TempDir(), files: t.TempDir()}
	properties := map[string]string{"group.initial.rebalance.delay.ms": "0"}
	if harness.Reference() { // klamm has no authorizer
		properties["authorizer.class.name"] = "kafka.security.authorizer.AclAuthorizer"
		properties["super.users"] = "User:ANONYMOUS"
	}
	w.cluster = harness.StartCluster(t, harness.ClusterOptions{Brokers: harness.Kinds(3), LogDirs: 2, Properties: properties})
	w.addr = strings.Join(w.cluster.Addrs(), ",")
	w.client = harness.Client(t, w.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.admin = kadm.NewClient(w.client)
	w.topics(t)
	w.groups(t)
	w.plans(t)
	w.small(t)
	w.reassignments(t)
	w.configs(t)
	return w
}

// wide is the name of a topic that is wider than the columns for it.
const wide = "a-topic-with-a-name.that_is-wider-than-any-column"

// topics creates the topics and writes to them.
func (w *world) topics(t *testing.T) {
	t.Helper()
	w.topic(t, "alpha", [][]int32{{1, 2}, {2, 3}, {3, 1}}, map[string]string{"retention.ms": "1000000000000", "cleanup.policy": "compact,delete", "min.insync.replicas": "2"})
	w.topic(t, "be.ta", [][]int32{{1, 2, 3}}, map[string]string{"max.message.bytes": "1000000"})
	w.topic(t, "gamma", [][]int32{{1}, {2}}, nil)
	w.topic(t, "empty", [][]int32{{2}}, nil)
	var spread [][]int32
	for i := range int32(14) {
		spread = append(spread, []int32{i%3 + 1, (i+1)%3 + 1})
	}
	w.topic(t, wide, spread, nil)
	w.settle(t)
	var records []*kgo.Record
	for topic, partitions := range map[string]int{"alpha": 3, "be.ta": 1, "gamma": 2, wide: 14} {
		for p := range partitions {
			for i := range 10 + p {
				records = append(records, &kgo.Record{Topic: topic, Partition: int32(p), Key: []byte(fmt.Sprint("key-", i)), Value: []byte(fmt.Sprint("value-", i)),
					Timestamp: time.UnixMilli(1_700_000_000_000 + 1000*int64(i))})
			}
		}
	}
	if err := w.client.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// topic creates a topic with the replicas of each partition.
func (w *world) topic(t *testing.T, name string, replicas [][]int32, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = name, -1, -1
	for p, brokers := range replicas {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(p), brokers
		one.ReplicaAssignment = append(one.ReplicaAssignment, a)
	}
	for k, v := range configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, &v
		one.Configs = append(one.Configs, c)
	}
	req.Topics = append(req.Topics, one)
	resp, err := req.RequestWith(harness.Context(t), w.client)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("creating %s: %v, %+v", name, err, resp)
	}
	harness.AwaitTopic(t, w.addr, name, len(replicas))
}

// settle waits until all brokers describe the topics in the same way, with all replicas of live brokers in sync: a script
// may ask any of them.
func (w *world) settle(t testing.TB, without ...int32) {
	t.Helper()
	harness.Await(t, "all brokers to know the same of the topics", func() bool {
		told := ""
		for _, b := range w.cluster.Brokers {
			if !b.Runs() {
				continue
			}
			now, err := w.told(harness.Context(t), b, without)
			if err != nil || told != "" && told != now {
				return false
			}
			told = now
		}
		return true
	})
}

// told gives what a broker knows of topics, or an error where a replica is out of sync.
func (w *world) told(ctx context.Context, b *harness.Broker, without []int32) (string, error) {
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, w.client.Broker(int(b.ID())))
	if err != nil {
		return "", err
	}
	lines := map[string]string{}
	var names []string
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			missing := 0
			for _, id := range p.Replicas {
				for _, gone := range without {
					if id == gone {
						missing++
					}
				}
			}
			if len(p.ISR) < len(p.Replicas)-missing || p.LeaderEpoch < 0 {
				return "", fmt.Errorf("%s-%d: in sync are %v", *t.Topic, p.Partition, p.ISR)
			}
			name := fmt.Sprint(*t.Topic, "-", p.Partition)
			names = append(names, name)
			lines[name] = fmt.Sprint(p.Leader, p.Replicas, p.ISR)
		}
	}
	var all strings.Builder
	for _, name := range sorted(names) {
		fmt.Fprintln(&all, name, lines[name])
	}
	return all.String(), nil
}
