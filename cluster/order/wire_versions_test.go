package order

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// What each version of a request carries arrives, and what a version lacks has the value that stands for nothing.

func TestLeaderAndISRInEachVersion(t *testing.T) {
	for version := range LeaderAndISRVersion + 1 {
		req := kmsg.NewPtrLeaderAndISRRequest()
		req.SetVersion(version)
		req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = 1, 2, 3
		s := kmsg.NewLeaderAndISRRequestTopicPartition()
		s.Topic, s.Partition, s.ControllerEpoch, s.Leader, s.LeaderEpoch, s.ZKVersion = "t", 4, 5, 6, 7, 8
		s.ISR, s.Replicas, s.AddingReplicas, s.RemovingReplicas = []int32{6}, []int32{6, 9}, []int32{10}, []int32{11}
		s.IsNew, s.LeaderRecoveryState = true, 1
		req.PartitionStates = append(req.PartitionStates, s)
		state := kmsg.NewLeaderAndISRRequestTopicState()
		state.Topic, state.TopicID = "t", protocol.UUID{12}
		state.PartitionStates = append(state.PartitionStates, s)
		req.TopicStates = append(req.TopicStates, state)
		req.LiveLeaders = append(req.LiveLeaders, kmsg.LeaderAndISRRequestLiveLeader{BrokerID: 6, Host: "h", Port: 9})

		want := &LeaderAndISRRequest{
			Header: Header{ControllerID: 1, ControllerEpoch: 2, BrokerEpoch: -1},
			Partitions: []LeaderAndISR{{
				TopicPartition:  protocol.TopicPartition{Topic: "t", Partition: 4},
				ControllerEpoch: 5, Leader: 6, LeaderEpoch: 7, PartitionEpoch: 8, ISR: []int32{6}, Replicas: []int32{6, 9},
			}},
			LiveLeaders: []Node{{ID: 6, Host: "h", Port: 9}},
		}
		p := &want.Partitions[0]
		p.IsNew = version >= 1
		if version >= 2 {
			want.BrokerEpoch = 3
		}
		if version >= 3 {
			p.Adding, p.Removing = []int32{10}, []int32{11}
		}
		if version >= 5 {
			p.TopicID = protocol.UUID{12}
		}
		p.Recovering = version >= 6
		got := LeaderAndISRFromWire(sent(t, req))
		same(t, fmt.Sprint("version ", version), got, want)

		resp := sent(t, got.WireAnswer(Answer{Partitions: []error{ErrStorage}}, version, code))
		var answered []kmsg.LeaderAndISRResponseTopicPartition
		if answered = resp.Partitions; version >= 5 {
			answered = resp.Topics[0].Partitions
			if resp.Topics[0].TopicID != p.TopicID {
				t.Errorf("version %d: the answer is for topic %v", version, resp.Topics[0].TopicID)
			}
		} else if answered[0].Topic != "t" {
			t.Errorf("version %d: the answer is for topic %q", version, answered[0].Topic)
		}
		if len(answered) != 1 || answered[0].Partition != 4 || ErrorOf(answered[0].ErrorCode) != ErrStorage {
			t.Errorf("version %d: answered %+v", version, answered)
		}
		refused := sent(t, got.WireAnswer(Answer{Err: ErrStaleControllerEpoch}, version, code))
		if answered = refused.Partitions; version >= 5 {
			answered = refused.Topics[0].Partitions
		}
		if ErrorOf(refused.ErrorCode) != ErrStaleControllerEpoch || len(answered) != 1 || answered[0].ErrorCode != refused.ErrorCode {
			t.Errorf("version %d: refused with %+v", version, refused)
		}
	}
}

func TestStopReplicaInEachVersion(t *testing.T) {
	for version := range StopReplicaVersion + 1 {
		req := protocol.NewStopReplicaRequest()
		req.SetVersion(version)
		req.ControllerID, req.ControllerEpoch, req.BrokerEpoch, req.DeletePartitions = 1, 2, 3, true
		topic := kmsg.NewStopReplicaRequestTopic()
		topic.Topic, topic.Partition, topic.Partitions = "t", 4, []int32{4}
		state := kmsg.NewStopReplicaRequestTopicPartitionState()
		state.Partition, state.LeaderEpoch, state.Delete = 4, 5, true
		topic.PartitionStates = append(topic.PartitionStates, state)
		req.Topics = append(req.Topics, topic)

		want := &StopReplicaRequest{
			Header:     Header{ControllerID: 1, ControllerEpoch: 2, BrokerEpoch: -1},
			Partitions: []StopReplica{{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: 4}, LeaderEpoch: NoLeaderEpoch, Delete: true}},
		}
		if version >= 1 {
			want.BrokerEpoch = 3
		}
		if version >= 3 {
			want.Partitions[0].LeaderEpoch = 5
		}
		got := StopReplicaFromWire(sent(t, req))
		same(t, fmt.Sprint("version ", version), got, want)
		resp := sent(t, got.WireAnswer(Answer{Partitions: []error{ErrFencedLeaderEpoch}}, version, code))
		if len(resp.Partitions) != 1 || resp.Partitions[0].Topic != "t" || resp.Partitions[0].Partition != 4 || ErrorOf(resp.Partitions[0].ErrorCode) != ErrFencedLeaderEpoch {
			t.Errorf("version %d: answered %+v", version, resp)
		}
		refused := sent(t, got.WireAnswer(Answer{Err: ErrStaleControllerEpoch}, version, code))
		if ErrorOf(refused.ErrorCode) != ErrStaleControllerEpoch || len(refused.Partitions) != 0 {
			t.Errorf("version %d: refused with %+v", version, refused)
		}
	}
}

func TestUpdateMetadataInEachVersion(t *testing.T) {
	rack := "r"
	for version := range UpdateMetadataVersion + 1 {
		req := kmsg.NewPtrUpdateMetadataRequest()
		req.SetVersion(version)
		req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = 1, 2, 3
		state := func(topic string, partition int32) kmsg.UpdateMetadataRequestTopicPartition {
			return kmsg.UpdateMetadataRequestTopicPartition{
				Topic: topic, Partition: partition, ControllerEpoch: 5, Leader: 6, LeaderEpoch: 7, ISR: []int32{6}, ZKVersion: 8,
				Replicas: []int32{6, 9}, OfflineReplicas: []int32{9},
			}
		}
		// In the versions that name the topic with each partition, partitions of two topics take turns.
		req.PartitionStates = append(req.PartitionStates, state("t", 4), state("u", 0), state("t", 5))
		for i, topic := range []string{"t", "u"} {
			s := kmsg.UpdateMetadataRequestTopicState{Topic: topic, TopicID: protocol.UUID{12, byte(i)}}
			for _, p := range req.PartitionStates {
				if p.Topic == topic {
					s.PartitionStates = append(s.PartitionStates, p)
				}
			}
			req.TopicStates = append(req.TopicStates, s)
		}
		req.LiveBrokers = append(req.LiveBrokers, kmsg.UpdateMetadataRequestLiveBroker{
			ID: 6, Host: "old", Port: 1, Rack: &rack,
			Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{{Host: "h", Port: 9, ListenerName: "INSIDE", SecurityProtocol: 3}},
		})

		partition := func(n int32) PartitionMetadata {
			p := PartitionMetadata{Partition: n, ControllerEpoch: 5, Leader: 6, LeaderEpoch: 7, ISR: []int32{6}, PartitionEpoch: 8, Replicas: []int32{6, 9}}
			if version >= 4 {
				p.Offline = []int32{9}
			}
			return p
		}
		want := &UpdateMetadataRequest{
			Header: Header{ControllerID: 1, ControllerEpoch: 2, BrokerEpoch: -1},
			Topics: []TopicMetadata{
				{Name: "t", Partitions: []PartitionMetadata{partition(4), partition(5)}},
				{Name: "u", Partitions: []PartitionMetadata{partition(0)}},
			},
			Brokers: []LiveBroker{{ID: 6, Epoch: -1, Endpoints: []Endpoint{{Listener: "SASL_SSL", SecurityProtocol: "SASL_SSL", Host: "h", Port: 9}}}},
		}
		if version >= 5 {
			want.BrokerEpoch = 3
		}
		if version >= 7 {
			want.Topics[0].ID, want.Topics[1].ID = protocol.UUID{12, 0}, protocol.UUID{12, 1}
		}
		if version == 0 {
			want.Brokers[0].Endpoints[0] = Endpoint{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "old", Port: 1}
		}
		if version >= 2 {
			want.Brokers[0].Rack = &rack
		}
		if version >= 3 {
			want.Brokers[0].Endpoints[0].Listener = "INSIDE"
		}
		got, err := UpdateMetadataFromWire(sent(t, req))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("version ", version), got, want)
	}
}

func TestControlledShutdownInEachVersion(t *testing.T) {
	for version := range ControlledShutdownVersion + 1 {
		req := kmsg.NewPtrControlledShutdownRequest()
		req.SetVersion(version)
		req.BrokerID, req.BrokerEpoch = 4, 5
		want := ControlledShutdownRequest{BrokerID: 4, BrokerEpoch: -1}
		if version >= 2 {
			want.BrokerEpoch = 5
		}
		if got := ControlledShutdownFromWire(sent(t, req)); got != want {
			t.Errorf("version %d: got %+v, want %+v", version, got, want)
		}
	}
}
