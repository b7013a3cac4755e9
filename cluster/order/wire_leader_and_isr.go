package order

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// LeaderAndIsr, key 4. Versions 0 and 1 name the topic with each partition, later ones group the partitions by topic. Version 1
// has IsNew, 2 the broker epoch, 3 the replicas that a reassignment adds and removes, 5 topic ids (and names topics by id in the
// answer), 6 the recovery state, 7 that a KRaft controller asks, which is never so here.

// recovering is the recovery state of a partition whose leader was elected uncleanly (KIP-704).
const recovering int8 = 1

// Wire makes the request in the version that is sent to peers. It shares the slices of r, which must not be changed until it is sent.
func (r *LeaderAndISRRequest) Wire() *kmsg.LeaderAndISRRequest {
	req := kmsg.NewPtrLeaderAndISRRequest()
	req.SetVersion(LeaderAndISRVersion)
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = r.ControllerID, r.ControllerEpoch, r.BrokerEpoch
	var topics grouping
	for i := range r.Partitions {
		p := &r.Partitions[i]
		at, isNew := topics.place(topicKey{p.Topic, p.TopicID})
		if isNew {
			t := kmsg.NewLeaderAndISRRequestTopicState()
			t.Topic, t.TopicID = p.Topic, p.TopicID
			req.TopicStates = append(req.TopicStates, t)
		}
		s := kmsg.NewLeaderAndISRRequestTopicPartition()
		s.Partition, s.ControllerEpoch, s.Leader, s.LeaderEpoch = p.Partition, p.ControllerEpoch, p.Leader, p.LeaderEpoch
		s.ISR, s.ZKVersion, s.Replicas = p.ISR, p.PartitionEpoch, p.Replicas
		s.AddingReplicas, s.RemovingReplicas, s.IsNew = p.Adding, p.Removing, p.IsNew
		if p.Recovering {
			s.LeaderRecoveryState = recovering
		}
		t := &req.TopicStates[at]
		t.PartitionStates = append(t.PartitionStates, s)
	}
	for _, n := range r.LiveLeaders {
		l := kmsg.NewLeaderAndISRRequestLiveLeader()
		l.BrokerID, l.Host, l.Port = n.ID, n.Host, n.Port
		req.LiveLeaders = append(req.LiveLeaders, l)
	}
	return req
}

// LeaderAndISRFromWire reads a request of any version. It takes the slices of req over.
func LeaderAndISRFromWire(req *kmsg.LeaderAndISRRequest) *LeaderAndISRRequest {
	r := &LeaderAndISRRequest{Header: Header{ControllerID: req.ControllerID, ControllerEpoch: req.ControllerEpoch, BrokerEpoch: req.BrokerEpoch}}
	n := len(req.PartitionStates)
	for i := range req.TopicStates {
		n += len(req.TopicStates[i].PartitionStates)
	}
	r.Partitions = make([]LeaderAndISR, 0, n)
	add := func(topic string, id protocol.UUID, states []kmsg.LeaderAndISRRequestTopicPartition) {
		for i := range states {
			s := &states[i]
			r.Partitions = append(r.Partitions, LeaderAndISR{
				TopicPartition:  protocol.TopicPartition{Topic: topic, Partition: s.Partition},
				TopicID:         id,
				ControllerEpoch: s.ControllerEpoch, Leader: s.Leader, LeaderEpoch: s.LeaderEpoch,
				ISR: s.ISR, Replicas: s.Replicas, Adding: s.AddingReplicas, Removing: s.RemovingReplicas,
				PartitionEpoch: s.ZKVersion, IsNew: s.IsNew, Recovering: s.LeaderRecoveryState == recovering,
			})
		}
	}
	for i := range req.PartitionStates {
		add(req.PartitionStates[i].Topic, protocol.UUID{}, req.PartitionStates[i:i+1])
	}
	for i := range req.TopicStates {
		add(req.TopicStates[i].Topic, req.TopicStates[i].TopicID, req.TopicStates[i].PartitionStates)
	}
	for _, l := range req.LiveLeaders {
		r.LiveLeaders = append(r.LiveLeaders, Node{ID: l.BrokerID, Host: l.Host, Port: l.Port})
	}
	return r
}

// topicIDAnswers is the first version of LeaderAndIsr whose answer names topics by id.
const topicIDAnswers = 5

// WireAnswer makes the answer to r. As Apache Kafka's, an error of the whole request stands with each partition too.
func (r *LeaderAndISRRequest) WireAnswer(a Answer, version int16, code Coder) *kmsg.LeaderAndISRResponse {
	resp := kmsg.NewPtrLeaderAndISRResponse()
	resp.SetVersion(version)
	resp.ErrorCode = code(a.Err)
	var topics grouping
	for i := range r.Partitions {
		p := &r.Partitions[i]
		out := kmsg.NewLeaderAndISRResponseTopicPartition()
		out.Topic, out.Partition, out.ErrorCode = p.Topic, p.Partition, resp.ErrorCode
		if a.Err == nil {
			out.ErrorCode = code(a.At(i))
		}
		if version < topicIDAnswers {
			resp.Partitions = append(resp.Partitions, out)
			continue
		}
		at, isNew := topics.place(topicKey{id: p.TopicID})
		if isNew {
			t := kmsg.NewLeaderAndISRResponseTopic()
			t.TopicID = p.TopicID
			resp.Topics = append(resp.Topics, t)
		}
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, out)
	}
	return resp
}

// AnswerFromWire reads the answer to r, as [LeaderAndISRRequest.Wire] makes it.
func (r *LeaderAndISRRequest) AnswerFromWire(resp *kmsg.LeaderAndISRResponse) Answer {
	if resp.ErrorCode != 0 {
		return Answer{Err: ErrorOf(resp.ErrorCode)}
	}
	var errs partitionErrors
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for _, p := range t.Partitions {
			errs.add(topicKey{id: t.TopicID}, p.Partition, p.ErrorCode)
		}
	}
	return Answer{Partitions: errs.inOrder(len(r.Partitions), func(i int) partitionKey {
		return partitionKey{topicKey{id: r.Partitions[i].TopicID}, r.Partitions[i].Partition}
	})}
}
