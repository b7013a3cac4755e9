package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster/replica"
	"klamm/cluster/znode"
	"klamm/internal/await"
	"klamm/logstore/vfs"
	"klamm/protocol"
)

// producer writes records one after the other with acks=all, and keeps what was acknowledged.
type producer struct {
	t     *testing.T
	topic string
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu    sync.Mutex
	acked []string // guarded by mu
}

func produce(t *testing.T, c *brokertest.Cluster, topic string) *producer {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	p := &producer{t: t, topic: topic}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	p.done.Go(func() {
		defer client.Close()
		for i := 0; ctx.Err() == nil; i++ {
			value := fmt.Sprint(i)
			if client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr() == nil {
				p.mu.Lock()
				p.acked = append(p.acked, value)
				p.mu.Unlock()
			}
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *producer) end() {
	p.stop()
	p.done.Wait()
}

// more waits until so many more records were acknowledged.
func (p *producer) more(n int) {
	p.t.Helper()
	count := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.acked)
	}
	from := count()
	await.Until(p.t, fmt.Sprintf("%d more records are acknowledged", n), func() bool { return count() >= from+n })
}

// check compares the topic with what was acknowledged, once every broker runs: consumers read each acknowledged record once and in
// order, and the replicas' logs are equal.
func (p *producer) check(c *brokertest.Cluster) {
	p.t.Helper()
	p.end()
	ends := equalLogs(p.t, c, p.topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics(p.topic))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
	defer cancel()
	last := map[int32]int{} // the latest value of each partition
	seen := map[string]bool{}
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			p.t.Fatalf("not read to the ends %v", ends)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n, err := strconv.Atoi(string(r.Value))
			if before, ok := last[r.Partition]; err != nil || ok && n <= before {
				p.t.Errorf("partition %d has %q at offset %d, behind %d", r.Partition, r.Value, r.Offset, before)
			}
			last[r.Partition] = n
			if seen[string(r.Value)] {
				p.t.Errorf("record %s is there twice", r.Value)
			}
			seen[string(r.Value)] = true
			if r.Offset == ends[r.Partition]-1 {
				delete(ends, r.Partition)
			}
		})
	}
	for _, v := range p.acked {
		if !seen[v] {
			p.t.Errorf("record %s was acknowledged and is not there", v)
		}
	}
}

// equalLogs waits until the replicas in sync of each partition have the same end and have committed up to it, compares the bytes
// of their logs, and gives the ends of the partitions that are not empty.
func equalLogs(t *testing.T, c *brokertest.Cluster, topic string) map[int32]int64 {
	t.Helper()
	ends := map[int32]int64{}
	for known := range c.Controller().Cluster().Metadata().Topic(topic).Partitions.All() {
		tp := protocol.TopicPartition{Topic: topic, Partition: known.Index}
		var replicas []*replica.Partition
		for _, id := range known.ISR {
			held, err := c.Brokers[id-1].Replicas().Partition(tp)
			if err != nil {
				t.Fatal(err)
			}
			replicas = append(replicas, held)
		}
		var end int64
		await.Until(t, fmt.Sprintf("every replica of %s has committed all that any of them has", tp), func() bool {
			end = replicas[0].Log().EndOffset()
			return !slices.ContainsFunc(replicas, func(p *replica.Partition) bool {
				return p.Log().EndOffset() != end || p.HighWatermark() != end
			})
		})
		if end > 0 {
			ends[tp.Partition] = end
		}
		first := records(t, replicas[0])
		for i, other := range replicas[1:] {
			if !bytes.Equal(first, records(t, other)) {
				t.Errorf("%s: brokers %d and %d differ in the bytes of their logs", tp, known.ISR[0], known.ISR[i+1])
			}
		}
	}
	return ends
}

// records gives the bytes of a log that has one segment.
func records(t *testing.T, p *replica.Partition) []byte {
	t.Helper()
	start, end := p.Log().Offsets()
	region, err := p.Log().Read(start, math.MaxInt32, end, true)
	if err != nil {
		t.Fatal(err)
	}
	defer region.Release()
	content := make([]byte, region.Size())
	if _, err := region.ReadAt(content, 0); err != nil || region.More {
		t.Fatalf("%s is not read as a whole: %v", p.Log().Dir(), err)
	}
	return content
}

// inSync waits until so many replicas of each partition are in sync.
func inSync(t *testing.T, c *brokertest.Cluster, topic string, n int) {
	t.Helper()
	await.Until(t, fmt.Sprintf("%d replicas of %s are in sync", n, topic), func() bool {
		known := c.Controller().Cluster().Metadata().Topic(topic)
		if known == nil {
			return false
		}
		for p := range known.Partitions.All() {
			if len(p.ISR) != n || p.Leader < 0 {
				return false
			}
		}
		return true
	})
}

func TestClusterReplicates(t *testing.T) {
	c := brokertest.RunCluster(t, 3)
	c.Topic("orders", 3, 3, "min.insync.replicas=2")
	p := produce(t, c, "orders")
	p.more(100)
	inSync(t, c, "orders", 3)
	p.check(c)
}

func TestLeadersMoveWhenABrokerStops(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "auto.leader.rebalance.enable=false")
	c.Topic("orders", 3, 3, "min.insync.replicas=2")
	p := produce(t, c, "orders")
	p.more(20)
	for i := range 3 {
		c.Stop(i)
		p.more(50)
		inSync(t, c, "orders", 2)
		c.Start(i)
		c.Settled()
		inSync(t, c, "orders", 3)
		p.more(20)
	}
	p.check(c)
}

func TestClusterGoesOnWhenSessionsEnd(t *testing.T) {
	c := brokertest.RunCluster(t, 3)
	c.Topic("orders", 3, 3, "min.insync.replicas=2")
	p := produce(t, c, "orders")
	p.more(20)
	for i := range 3 {
		epoch := c.Brokers[i].Cluster().Epoch()
		c.Expire(i)
		await.Until(t, "the broker is registered again", func() bool { return c.Brokers[i].Cluster().Epoch() > epoch })
		c.Settled()
		inSync(t, c, "orders", 3)
		p.more(50)
	}
	p.check(c)
}

// TestBrokerThatIsKilledIsReplacedAtOnce: its session lives on, and nobody waits for it.
func TestBrokerThatIsKilledIsReplacedAtOnce(t *testing.T) {
	for _, controller := range []bool{true, false} {
		t.Run(fmt.Sprintf("controller=%t", controller), func(t *testing.T) {
			c := brokertest.RunCluster(t, 3, "auto.leader.rebalance.enable=false")
			c.Topic("orders", 3, 3, "min.insync.replicas=2")
			p := produce(t, c, "orders")
			p.more(50)
			inSync(t, c, "orders", 3)
			i := slices.Index(c.Brokers, c.Controller())
			if !controller {
				i = (i + 1) % 3
			}
			id := int32(i + 1)
			if known := c.Controller().Cluster().Metadata().Topic("orders"); known.Partitions.At(0).Leader != id && known.Partitions.At(1).Leader != id && known.Partitions.At(2).Leader != id {
				t.Fatalf("broker %d leads nothing", id)
			}
			session := c.Kill(i)
			p.more(100)
			c.Settled()
			inSync(t, c, "orders", 2)
			if there, _, err := c.Controller().Session().Exists(t.Context(), znode.BrokerPath(id)); err != nil || !there {
				t.Fatalf("the session of the broker that was killed has ended (%v)", err)
			}
			c.Store.Expire(session)
			p.more(50)
			inSync(t, c, "orders", 2)
			p.check(c)
		})
	}
}

// TestLeadersMoveWhenALogDirectoryFails: the controller did not hear of it, and the partitions had no leader until the broker stopped.
func TestLeadersMoveWhenALogDirectoryFails(t *testing.T) {
	disk := vfs.NewMem()
	c := brokertest.RunClusterWith(t, brokertest.ClusterOptions{FS: map[int]vfs.FS{1: disk}, Settings: []string{"auto.leader.rebalance.enable=false"}}, 3)
	c.Topic("orders", 3, 3, "min.insync.replicas=2")
	p := produce(t, c, "orders")
	p.more(50)
	inSync(t, c, "orders", 3)
	disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Err: syscall.EIO})
	p.more(50)
	inSync(t, c, "orders", 2)
	for n := range int32(3) {
		known := c.Controller().Cluster().Metadata().Topic("orders").Partitions.At(int(n))
		if known.Leader == 2 || slices.Contains(known.ISR, 2) {
			t.Errorf("partition %d is as before: %+v", n, *known)
		}
	}
	p.check(c)
}

// With a listener for the control plane, the controller's orders come in there, and clients and fetchers use the other (KIP-291).
func TestOrdersComeByTheControlPlane(t *testing.T) {
	c := brokertest.RunCluster(t, 2, "listeners=PLAINTEXT://127.0.0.1:0,CONTROL://127.0.0.1:0",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROL:PLAINTEXT", "control.plane.listener.name=CONTROL")
	c.Topic("t", 2, 2)
	for _, b := range c.Brokers {
		got := map[string]int{}
		for _, conn := range b.Conns() {
			got[conn.Listener().Name]++
		}
		isController := b == c.Controller()
		if !isController && got["CONTROL"] == 0 {
			t.Errorf("connections by listener: %v: the controller speaks by another than its own", got)
		}
		await.Until(t, "the other broker fetches by the listener for that", func() bool {
			for _, conn := range b.Conns() {
				if conn.Listener().Name == "PLAINTEXT" {
					return true
				}
			}
			return false
		})
	}
}

// TestStartedBrokerTellsNoClientThatTopicsDoNotExist: a broker that came back answered clients before the controller had told it of
// the topics, and some clients gave up.
func TestStartedBrokerTellsNoClientThatTopicsDoNotExist(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("orders", 1, 2)
	for range 3 {
		for i := range c.Brokers {
			c.Stop(i)
			c.Start(i)
			m := c.Brokers[i].Dial().Ask(brokertest.Metadata("orders")).(*kmsg.MetadataResponse)
			if topic := m.Topics[0]; topic.ErrorCode != 0 || len(topic.Partitions) != 1 {
				t.Fatalf("broker %d answers %+v", i+1, topic)
			}
			c.Settled()
			inSync(t, c, "orders", 2)
		}
	}
}

// TestEveryBrokerDescribesATopic: a broker without a replica of a topic described the topic with the defaults.
func TestEveryBrokerDescribesATopic(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("orders", 1, 1, "retention.ms=77")
	for i, b := range c.Brokers {
		await.Until(t, "the broker knows the topic", func() bool { return b.Cluster().Metadata().Topic("orders") != nil })
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, "orders", []string{"retention.ms"}
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = append(req.Resources, r)
		got := b.Dial().Ask(req).(*kmsg.DescribeConfigsResponse).Resources[0]
		if got.ErrorCode != 0 || *got.Configs[0].Value != "77" {
			t.Errorf("broker %d says %d, retention.ms=%s", i+1, got.ErrorCode, *got.Configs[0].Value)
		}
	}
}

// TestFollowersDescribeProducers: they said that another broker leads the partition, and kafka-transactions.sh found no hanging
// transactions on any broker.
func TestFollowersDescribeProducers(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("orders", 1, 2)
	p := produce(t, c, "orders")
	p.more(20)
	p.end()
	for i, b := range c.Brokers {
		topic := kmsg.NewDescribeProducersRequestTopic()
		topic.Topic, topic.Partitions = "orders", []int32{0}
		req := kmsg.NewPtrDescribeProducersRequest()
		req.Topics = append(req.Topics, topic)
		got := b.Dial().Ask(req).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || len(got.ActiveProducers) != 1 {
			t.Errorf("broker %d says %+v", i+1, got)
		}
	}
}
