package order

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// AlterPartition, key 56. Versions 0 and 1 name topics, later ones have their ids instead; 1 has the recovery state, and 3 a
// broker epoch with each replica of the ISR, which no broker compares while ZooKeeper holds the metadata.

const (
	// idVersion is the first version of AlterPartition that has topic ids, and epochISRVersion the first that has an epoch with
	// each replica.
	idVersion       = 2
	epochISRVersion = 3
)

// ErrNotInAnswer is the error of a partition that the controller's answer lacks.
var ErrNotInAnswer = errors.New("the controller's answer lacks the partition")

// Wire makes the request in the highest version that the peer serves (most), or in version 1 if a topic has no id. It shares the
// slices of r, which must not be changed until it is sent.
func (r *AlterPartitionRequest) Wire(most int16) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	version := min(most, AlterPartitionVersion)
	req.BrokerID, req.BrokerEpoch = r.BrokerID, r.BrokerEpoch
	var topics grouping
	for i := range r.Partitions {
		p := &r.Partitions[i]
		if p.TopicID.IsZero() {
			version = min(version, idVersion-1)
		}
		at, isNew := topics.place(topicKey{p.Topic, p.TopicID})
		if isNew {
			t := kmsg.NewAlterPartitionRequestTopic()
			t.Topic, t.TopicID = p.Topic, p.TopicID
			req.Topics = append(req.Topics, t)
		}
		s := kmsg.NewAlterPartitionRequestTopicPartition()
		s.Partition, s.LeaderEpoch, s.PartitionEpoch, s.NewISR = p.Partition, p.LeaderEpoch, p.PartitionEpoch, p.ISR
		for _, id := range p.ISR {
			member := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
			member.BrokerID, member.BrokerEpoch = id, -1
			s.NewEpochISR = append(s.NewEpochISR, member)
		}
		if p.Recovering {
			s.LeaderRecoveryState = recovering
		}
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, s)
	}
	req.SetVersion(version)
	return req
}

// AlterPartitionFromWire reads a request of any version. From version 2 on its topics have ids and no names: Topic is empty. It takes
// the slices of req over.
func AlterPartitionFromWire(req *kmsg.AlterPartitionRequest) *AlterPartitionRequest {
	r := &AlterPartitionRequest{BrokerID: req.BrokerID, BrokerEpoch: req.BrokerEpoch}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			s := &t.Partitions[j]
			isr := s.NewISR
			if req.Version >= epochISRVersion {
				isr = make([]int32, 0, len(s.NewEpochISR))
				for _, member := range s.NewEpochISR {
					isr = append(isr, member.BrokerID)
				}
			}
			r.Partitions = append(r.Partitions, AlterPartition{
				TopicPartition: protocol.TopicPartition{Topic: t.Topic, Partition: s.Partition},
				TopicID:        t.TopicID,
				LeaderEpoch:    s.LeaderEpoch, PartitionEpoch: s.PartitionEpoch,
				ISR: isr, Recovering: s.LeaderRecoveryState == recovering,
			})
		}
	}
	return r
}

// WireAnswer makes the answer to r from one result for each partition, or from the error of the whole request.
func (r *AlterPartitionRequest) WireAnswer(results []AlterPartitionResult, err error, version int16, code Coder) *kmsg.AlterPartitionResponse {
	resp := kmsg.NewPtrAlterPartitionResponse()
	resp.SetVersion(version)
	if resp.ErrorCode = code(err); err != nil {
		return resp
	}
	var topics grouping
	for i := range min(len(results), len(r.Partitions)) {
		p, res := &r.Partitions[i], &results[i]
		at, isNew := topics.place(topicKey{p.Topic, p.TopicID})
		if isNew {
			t := kmsg.NewAlterPartitionResponseTopic()
			t.Topic, t.TopidID = p.Topic, p.TopicID
			resp.Topics = append(resp.Topics, t)
		}
		out := kmsg.NewAlterPartitionResponseTopicPartition()
		out.Partition = p.Partition
		if version < idVersion && errors.Is(res.Err, ErrIneligibleReplica) {
			res.Err = ErrNotAttempted // these versions do not have INELIGIBLE_REPLICA
		}
		if out.ErrorCode = code(res.Err); res.Err == nil {
			out.LeaderID, out.LeaderEpoch, out.ISR, out.PartitionEpoch = res.Leader, res.LeaderEpoch, res.ISR, res.PartitionEpoch
			if res.Recovering {
				out.LeaderRecoveryState = recovering
			}
		}
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, out)
	}
	return resp
}

// ResultsFromWire reads the answer to r: one result for each of its partitions, in order, or the error of the whole request.
func (r *AlterPartitionRequest) ResultsFromWire(resp *kmsg.AlterPartitionResponse) ([]AlterPartitionResult, error) {
	if resp.ErrorCode != 0 {
		return nil, ErrorOf(resp.ErrorCode)
	}
	byID := resp.Version >= idVersion
	answered := make(map[partitionKey]*kmsg.AlterPartitionResponseTopicPartition)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		key := topicKey{name: t.Topic}
		if byID {
			key = topicKey{id: t.TopidID}
		}
		for j := range t.Partitions {
			answered[partitionKey{key, t.Partitions[j].Partition}] = &t.Partitions[j]
		}
	}
	results := make([]AlterPartitionResult, len(r.Partitions))
	for i := range r.Partitions {
		p, res := &r.Partitions[i], &results[i]
		key := topicKey{name: p.Topic}
		if byID {
			key = topicKey{id: p.TopicID}
		}
		from := answered[partitionKey{key, p.Partition}]
		if from == nil {
			res.Err = ErrNotInAnswer
			continue
		}
		if res.Err = ErrorOf(from.ErrorCode); res.Err == nil {
			*res = AlterPartitionResult{
				Leader: from.LeaderID, LeaderEpoch: from.LeaderEpoch, ISR: from.ISR, PartitionEpoch: from.PartitionEpoch,
				Recovering: from.LeaderRecoveryState == recovering,
			}
		}
	}
	return results, nil
}
