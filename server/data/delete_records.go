package data

// DeleteRecords: key 21, versions 0 to 2.
//
//	1 throttling happens after the answer
//	2 flexible
//
// Refused, in this order, partition by partition: a partition that does not
// exist (UNKNOWN_TOPIC_OR_PARTITION); an internal topic
// (INVALID_TOPIC_EXCEPTION); a partition led elsewhere
// (NOT_LEADER_OR_FOLLOWER); a topic whose cleanup.policy does not delete
// (POLICY_VIOLATION); an offset below 0 that is not -1, or above the high
// watermark (OFFSET_OUT_OF_RANGE); a live replica that has not deleted the records
// within the request's timeout (REQUEST_TIMED_OUT).
//
// Nothing is missing.
//
// If a request names a partition twice, the last offset counts and the answer names
// the partition once.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// DeleteRecords serves DeleteRecords: see above.
func (s *Service) DeleteRecords(_ *request.Call, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	before := make(map[protocol.TopicPartition]int64)
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			before[protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}] = p.Offset
		}
	}
	topics := make(map[string]int) // by name, the topic's index in the answer
	var deletions []replica.Deletion
	var places [][2]int // for each deletion, the indexes of its topic and partition in the answer
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}
			offset, open := before[tp]
			if !open {
				continue
			}
			delete(before, tp)
			at, known := topics[tp.Topic]
			if !known {
				at = len(resp.Topics)
				topics[tp.Topic] = at
				t := kmsg.NewDeleteRecordsResponseTopic()
				t.Topic = tp.Topic
				resp.Topics = append(resp.Topics, t)
			}
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark = tp.Partition, -1
			partition, err := s.deletableFrom(tp)
			if out.ErrorCode = codes.Of(err); err == nil {
				deletions = append(deletions, replica.Deletion{Partition: partition, Before: offset})
				places = append(places, [2]int{at, len(resp.Topics[at].Partitions)})
			}
			resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, out)
		}
	}
	ctx, cancel := request.Within(s.cut, req.TimeoutMillis)
	defer cancel()
	s.replicas.DeleteRecords(ctx, deletions)
	for i, at := range places {
		out := &resp.Topics[at[0]].Partitions[at[1]]
		out.LowWatermark, out.ErrorCode = deletions[i].LowWatermark, codes.Of(deletions[i].Err)
	}
	return resp
}

// deletableFrom finds a partition whose records clients may delete.
func (s *Service) deletableFrom(tp protocol.TopicPartition) (*replica.Partition, error) {
	if s.broker.Metadata().Partition(tp) == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	if cluster.IsInternalTopic(tp.Topic) {
		return nil, kerr.InvalidTopicException
	}
	p, err := s.partition(tp)
	if err != nil {
		return nil, err
	}
	if !p.Config().Log.Delete {
		return nil, kerr.PolicyViolation
	}
	return p, nil
}
