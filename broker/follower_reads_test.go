package broker_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
)

// replicasOf gives the leader of partition 0 and one of its followers, once all its replicas are in sync.
func replicasOf(t *testing.T, c *brokertest.Cluster, topic string) (leader, follower *brokertest.Broker) {
	t.Helper()
	inSync(t, c, topic, len(c.Brokers))
	await.Until(t, "every broker knows "+topic, func() bool {
		return !slices.ContainsFunc(c.Brokers, func(b *brokertest.Broker) bool { return b.Cluster().Metadata().Topic(topic) == nil })
	})
	p := c.Controller().Cluster().Metadata().Partition(protocol.TopicPartition{Topic: topic})
	for _, id := range p.Replicas {
		if b := c.Brokers[id-1]; id == p.Leader {
			leader = b
		} else {
			follower = b
		}
	}
	return leader, follower
}

// A follower serves consumers of version 11 on up to the high watermark that it knows, and a consumer that waits gets its answer when
// that moves.
func TestFollowerServesConsumers(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("orders", 1, 2)
	leader, follower := replicasOf(t, c, "orders")
	records := brokertest.BatchOf(t, 100)
	producer, consumer := leader.Dial(), follower.Dial()
	brokertest.Produced(t, producer.Ask(brokertest.Produce("orders", 0, -1, records)))

	wait := brokertest.Fetch("orders", 0, 0, brokertest.Forever, 1)
	if p := brokertest.Fetched(t, consumer.Ask(wait)); p.ErrorCode != 0 || p.HighWatermark != 1 || len(p.RecordBatches) != len(records) || p.PreferredReadReplica != -1 {
		t.Fatalf("code %d, high watermark %d, %d bytes, preferred replica %d", p.ErrorCode, p.HighWatermark, len(p.RecordBatches), p.PreferredReadReplica)
	}
	wait = brokertest.Fetch("orders", 0, 1, brokertest.Forever, 1)
	consumer.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return follower.Parked() == 1 })
	brokertest.Produced(t, producer.Ask(brokertest.Produce("orders", 0, 1, records)))
	if p := brokertest.Fetched(t, consumer.Receive(wait)); p.HighWatermark != 2 || len(p.RecordBatches) != len(records) {
		t.Fatalf("high watermark %d, %d bytes", p.HighWatermark, len(p.RecordBatches))
	}
}

func TestFollowerRefusesWhatOnlyTheLeaderServes(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("orders", 1, 2)
	leader, follower := replicasOf(t, c, "orders")
	brokertest.Produced(t, leader.Dial().Ask(brokertest.Produce("orders", 0, -1, brokertest.BatchOf(t, 100))))
	consumer := follower.Dial()
	fetch := func(change func(*kmsg.FetchRequest)) int16 {
		req := brokertest.Fetch("orders", 0, 0, 0, 1)
		change(req)
		return brokertest.Fetched(t, consumer.Ask(req)).ErrorCode
	}
	part := func(req *kmsg.FetchRequest) *kmsg.FetchRequestTopicPartition { return &req.Topics[0].Partitions[0] }
	for name, want := range map[string]struct {
		change func(*kmsg.FetchRequest)
		code   int16
	}{
		"a consumer of before racks":    {func(r *kmsg.FetchRequest) { r.Version = 10 }, kerr.NotLeaderForPartition.Code},
		"a follower":                    {func(r *kmsg.FetchRequest) { r.ReplicaID, part(r).CurrentLeaderEpoch = 9, 0 }, kerr.NotLeaderForPartition.Code},
		"an offset past the end":        {func(r *kmsg.FetchRequest) { part(r).FetchOffset = 2 }, kerr.OffsetOutOfRange.Code},
		"a leader epoch not heard of":   {func(r *kmsg.FetchRequest) { part(r).CurrentLeaderEpoch = 9 }, kerr.UnknownLeaderEpoch.Code},
		"the end of the follower's log": {func(r *kmsg.FetchRequest) { part(r).FetchOffset = 1 }, 0},
	} {
		if got := fetch(want.change); got != want.code {
			t.Errorf("%s: code %d, want %d", name, got, want.code)
		}
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.Version, list.ReplicaID = 4, -1
	lt := kmsg.NewListOffsetsRequestTopic()
	lt.Topic = "orders"
	lp := kmsg.NewListOffsetsRequestTopicPartition()
	lp.Timestamp = -1
	lt.Partitions = append(lt.Partitions, lp)
	list.Topics = append(list.Topics, lt)
	if code := consumer.Ask(list).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode; code != kerr.NotLeaderForPartition.Code {
		t.Errorf("ListOffsets: code %d, want %d", code, kerr.NotLeaderForPartition.Code)
	}
}

const rackAware = "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"

// runRacks starts a cluster that is aware of racks, with a broker in each of these.
func runRacks(t *testing.T, racks []string, settings ...string) *brokertest.Cluster {
	t.Helper()
	return brokertest.RunClusterWith(t, brokertest.ClusterOptions{
		Settings: append(settings, rackAware), Each: func(i int) []string { return []string{"broker.rack=" + racks[i]} },
	}, len(racks))
}

// fetchOfRack is a fetch that names a rack and may wait for ever.
func fetchOfRack(rack string, offset int64) *kmsg.FetchRequest {
	req := brokertest.Fetch("orders", 0, offset, brokertest.Forever, 1)
	req.Rack = rack
	return req
}

func TestLeaderSendsConsumersToTheirRack(t *testing.T) {
	c := runRacks(t, []string{"a", "b"})
	c.Topic("orders", 1, 2)
	leader, follower := replicasOf(t, c, "orders")
	rackOf := func(b *brokertest.Broker) string { return string('a' + rune(b.Cluster().ID()-1)) }
	records := brokertest.BatchOf(t, 100)
	consumer := leader.Dial()
	brokertest.Produced(t, leader.Dial().Ask(brokertest.Produce("orders", 0, -1, records)))
	expect := func(what string, req *kmsg.FetchRequest, preferred int32, bytes int) {
		t.Helper()
		p := brokertest.Fetched(t, consumer.Ask(req))
		if p.ErrorCode != 0 || p.PreferredReadReplica != preferred || len(p.RecordBatches) != bytes || p.HighWatermark != 1 || p.LogStartOffset != 0 {
			t.Errorf("%s: code %d, preferred replica %d, %d bytes, high watermark %d, log start offset %d; want replica %d and %d bytes",
				what, p.ErrorCode, p.PreferredReadReplica, len(p.RecordBatches), p.HighWatermark, p.LogStartOffset, preferred, bytes)
		}
	}
	expect("a consumer in the follower's rack", fetchOfRack(rackOf(follower), 0), follower.Cluster().ID(), 0)
	expect("one that has all records", fetchOfRack(rackOf(follower), 1), follower.Cluster().ID(), 0)
	expect("a consumer in the leader's rack", fetchOfRack(rackOf(leader), 0), -1, len(records))
	expect("a consumer in no broker's rack", fetchOfRack("c", 0), -1, len(records))
	expect("a consumer without a rack", fetchOfRack("", 0), -1, len(records))

	// An answer of a session names the partition again for the replica alone.
	session := fetchOfRack(rackOf(follower), 1)
	session.SessionEpoch = 0
	resp := consumer.Ask(session).(*kmsg.FetchResponse)
	next := fetchOfRack(rackOf(follower), 1)
	next.SessionID, next.SessionEpoch, next.Topics = resp.SessionID, 1, nil
	expect("a session", next, follower.Cluster().ID(), 0)

	c.Stop(int(follower.Cluster().ID()) - 1)
	c.Settled()
	expect("a consumer in the rack of a broker that is down", fetchOfRack(rackOf(follower), 0), -1, len(records))
}

// servedBy counts the records that a client got from each broker.
type servedBy struct {
	mu      sync.Mutex
	records map[int32]int // guarded by mu
}

// OnFetchBatchRead implements kgo.HookFetchBatchRead.
func (s *servedBy) OnFetchBatchRead(meta kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[meta.NodeID] += m.NumRecords
}

func TestConsumersReadFromTheirRack(t *testing.T) {
	c := runRacks(t, []string{"a", "b", "c"})
	c.Topic("orders", 3, 3)
	inSync(t, c, "orders", 3)
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	served := &servedBy{records: map[int32]int{}}
	for range 30 {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics("orders"), kgo.Rack("b"), kgo.WithHooks(served))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	for got := 0; got < 30; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	served.mu.Lock()
	defer served.mu.Unlock()
	if len(served.records) != 1 || served.records[2] != 30 {
		t.Errorf("the brokers served %v records, want 30 from broker 2", served.records)
	}
}

// A consumer that reads from a follower gets a record as soon as it is committed, and not when the follower's fetch is over that waits for
// the next record.
func TestFollowerLearnsTheHighWatermarkAtOnce(t *testing.T) {
	c := runRacks(t, []string{"a", "b"},
		"replica.fetch.wait.max.ms=600000", "replica.lag.time.max.ms=1200000", "replica.socket.timeout.ms=1200000")
	c.Topic("orders", 1, 2)
	leader, follower := replicasOf(t, c, "orders")
	producer, consumer := leader.Dial(), follower.Dial()
	for offset := range int64(3) {
		fetch := brokertest.Fetch("orders", 0, offset, brokertest.Forever, 1)
		consumer.Send(fetch)
		brokertest.Produced(t, producer.Ask(brokertest.Produce("orders", 0, 1, brokertest.BatchOf(t, 100))))
		if p := brokertest.Fetched(t, consumer.Receive(fetch)); p.HighWatermark != offset+1 {
			t.Fatalf("high watermark %d, want %d", p.HighWatermark, offset+1)
		}
	}
}
