package txn

// TxnOffsetCommit: key 28, versions 0 to 6.
//
//	1 throttling happens after the answer
//	2 leader epochs (KIP-320)
//	3 flexible; member, instance and generation (KIP-447)
//	4 TRANSACTION_ABORTABLE may be answered
//	5 a commit may begin its part of the transaction (KIP-890)
//	6 topic ids instead of names (KIP-1319)
//
// Refused, partition by partition, in this order: one of an unknown topic id
// (UNKNOWN_TOPIC_ID); one that does not exist (UNKNOWN_TOPIC_OR_PARTITION); an
// empty group id (INVALID_GROUP_ID); any other (COORDINATOR_NOT_AVAILABLE).
//
// Missing on purpose: transactions. Before Apache Kafka keeps offsets for a
// transaction, it asks the transaction's coordinator whether it is open; where
// nobody coordinates it, the answer is the same.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// txnCommitTopicIDs is the first version that names topics by id.
const txnCommitTopicIDs = 6

// TxnOffsetCommit serves TxnOffsetCommit: see above.
func (s *Service) TxnOffsetCommit(_ *request.Call, req *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	meta := s.broker.Metadata()
	var refused error = kerr.CoordinatorNotAvailable
	if req.Group == "" {
		refused = kerr.InvalidGroupID
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		topic, unknown := meta.Topic(in.Topic), kerr.UnknownTopicOrPartition
		if req.Version >= txnCommitTopicIDs {
			if topic = meta.TopicByID(in.TopicID); topic == nil {
				unknown = kerr.UnknownTopicID
			}
		}
		out := kmsg.NewTxnOffsetCommitResponseTopic()
		out.Topic, out.TopicID = in.Topic, in.TopicID
		for j := range in.Partitions {
			p := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = in.Partitions[j].Partition, codes.Of(refused)
			if topic == nil || !topic.Partitions.Has(p.Partition) {
				p.ErrorCode = unknown.Code
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
