package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
)

// creation asks for a topic whose only replica is on broker 3.
func creation(topic string, timeoutMs int32) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, timeoutMs
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, -1, -1
	t.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{3}}}
	req.Topics = append(req.Topics, t)
	return req
}

func TestACreationWaitsForLeadersAsLongAsTheClient(t *testing.T) {
	c := brokertest.RunCluster(t, 3, leaveSoon)
	b := c.Controller()
	c.Stop(2)
	c.Settled()
	for _, timeoutMs := range []int32{1, 0} {
		topic := []string{"none", "soon"}[timeoutMs]
		got := b.Dial().Ask(creation(topic, timeoutMs)).(*kmsg.CreateTopicsResponse).Topics[0]
		if got.ErrorCode != kerr.RequestTimedOut.Code || got.TopicID == [16]byte{} || got.NumPartitions != -1 {
			t.Errorf("within %d ms: %+v", timeoutMs, got)
		}
		if again := b.Dial().Ask(creation(topic, timeoutMs)).(*kmsg.CreateTopicsResponse).Topics[0]; again.ErrorCode != kerr.TopicAlreadyExists.Code {
			t.Errorf("the topic was not created: %+v", again)
		}
	}
	client, req := b.Dial(), creation("late", 60_000)
	client.Send(req)
	c.Start(2)
	if got := client.Receive(req).(*kmsg.CreateTopicsResponse).Topics[0]; got.ErrorCode != 0 || got.NumPartitions != 1 {
		t.Errorf("when the broker has come: %+v", got)
	}
}

func TestAnElectionThatNobodyWaitsForIsHeld(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "auto.leader.rebalance.enable=false", leaveSoon)
	assigned(t, c, "orders", 2, 3)
	c.Stop(1)
	c.Start(1)
	c.Settled()
	inSync(t, c, "orders", 2)
	b := c.Controller()
	if got := elect(b, "orders", 0); got["orders-0"] != kerr.RequestTimedOut.Code {
		t.Errorf("the election: %v", got)
	}
	await.Until(t, "the preferred replica leads", func() bool { return partitionOf(b, "orders").Leader == 2 })
}
