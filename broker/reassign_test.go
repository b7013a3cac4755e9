package broker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster"
	"klamm/internal/await"
	"klamm/protocol"
)

// leaveSoon has the brokers that stop last not wait for others to lead what they lead.
const leaveSoon = "controlled.shutdown.retry.backoff.ms=1"

// assigned creates a topic of one partition with these replicas.
func assigned(t *testing.T, c *brokertest.Cluster, topic string, replicas ...int32) {
	t.Helper()
	n := cluster.NewTopic{Name: topic, Partitions: -1, ReplicationFactor: -1, Assignment: []cluster.Assignment{{Replicas: replicas}}}
	if res := c.Controller().Cluster().CreateTopics(context.Background(), []cluster.NewTopic{n}, false); res[0].Err != nil {
		t.Fatal(res[0].Err)
	}
}

// reassign asks a broker to give partition 0 of a topic other replicas, or with none to cancel that, and returns the error of the request and that of the partition.
func reassign(b *brokertest.Broker, topic string, keepFactor bool, replicas ...int32) (request, partition int16) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version, req.TimeoutMillis, req.AllowReplicationFactorChange = 1, 20_000, !keepFactor
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}}}
	resp := b.Dial().Ask(req).(*kmsg.AlterPartitionAssignmentsResponse)
	if resp.ErrorCode != 0 {
		return resp.ErrorCode, 0
	}
	return 0, resp.Topics[0].Partitions[0].ErrorCode
}

// reassigning returns the error and the partitions that a broker lists.
func reassigning(b *brokertest.Broker) (int16, []string) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = 20_000
	resp := b.Dial().Ask(req).(*kmsg.ListPartitionReassignmentsResponse)
	var list []string
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			list = append(list, fmt.Sprintf("%s-%d %v +%v -%v", topic.Topic, p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas))
		}
	}
	return resp.ErrorCode, list
}

// elect asks a broker for the preferred leaders: of all partitions without a topic, else of partition 0 of the topic. It returns the errors
// by partition.
func elect(b *brokertest.Broker, topic string, timeoutMs int32) map[string]int16 {
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version, req.TimeoutMillis = 2, timeoutMs
	if topic != "" {
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: []int32{0}}}
	}
	codes := map[string]int16{}
	for _, topic := range b.Dial().Ask(req).(*kmsg.ElectLeadersResponse).Topics {
		for _, p := range topic.Partitions {
			codes[fmt.Sprintf("%s-%d", topic.Topic, p.Partition)] = p.ErrorCode
		}
	}
	return codes
}

func partitionOf(b *brokertest.Broker, topic string) cluster.Partition {
	return *b.Cluster().Metadata().Topic(topic).Partitions.At(0)
}

func TestClientsMoveReplicas(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "auto.leader.rebalance.enable=false", leaveSoon)
	assigned(t, c, "orders", 1, 2)
	p := produce(t, c, "orders")
	p.more(20)
	b := c.Controller()
	if req, part := reassign(b, "orders", true, 3); req != 0 || part != kerr.InvalidReplicationFactor.Code {
		t.Errorf("another number of replicas, against the request: error %d, %d", req, part)
	}
	if req, part := reassign(b, "orders", false); req != 0 || part != kerr.NoReassignmentInProgress.Code {
		t.Errorf("nothing to cancel: error %d, %d", req, part)
	}
	if req, part := reassign(b, "orders", true, 3, 2); req != 0 || part != 0 {
		t.Fatalf("reassign: error %d, %d", req, part)
	}
	await.Until(t, "the partition has moved", func() bool {
		code, list := reassigning(b)
		return code == 0 && len(list) == 0 && slices.Equal(partitionOf(b, "orders").Replicas, []int32{3, 2})
	})
	p.more(20)
	await.Until(t, "the replica that left is gone", func() bool {
		_, err := c.Brokers[0].Replicas().Partition(protocol.TopicPartition{Topic: "orders"})
		return err != nil
	})
	p.check(c)
}

func TestClientsListAndCancelWhatMoves(t *testing.T) {
	c := brokertest.RunCluster(t, 3, leaveSoon)
	assigned(t, c, "orders", 3)
	c.Stop(2) // the only replica that the new one could fetch from
	b := c.Controller()
	if req, part := reassign(b, "orders", true, 2); req != 0 || part != 0 {
		t.Fatalf("reassign: error %d, %d", req, part)
	}
	if code, list := reassigning(b); code != 0 || fmt.Sprint(list) != "[orders-0 [2 3] +[2] -[3]]" {
		t.Errorf("list: error %d, %v", code, list)
	}
	if req, part := reassign(b, "orders", true); req != 0 || part != 0 {
		t.Fatalf("cancel: error %d, %d", req, part)
	}
	if code, list := reassigning(b); code != 0 || len(list) != 0 {
		t.Errorf("list after the cancellation: error %d, %v", code, list)
	}
	c.Start(2)
	await.Until(t, "the partition has its leader", func() bool { return partitionOf(b, "orders").Leader == 3 })
}

func TestClientsElectPreferredLeaders(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "auto.leader.rebalance.enable=false", leaveSoon)
	assigned(t, c, "orders", 2, 3)
	assigned(t, c, "others", 1)
	c.Stop(1)
	c.Start(1)
	c.Settled()
	inSync(t, c, "orders", 2)
	b := c.Controller()
	if got := partitionOf(b, "orders").Leader; got != 3 {
		t.Fatalf("broker %d leads", got)
	}
	if got := elect(b, "others", 20_000); got["others-0"] != kerr.ElectionNotNeeded.Code {
		t.Errorf("an election that is not needed: %v", got)
	}
	if got := elect(b, "", 20_000); fmt.Sprint(got) != "map[orders-0:0]" {
		t.Errorf("elections of all: %v", got)
	}
	if got := partitionOf(b, "orders").Leader; got != 2 {
		t.Errorf("broker %d leads after the answer", got)
	}
}

func TestOnlyTheControllerMovesReplicasAndElectsLeaders(t *testing.T) {
	c := brokertest.RunCluster(t, 2, leaveSoon)
	assigned(t, c, "orders", 1)
	const want = 41 // NOT_CONTROLLER
	for _, b := range c.Brokers {
		if b.Cluster().IsController() {
			continue
		}
		await.Until(t, "the topic is known", func() bool { return b.Cluster().Metadata().Topic("orders") != nil })
		if code, _ := reassign(b, "orders", false, 2); code != want {
			t.Errorf("reassign: error %d", code)
		}
		if code, _ := reassigning(b); code != want {
			t.Errorf("list: error %d", code)
		}
		for _, topic := range []string{"", "orders"} {
			if got := elect(b, topic, 20_000); len(got) != 1 || got["orders-0"] != want {
				t.Errorf("elect %q: %v", topic, got)
			}
		}
	}
}
