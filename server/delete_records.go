package server

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
// watermark (OFFSET_OUT_OF_RANGE).
//
// Missing on purpose: the timeout. It bounds the wait for other replicas to
// follow, of which there are none yet.
//
// Of a partition that is named twice the last offset counts, and it is
// answered once.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
)

func serveDeleteRecords(s *Server, _ *call, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	before := make(map[protocol.TopicPartition]int64)
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			before[protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}] = p.Offset
		}
	}
	at := make(map[string]int) // where a topic stands in the answer
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}
			offset, open := before[tp]
			if !open {
				continue
			}
			delete(before, tp)
			place, known := at[tp.Topic]
			if !known {
				place = len(resp.Topics)
				at[tp.Topic] = place
				t := kmsg.NewDeleteRecordsResponseTopic()
				t.Topic = tp.Topic
				resp.Topics = append(resp.Topics, t)
			}
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition = tp.Partition
			low, err := s.deleteRecords(tp, offset)
			out.LowWatermark, out.ErrorCode = low, codeOf(err)
			resp.Topics[place].Partitions = append(resp.Topics[place].Partitions, out)
		}
	}
	return resp
}

// deleteRecords gives the partition's new low watermark, -1 with an error.
func (s *Server) deleteRecords(tp protocol.TopicPartition, before int64) (int64, error) {
	if s.broker.Metadata().Partition(tp) == nil {
		return -1, kerr.UnknownTopicOrPartition
	}
	if cluster.IsInternalTopic(tp.Topic) {
		return -1, kerr.InvalidTopicException
	}
	p, err := s.partition(tp)
	if err != nil {
		return -1, err
	}
	if !p.Config().Log.Delete {
		return -1, kerr.PolicyViolation
	}
	low, err := p.DeleteRecords(before)
	if err != nil {
		return -1, err
	}
	return low, nil
}
