package order

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// StopReplica, key 5. Version 0 names the topic with each partition, 1 and 2 group the numbers of partitions by topic, and all
// three have one flag for the deletion of all. Version 1 has the broker epoch. Version 3 has the flag and the leader epoch with
// each partition, and 4 that a KRaft controller asks, which is never so here.

// Wire makes the request in the version that is sent to peers.
func (r *StopReplicaRequest) Wire() *protocol.StopReplicaRequest {
	req := protocol.NewStopReplicaRequest()
	req.SetVersion(StopReplicaVersion)
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = r.ControllerID, r.ControllerEpoch, r.BrokerEpoch
	var topics grouping
	for i := range r.Partitions {
		p := &r.Partitions[i]
		at, isNew := topics.place(topicKey{name: p.Topic})
		if isNew {
			t := kmsg.NewStopReplicaRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		s := kmsg.NewStopReplicaRequestTopicPartitionState()
		s.Partition, s.LeaderEpoch, s.Delete = p.Partition, p.LeaderEpoch, p.Delete
		req.Topics[at].PartitionStates = append(req.Topics[at].PartitionStates, s)
	}
	return req
}

// StopReplicaFromWire reads a request of any version.
func StopReplicaFromWire(req *protocol.StopReplicaRequest) *StopReplicaRequest {
	r := &StopReplicaRequest{Header: Header{ControllerID: req.ControllerID, ControllerEpoch: req.ControllerEpoch, BrokerEpoch: req.BrokerEpoch}}
	add := func(topic string, partition, leaderEpoch int32, remove bool) {
		tp := protocol.TopicPartition{Topic: topic, Partition: partition}
		r.Partitions = append(r.Partitions, StopReplica{TopicPartition: tp, LeaderEpoch: leaderEpoch, Delete: remove})
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		if req.Version == 0 {
			add(t.Topic, t.Partition, NoLeaderEpoch, req.DeletePartitions)
		}
		for _, p := range t.Partitions {
			add(t.Topic, p, NoLeaderEpoch, req.DeletePartitions)
		}
		for _, s := range t.PartitionStates {
			add(t.Topic, s.Partition, s.LeaderEpoch, s.Delete)
		}
	}
	return r
}

// WireAnswer makes the answer to r. As Apache Kafka's, it names no partition if the whole request was refused.
func (r *StopReplicaRequest) WireAnswer(a Answer, version int16, code Coder) *kmsg.StopReplicaResponse {
	resp := kmsg.NewPtrStopReplicaResponse()
	resp.SetVersion(version)
	if resp.ErrorCode = code(a.Err); a.Err != nil {
		return resp
	}
	for i := range r.Partitions {
		out := kmsg.NewStopReplicaResponsePartition()
		out.Topic, out.Partition, out.ErrorCode = r.Partitions[i].Topic, r.Partitions[i].Partition, code(a.At(i))
		resp.Partitions = append(resp.Partitions, out)
	}
	return resp
}

// AnswerFromWire reads the answer to r.
func (r *StopReplicaRequest) AnswerFromWire(resp *kmsg.StopReplicaResponse) Answer {
	if resp.ErrorCode != 0 {
		return Answer{Err: ErrorOf(resp.ErrorCode)}
	}
	var errs partitionErrors
	for _, p := range resp.Partitions {
		errs.add(topicKey{name: p.Topic}, p.Partition, p.ErrorCode)
	}
	return Answer{Partitions: errs.inOrder(len(r.Partitions), func(i int) partitionKey {
		return partitionKey{topicKey{name: r.Partitions[i].Topic}, r.Partitions[i].Partition}
	})}
}
