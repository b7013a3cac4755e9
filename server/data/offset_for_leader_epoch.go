package data

// OffsetForLeaderEpoch: key 23, versions 0 to 4.
//
//	1 the leader epoch that the end belongs to
//	2 the leader epoch that the client believes in; throttle time
//	3 who asks: a replica or a client
//	4 flexible
//
// Refused, in this order, partition by partition: a partition that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION); another leader epoch than that of the replica here
// (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH); a partition that another broker leads
// (NOT_LEADER_OR_FOLLOWER). To ask for the end of an epoch that the log does not know is
// no error: the answer is -1 and -1 (KIP-320).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// OffsetForLeaderEpoch serves OffsetForLeaderEpoch: see above.
func (s *Service) OffsetForLeaderEpoch(_ *request.Call, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = in.Topic
		for j := range in.Partitions {
			out.Partitions = append(out.Partitions, s.endOfEpoch(in.Topic, &in.Partitions[j]))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// endOfEpoch answers one partition.
func (s *Service) endOfEpoch(topic string, in *kmsg.OffsetForLeaderEpochRequestTopicPartition) kmsg.OffsetForLeaderEpochResponseTopicPartition {
	out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
	out.Partition = in.Partition
	p, err := s.partitionIn(protocol.TopicPartition{Topic: topic, Partition: in.Partition}, in.CurrentLeaderEpoch, false)
	if err != nil {
		out.ErrorCode = codes.Of(err)
		return out
	}
	if epoch, end, found := p.Log().EndOffsetForEpoch(in.LeaderEpoch); found {
		out.LeaderEpoch, out.EndOffset = epoch, end
	}
	return out
}
