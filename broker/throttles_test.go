package broker_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"klamm/broker/brokertest"
	"klamm/cluster/replica"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/server/config"
)

// longWindow makes what came once count for the whole test.
const longWindow = "replication.quota.window.size.seconds=3600"

// withoutFollower makes two topics of which the throttled one has these properties, stops the follower, and writes two batches to each.
// The batches are so large that a follower fetches one at a time.
func withoutFollower(t *testing.T, c *brokertest.Cluster, properties ...string) (leader *brokertest.Broker, follower int) {
	t.Helper()
	c.Topic("throttled", 1, 2, properties...)
	c.Topic("free", 1, 2)
	leader, behind := replicasOf(t, c, "throttled")
	inSync(t, c, "free", 2)
	follower = int(behind.Cluster().ID()) - 1
	c.Stop(follower)
	c.Settled()
	inSync(t, c, "throttled", 1)
	for _, topic := range []string{"throttled", "free"} {
		await.Until(t, "the leader is alone in "+topic, func() bool {
			s := partitionAt(leader, topic).State()
			return s.Role == replica.Leader && len(s.ISR) == 1
		})
	}
	client := leader.Dial()
	for range 2 {
		for _, topic := range []string{"throttled", "free"} {
			brokertest.Produced(t, client.Ask(brokertest.Produce(topic, 0, 1, brokertest.BatchOf(t, 900_000))))
		}
	}
	return leader, follower
}

// setRate sets a rate of all brokers, and waits until those that run have it.
func setRate(t *testing.T, c *brokertest.Cluster, name string, bytesPerSecond int64) {
	t.Helper()
	err := c.Controller().Cluster().AlterBrokerConfig(context.Background(), false, func(map[string]string) (map[string]string, error) {
		return map[string]string{name: strconv.FormatInt(bytesPerSecond, 10)}, nil
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	await.Until(t, "every broker has the rate", func() bool {
		return !slices.ContainsFunc(c.Brokers, func(b *brokertest.Broker) bool { return b != nil && b.Config().Current().Long(name) != bytesPerSecond })
	})
	for _, b := range c.Brokers {
		if b != nil {
			b.Config().OnChange(func(config.Change) {})() // waits until everyone has been told of the change that is current
		}
	}
}

// partitionAt gives partition 0 of a topic at a broker, nil if it is not there.
func partitionAt(b *brokertest.Broker, topic string) *replica.Partition {
	p, _ := b.Replicas().Partition(protocol.TopicPartition{Topic: topic})
	return p
}

// endAt gives the end of partition 0 at a broker, -1 if it is not there.
func endAt(b *brokertest.Broker, topic string) int64 {
	if p := partitionAt(b, topic); p != nil {
		return p.Log().EndOffset()
	}
	return -1
}

// A leader gives a throttled follower that is out of sync no records while its rate is exceeded, and gives records of other partitions all the
// same. An answer to a follower in sync counts against the rate too.
func TestLeaderHoldsBackThrottledFollowers(t *testing.T) {
	c := brokertest.RunCluster(t, 2, longWindow)
	leader, follower := withoutFollower(t, c, "leader.replication.throttled.replicas=7:1,0:1,7:2,0:2")
	setRate(t, c, "leader.replication.throttled.rate", 1)
	id := int32(follower + 1)
	client := leader.Dial()
	fetch := func(topic string, replica int32, offset int64) (size int, hw int64) {
		t.Helper()
		req := brokertest.Fetch(topic, 0, offset, 0, 1)
		req.ReplicaID, req.Topics[0].Partitions[0].PartitionMaxBytes = replica, 1_000_000
		p := brokertest.Fetched(t, client.Ask(req))
		if p.ErrorCode != 0 {
			t.Fatalf("code %d", p.ErrorCode)
		}
		return len(p.RecordBatches), p.HighWatermark
	}
	expect := func(what, topic string, offset int64, some bool) {
		t.Helper()
		if size, hw := fetch(topic, id, offset); size > 0 != some || hw != 2 {
			t.Errorf("%s: %d bytes, high watermark %d", what, size, hw)
		}
	}
	expect("before anything was sent", "throttled", 0, true)
	expect("after that", "throttled", 1, false)
	expect("a topic without throttle", "free", 0, true)
	setRate(t, c, "leader.replication.throttled.rate", 1000000)
	expect("with a higher rate", "throttled", 1, true)
	setRate(t, c, "leader.replication.throttled.rate", 1)
	expect("with the lower one", "throttled", 1, false)

	c.Start(follower)
	inSync(t, c, "free", 2)
	if end := endAt(c.Brokers[follower], "throttled"); end != 0 {
		t.Errorf("the follower has %d records of the throttled partition", end)
	}
	setRate(t, c, "leader.replication.throttled.rate", 1000000)
	inSync(t, c, "throttled", 2)
	// From now on it is in sync, and the rate does not count.
	setRate(t, c, "leader.replication.throttled.rate", 0)
	brokertest.Produced(t, client.Ask(brokertest.Produce("throttled", 0, -1, brokertest.BatchOf(t, 100))))
}

// A follower does not ask for throttled partitions in which it is out of sync while its rate is exceeded.
func TestFollowerRestsWhileItsRateIsExceeded(t *testing.T) {
	c := brokertest.RunCluster(t, 2, longWindow)
	_, follower := withoutFollower(t, c, "follower.replication.throttled.replicas=*")
	setRate(t, c, "follower.replication.throttled.rate", 1)
	c.Start(follower)
	b := c.Brokers[follower]
	await.Until(t, "the follower has a record", func() bool { return endAt(b, "throttled") > 0 })
	inSync(t, c, "free", 2)
	if end := endAt(b, "throttled"); end != 1 {
		t.Errorf("the follower has %d records of the throttled partition", end)
	}
	setRate(t, c, "follower.replication.throttled.rate", 1000000)
	inSync(t, c, "throttled", 2)
}
