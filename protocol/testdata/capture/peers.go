package main

import (
	"context"
	"io"
	"log"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/meta"
	"klamm/cluster/meta/zk"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// elsewhere is a topic of which the broker hears from peers alone.
const elsewhere = "elsewhere"

// readEpoch reads the epoch of broker 0's registration, which no client is told.
func (c *capture) readEpoch(zookeeper string) {
	store, err := zk.New(zk.Options{Servers: []string{zookeeper}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	must(err)
	defer store.Close()
	tree, err := store.Open(context.Background(), meta.Watcher{})
	must(err)
	defer tree.Close()
	_, stat, err := tree.Get(context.Background(), znode.BrokerPath(0))
	must(err)
	c.epoch = stat.Czxid
}

// fillPeers fills requests between brokers. They come from what the broker takes for its own controller, which is the first
// one of the cluster: of epoch 1.
func (c *capture) fillPeers(r kmsg.Request) {
	switch r := r.(type) {
	case *kmsg.LeaderAndISRRequest:
		r.ControllerID, r.ControllerEpoch, r.BrokerEpoch = 0, 1, -1
		led := kmsg.LeaderAndISRRequestTopicPartition{Topic: topic, Partition: 0, ControllerEpoch: 1, ISR: []int32{0}, Replicas: []int32{0}}
		far := kmsg.LeaderAndISRRequestTopicPartition{
			Topic: elsewhere, Partition: 1, ControllerEpoch: 1, Leader: 7, LeaderEpoch: 3, ISR: []int32{7, 8}, ZKVersion: 4,
			Replicas: []int32{7, 8, 9}, AddingReplicas: []int32{9}, RemovingReplicas: []int32{8}, IsNew: true, LeaderRecoveryState: 1,
		}
		r.PartitionStates = append(r.PartitionStates, led, far)
		r.TopicStates = append(r.TopicStates,
			kmsg.LeaderAndISRRequestTopicState{Topic: topic, TopicID: c.id, PartitionStates: r.PartitionStates[:1]},
			kmsg.LeaderAndISRRequestTopicState{Topic: elsewhere, TopicID: [16]byte{1, 15: 1}, PartitionStates: r.PartitionStates[1:]})
		r.LiveLeaders = append(r.LiveLeaders, kmsg.LeaderAndISRRequestLiveLeader{Host: "localhost", Port: 9092})
	case *protocol.StopReplicaRequest:
		r.ControllerID, r.ControllerEpoch, r.BrokerEpoch, r.DeletePartitions = 0, 1, -1, true
		for p := range int32(2) {
			t := kmsg.NewStopReplicaRequestTopic()
			t.Topic, t.Partition, t.Partitions = elsewhere, p, []int32{p}
			t.PartitionStates = append(t.PartitionStates, kmsg.StopReplicaRequestTopicPartitionState{Partition: p, LeaderEpoch: -2, Delete: true})
			if p == 0 || r.Version == 0 { // only version 0 may name a topic twice
				r.Topics = append(r.Topics, t)
				continue
			}
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
			r.Topics[0].PartitionStates = append(r.Topics[0].PartitionStates, t.PartitionStates...)
		}
	case *kmsg.UpdateMetadataRequest:
		r.ControllerID, r.ControllerEpoch, r.BrokerEpoch = 0, 1, -1
		for p := range int32(2) {
			r.PartitionStates = append(r.PartitionStates, kmsg.UpdateMetadataRequestTopicPartition{
				Topic: elsewhere, Partition: p, ControllerEpoch: 1, Leader: 7, LeaderEpoch: 3, ISR: []int32{7, 8}, ZKVersion: 4,
				Replicas: []int32{7, 8, 9}, OfflineReplicas: []int32{9},
			})
		}
		r.TopicStates = append(r.TopicStates, kmsg.UpdateMetadataRequestTopicState{Topic: elsewhere, TopicID: [16]byte{1, 15: 1}, PartitionStates: r.PartitionStates})
		for _, b := range []kmsg.UpdateMetadataRequestLiveBroker{{ID: 0, Port: 9092}, {ID: 7, Port: 9097, Rack: kmsg.StringPtr("rack")}} {
			b.Host = "127.0.0.1"
			b.Endpoints = append(b.Endpoints, kmsg.UpdateMetadataRequestLiveBrokerEndpoint{Port: b.Port, Host: b.Host, ListenerName: "PLAINTEXT"})
			r.LiveBrokers = append(r.LiveBrokers, b)
		}
	case *kmsg.ControlledShutdownRequest:
		r.BrokerID, r.BrokerEpoch = 7, -1
	case *kmsg.AlterPartitionRequest:
		r.BrokerID, r.BrokerEpoch = 0, c.epoch
		t := kmsg.NewAlterPartitionRequestTopic()
		t.Topic, t.TopicID = topic, c.id
		for _, p := range []int32{0, 9} {
			t.Partitions = append(t.Partitions, kmsg.AlterPartitionRequestTopicPartition{
				Partition: p, NewISR: []int32{0}, NewEpochISR: []kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{{BrokerID: 0, BrokerEpoch: -1}},
			})
		}
		r.Topics = append(r.Topics, t)
	case *kmsg.AllocateProducerIDsRequest:
		r.BrokerID, r.BrokerEpoch = 0, c.epoch
	default:
		log.Fatalf("nothing to ask with %T", r)
	}
}
