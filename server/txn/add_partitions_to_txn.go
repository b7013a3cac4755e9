package txn

// AddPartitionsToTxn: key 24, versions 0 to 5.
//
//	1 throttling happens after the answer
//	2 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	3 flexible
//	4 many transactions, or only the question whether they have the partitions: what brokers ask each other (KIP-890)
//	5 TRANSACTION_ABORTABLE may be answered
//
// Refused, transaction by transaction, partition by partition, in this order: one
// that does not exist (UNKNOWN_TOPIC_OR_PARTITION), after which the others are not
// attempted (OPERATION_NOT_ATTEMPTED); an empty transactional id (INVALID_REQUEST);
// any other (NOT_COORDINATOR).
//
// Missing on purpose: transactions. This broker coordinates none, and says so as
// any broker does that is not the coordinator. A request with no transactions,
// which Apache Kafka does not answer, is answered with none.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// manyTransactions is the first version with a list of transactions.
const manyTransactions = 4

// AddPartitionsToTxn serves AddPartitionsToTxn: see above.
func (s *Service) AddPartitionsToTxn(_ *request.Call, req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	meta := s.broker.Metadata()
	if req.Version < manyTransactions {
		refused := refusesPartitionsOfTxn(meta, req.TransactionalID, req.Topics)
		for _, in := range req.Topics {
			out := kmsg.NewAddPartitionsToTxnResponseTopic()
			out.Topic = in.Topic
			for _, n := range in.Partitions {
				p := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				p.Partition, p.ErrorCode = n, codes.Of(refused(in.Topic, n))
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	}
	for i := range req.Transactions {
		txn := &req.Transactions[i]
		topics := make([]kmsg.AddPartitionsToTxnRequestTopic, 0, len(txn.Topics))
		for _, t := range txn.Topics {
			topics = append(topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: t.Topic, Partitions: t.Partitions})
		}
		refused := refusesPartitionsOfTxn(meta, txn.TransactionalID, topics)
		result := kmsg.NewAddPartitionsToTxnResponseTransaction()
		result.TransactionalID = txn.TransactionalID
		for _, in := range txn.Topics {
			out := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
			out.Topic = in.Topic
			for _, n := range in.Partitions {
				p := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
				p.Partition, p.ErrorCode = n, codes.Of(refused(in.Topic, n))
				out.Partitions = append(out.Partitions, p)
			}
			result.Topics = append(result.Topics, out)
		}
		resp.Transactions = append(resp.Transactions, result)
	}
	return resp
}

// refusesPartitionsOfTxn gives the function that tells why a partition is not added to a transaction: there
// is always a reason.
func refusesPartitionsOfTxn(meta *cluster.Metadata, id string, topics []kmsg.AddPartitionsToTxnRequestTopic) func(topic string, partition int32) error {
	reason := refusesTransaction(id)
	for i := range topics {
		for _, n := range topics[i].Partitions {
			if meta.Partition(protocol.TopicPartition{Topic: topics[i].Topic, Partition: n}) == nil {
				reason = kerr.OperationNotAttempted
			}
		}
	}
	return func(topic string, partition int32) error {
		if meta.Partition(protocol.TopicPartition{Topic: topic, Partition: partition}) == nil {
			return kerr.UnknownTopicOrPartition
		}
		return reason
	}
}

// refusesTransaction gives the reason why this broker does nothing for a transactional id.
func refusesTransaction(id string) error {
	if id == "" {
		return kerr.InvalidRequest
	}
	return kerr.NotCoordinator
}
