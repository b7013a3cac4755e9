package server_test

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnCases ask a broker that coordinates no transactions: the reference has three replicas of
// __transaction_state by default, and cannot make it alone.
func txnCases() []goldenCase {
	setup := topics(topic("a", 2))
	return []goldenCase{
		{name: "transactions/add_partitions", key: kmsg.AddPartitionsToTxn, to: 3, setup: setup, steps: []goldenStep{
			addPartitionsToTxn("t", 0, "a", 0, 1), addPartitionsToTxn("t", -1, "a", 0), addPartitionsToTxn("", 0, "a", 0), addPartitionsToTxn("", 0, "none", 0), addPartitionsToTxn("", 0, "a", 0, 9), addPartitionsToTxn("t", 0, "none", 0, 1),
			addPartitionsToTxn("t", 0, "a", 1, 7), addPartitionsToTxn("t", 0, "a", 1, 1), addPartitionsToTxn("t", 0, "a"), addPartitionsToTxn("t", 0, ""),
		}},
		{name: "transactions/add_partitions_of_many", key: kmsg.AddPartitionsToTxn, from: 4, setup: setup, steps: []goldenStep{
			addManyToTxn(false, "t", "u"), addManyToTxn(true, "t"), addManyToTxn(false, ""), addManyToTxn(false, "t", "t"),
		}},
		{name: "transactions/add_partitions_of_none", key: kmsg.AddPartitionsToTxn, from: 4, klamm: "a request without a transaction is never answered by the reference", steps: []goldenStep{addManyToTxn(false)}},
		{name: "transactions/add_offsets", key: kmsg.AddOffsetsToTxn, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.AddOffsetsToTxnRequest{TransactionalID: "t", Group: "g"} }),
			step(func(*talk) kmsg.Request { return &kmsg.AddOffsetsToTxnRequest{TransactionalID: "", Group: "g"} }),
			step(func(*talk) kmsg.Request {
				return &kmsg.AddOffsetsToTxnRequest{TransactionalID: "t", ProducerID: -1, ProducerEpoch: -1}
			}),
		}},
		{name: "transactions/end", key: kmsg.EndTxn, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.EndTxnRequest{TransactionalID: "t", Commit: true} }),
			step(func(*talk) kmsg.Request { return &kmsg.EndTxnRequest{TransactionalID: "", Commit: true} }),
			step(func(*talk) kmsg.Request {
				return &kmsg.EndTxnRequest{TransactionalID: "t", ProducerID: -1, ProducerEpoch: -1}
			}),
		}},
		{name: "transactions/commit_offsets", groups: true, key: kmsg.TxnOffsetCommit, setup: func(t *talk) { setup(t); withOffsetsTopic(t) }, steps: []goldenStep{
			commitInTxn(nil),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.TransactionalID = "" }),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.Group = "" }),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.ProducerID, req.ProducerEpoch = -1, -1 }),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.Topics = nil }),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) {
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.TxnOffsetCommitRequestTopicPartition{Partition: 7, LeaderEpoch: -1})
			}),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) {
				req.Topics[0].Topic, req.Topics[0].TopicID = t.n("none"), [16]byte{1}
			}),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.MemberID, req.Generation = "m", 1 }),
			commitInTxn(func(t *talk, req *kmsg.TxnOffsetCommitRequest) { req.Generation = 1 }),
			step(func(t *talk) kmsg.Request { return offsetFetch(t.n("g")) }),
		}},
		{name: "transactions/describe", key: kmsg.DescribeTransactions, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"t"}} }),
			step(func(*talk) kmsg.Request {
				return &kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"", "t", "t"}}
			}),
			step(func(*talk) kmsg.Request { return &kmsg.DescribeTransactionsRequest{} }),
		}},
		{name: "transactions/list", key: kmsg.ListTransactions, steps: []goldenStep{
			listTransactions(nil),
			listTransactions(func(req *kmsg.ListTransactionsRequest) {
				req.StateFilters = []string{"Ongoing", "Empty", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}
			}),
			listTransactions(func(req *kmsg.ListTransactionsRequest) {
				req.StateFilters = []string{"ongoing", "", "Sleeping", "Sleeping", "Ongoing"}
			}),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.ProducerIDFilters = []int64{-1, 5, 5} }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.DurationFilterMillis = 1000 }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.DurationFilterMillis = -1 }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.TransactionalIDPattern = ptr("") }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.TransactionalIDPattern = ptr("t.*") }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.TransactionalIDPattern = ptr("t(") }),
			listTransactions(func(req *kmsg.ListTransactionsRequest) { req.TransactionalIDPattern = ptr("(?=t)") }),
		}},
	}
}

func addPartitionsToTxn(id string, producer int64, topic string, partitions ...int32) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := &kmsg.AddPartitionsToTxnRequest{TransactionalID: id, ProducerID: producer}
		if topic != "" {
			req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: t.n(topic), Partitions: partitions}}
		}
		return req
	})
}

func addManyToTxn(verify bool, ids ...string) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		for _, id := range ids {
			req.Transactions = append(req.Transactions, kmsg.AddPartitionsToTxnRequestTransaction{TransactionalID: id, VerifyOnly: verify,
				Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: t.n("a"), Partitions: []int32{0, 1}}}})
		}
		return req
	})
}

// commitInTxn commits an offset of partition 0 of topic a in a transaction that nobody began.
func commitInTxn(change func(t *talk, req *kmsg.TxnOffsetCommitRequest)) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = "t", t.n("g"), 0, 0
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Offset = 5
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: t.n("a"), TopicID: t.id("a"), Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
		if change != nil {
			change(t, req)
		}
		return req
	})
}

func listTransactions(change func(req *kmsg.ListTransactionsRequest)) goldenStep {
	return step(func(*talk) kmsg.Request {
		req := kmsg.NewPtrListTransactionsRequest()
		if change != nil {
			change(req)
		}
		return req
	})
}
