package broker_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
)

// TestStopWaitsForNoFollower: an append that waited for followers held up a stop until it timed out, and its producer did not look for the
// next leader meanwhile.
func TestStopWaitsForNoFollower(t *testing.T) {
	c := brokertest.RunCluster(t, 2, "controlled.shutdown.enable=false", "klamm.fast.failover.enable=false", "replica.lag.time.max.ms=3600000")
	leader := c.Controller()
	id := leader.Cluster().ID()
	assigned(t, c, "orders", id, 3-id)
	inSync(t, c, "orders", 2)
	c.Kill(int(3-id) - 1) // it stays in the ISR
	req := brokertest.Produce("orders", 0, -1, brokertest.BatchOf(t, 100))
	req.TimeoutMillis = brokertest.Forever
	producer := leader.Dial()
	producer.Send(req)
	p, err := leader.Replicas().Partition(protocol.TopicPartition{Topic: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	await.Until(t, "an append waits", func() bool { _, produces := p.Waiting(); return produces == 1 })
	stopped := make(chan error)
	go func() { stopped <- leader.End() }()
	if got := producer.Receive(req).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; got != kerr.NotLeaderForPartition.Code {
		t.Errorf("the producer got error %d", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestStopPausesByTheClockThatItIsGiven: a stop that asked the controller again waited by the clock of the machine.
func TestStopPausesByTheClockThatItIsGiven(t *testing.T) {
	const pause = 24 * time.Hour
	var pauses atomic.Int32
	after := func(d time.Duration, f func()) func() bool {
		if d == pause {
			pauses.Add(1)
			d = 0
		}
		return time.AfterFunc(d, f).Stop
	}
	c := brokertest.RunClusterWith(t, brokertest.ClusterOptions{
		After: after, Settings: []string{"auto.leader.rebalance.enable=false", "controlled.shutdown.retry.backoff.ms=86400000"},
	}, 3)
	c.Topic("orders", 1, 2)
	inSync(t, c, "orders", 2)
	p := c.Controller().Cluster().Metadata().Topic("orders").Partitions.At(0)
	leader := int(p.Leader) - 1
	for _, id := range p.Replicas {
		if follower := int(id) - 1; follower != leader {
			c.Stop(follower)
		}
	}
	inSync(t, c, "orders", 1)
	c.Settled()
	c.Stop(leader) // nobody else can lead
	if got := pauses.Load(); got != 2 {
		t.Errorf("the stop paused %d times, should be 2", got)
	}
}
