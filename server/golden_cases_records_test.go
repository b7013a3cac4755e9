package server_test

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// written makes topic a with two partitions, the first with ten records in
// three batches (timestamps 1000 to 1900, the latest not the last), and topic e.
func written(t *talk) {
	topics(topic("a", 2), topic("e", 1))(t)
	t.write(produce(t.n("a"), 0, -1, -1, 1000, 1100, 1200, 1300))
	t.write(produce(t.n("a"), 0, -1, -1, 1400, 1900, 1500))
	t.write(produce(t.n("a"), 0, -1, -1, 1600, 1700, 1800))
}

func recordsCases() []goldenCase {
	offsets := func(timestamps ...int64) []goldenStep {
		var steps []goldenStep
		for _, ts := range timestamps {
			steps = append(steps, step(func(t *talk) kmsg.Request { return listOffsets(t.n("a"), 0, ts) }))
		}
		return steps
	}
	empty := func(timestamps ...int64) []goldenStep {
		var steps []goldenStep
		for _, ts := range timestamps {
			steps = append(steps, step(func(t *talk) kmsg.Request { return listOffsets(t.n("e"), 0, ts) }))
		}
		return steps
	}
	with := func(f func(req *kmsg.ListOffsetsRequest)) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := listOffsets(t.n("a"), 0, -1)
			f(req)
			return req
		})
	}
	epoch := func(timestamp int64, epoch int32) goldenStep {
		return with(func(req *kmsg.ListOffsetsRequest) {
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
			req.Topics[0].Partitions[0].Timestamp = timestamp
		})
	}
	list := kmsg.ListOffsets
	cases := []goldenCase{
		{name: "list_offsets/special", key: list, from: 1, setup: written, steps: offsets(-1, -2, -3, -4, -5)},
		{name: "list_offsets/reserved", key: list, from: 1, setup: written, steps: offsets(-6, -7, -100)},
		{name: "list_offsets/by_time", key: list, from: 1, setup: written, steps: offsets(0, 1000, 1001, 1300, 1301, 1450, 1550, 1900, 1901, 9_000_000_000_000)},
		{name: "list_offsets/empty_log", key: list, from: 1, setup: written, steps: empty(-1, -2, -3, -4, -5, 0, 1000)},
		{name: "list_offsets/epochs", key: list, from: 4, setup: written, steps: []goldenStep{epoch(-1, 0), epoch(-1, 1), epoch(-1, 9), epoch(1000, 9), epoch(-2, 0), epoch(-1, -2)}},
		{name: "list_offsets/asker", key: list, from: 2, setup: written, steps: []goldenStep{
			with(func(req *kmsg.ListOffsetsRequest) { req.IsolationLevel = 1 }),
			with(func(req *kmsg.ListOffsetsRequest) { req.ReplicaID = -2 }),
			with(func(req *kmsg.ListOffsetsRequest) { req.ReplicaID = 0 }),
			with(func(req *kmsg.ListOffsetsRequest) { req.ReplicaID = 5 }),
			with(func(req *kmsg.ListOffsetsRequest) { req.IsolationLevel = 7 }),
		}},
		{name: "list_offsets/refused", key: list, from: 1, klamm: "from version 10 on 4.4.0 answers a partition that is named twice once, and topics without partitions not at all; klamm answers as before", setup: written, steps: []goldenStep{
			step(func(t *talk) kmsg.Request { return listOffsets(t.n("none"), 0, -1) }),
			step(func(t *talk) kmsg.Request { return listOffsets(t.n("a"), 2, -1) }),
			step(func(t *talk) kmsg.Request { return listOffsets(t.n("a"), -1, -1) }),
			step(func(t *talk) kmsg.Request { return listOffsets("bad name", 0, -1) }),
			with(func(req *kmsg.ListOffsetsRequest) {
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
			}),
			with(func(req *kmsg.ListOffsetsRequest) { req.Topics = append(req.Topics, req.Topics[0]) }),
			with(func(req *kmsg.ListOffsetsRequest) { req.Topics = nil }),
			with(func(req *kmsg.ListOffsetsRequest) { req.Topics[0].Partitions = nil }),
		}},
		{name: "list_offsets/after_delete_records", key: list, from: 1, setup: func(t *talk) {
			written(t)
			t.do(deleteRecords(t.n("a"), 0, 5))
		}, steps: offsets(-1, -2, -3, -4, 0, 1000, 1900)},
	}
	return append(cases, deleteRecordsCases()...)
}

func deleteRecordsCases() []goldenCase {
	at := func(topic string, partition int32, offset int64) goldenStep {
		return step(func(t *talk) kmsg.Request { return deleteRecords(t.n(topic), partition, offset) })
	}
	earliest := step(func(t *talk) kmsg.Request { return listOffsets(t.n("a"), 0, -2) })
	epochs := func(current int32, epochs ...int32) []goldenStep {
		var steps []goldenStep
		for _, e := range epochs {
			steps = append(steps, step(func(t *talk) kmsg.Request { return offsetForEpoch(t.n("a"), 0, current, e) }))
		}
		return steps
	}
	initID := func(change func(req *kmsg.InitProducerIDRequest)) goldenStep {
		// The reference answers that it is loading until it has its first block of ids.
		loaded := func(r kmsg.Response) bool {
			return r.(*kmsg.InitProducerIDResponse).ErrorCode != kerr.CoordinatorLoadInProgress.Code
		}
		return goldenStep{until: loaded, req: func(t *talk) kmsg.Request {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.ProducerID, req.ProducerEpoch, req.TransactionTimeoutMillis = -1, -1, 60000
			change(req)
			return req
		}}
	}
	producers := func(topic string, partitions ...int32) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrDescribeProducersRequest()
			rt := kmsg.NewDescribeProducersRequestTopic()
			rt.Topic, rt.Partitions = topic, partitions
			if topic == "a" || topic == "none" {
				rt.Topic = t.n(topic)
			}
			req.Topics = append(req.Topics, rt)
			return req
		})
	}
	return []goldenCase{
		{name: "delete_records/deleted", key: kmsg.DeleteRecords, setup: written, steps: []goldenStep{at("a", 0, 5), earliest, at("a", 0, 3), at("a", 0, 0), at("a", 0, -1), earliest, at("e", 0, -1), at("e", 0, 0)}},
		{name: "delete_records/refused", key: kmsg.DeleteRecords, setup: written, steps: []goldenStep{at("a", 0, 11), at("a", 0, -2), at("none", 0, 1), at("a", 7, 1), at("a", -1, 1), at("e", 0, 1), earliest}},
		{name: "delete_records/internal", key: kmsg.DeleteRecords, steps: []goldenStep{step(func(t *talk) kmsg.Request { return deleteRecords("__consumer_offsets", 0, 0) })}},
		{name: "delete_records/duplicate", key: kmsg.DeleteRecords, setup: written, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := deleteRecords(t.n("a"), 0, 2)
			second := req.Topics[0].Partitions[0]
			second.Offset = 4
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, second)
			return req
		}), earliest}},
		{name: "delete_records/empty", key: kmsg.DeleteRecords, steps: []goldenStep{step(func(t *talk) kmsg.Request { return kmsg.NewPtrDeleteRecordsRequest() })}},
		{name: "delete_records/compacted", key: kmsg.DeleteRecords, setup: func(t *talk) {
			topics(topic("a", 1, "cleanup.policy", "compact"), topic("e", 1, "cleanup.policy", "compact,delete"))(t)
			t.write(produce(t.n("a"), 0, -1, -1, 1000, 1100))
			t.write(produce(t.n("e"), 0, -1, -1, 1000, 1100))
		}, steps: []goldenStep{at("a", 0, 1), at("a", 0, -1), at("e", 0, 1)}},

		{name: "offset_for_leader_epoch/epochs", key: kmsg.OffsetForLeaderEpoch, klamm: "an epoch below zero never was: the reference answers it with itself and the log's first offset", setup: written, steps: epochs(-1, 0, 1, 9, -1, -2)},
		{name: "offset_for_leader_epoch/current", key: kmsg.OffsetForLeaderEpoch, setup: written, steps: append(epochs(0, 0), append(epochs(3, 0), epochs(-2, 0)...)...)},
		{name: "offset_for_leader_epoch/refused", key: kmsg.OffsetForLeaderEpoch, setup: written, steps: []goldenStep{
			step(func(t *talk) kmsg.Request { return offsetForEpoch(t.n("none"), 0, -1, 0) }),
			step(func(t *talk) kmsg.Request { return offsetForEpoch(t.n("a"), 5, -1, 0) }),
			step(func(t *talk) kmsg.Request {
				req := offsetForEpoch(t.n("a"), 0, -1, 0)
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
				return req
			}),
			step(func(t *talk) kmsg.Request { return kmsg.NewPtrOffsetForLeaderEpochRequest() }),
		}},

		{name: "init_producer_id/idempotent", key: kmsg.InitProducerID, steps: []goldenStep{
			initID(func(*kmsg.InitProducerIDRequest) {}),
			initID(func(req *kmsg.InitProducerIDRequest) { req.TransactionTimeoutMillis = 0 }),
			initID(func(req *kmsg.InitProducerIDRequest) { req.TransactionTimeoutMillis = 1 << 30 }),
			initID(func(req *kmsg.InitProducerIDRequest) { req.ProducerID = 5 }),
			initID(func(req *kmsg.InitProducerIDRequest) { req.ProducerEpoch = 5 }),
			initID(func(req *kmsg.InitProducerIDRequest) { req.ProducerID, req.ProducerEpoch = 5, 5 }),
		}},
		{name: "init_producer_id/transactional_refused", key: kmsg.InitProducerID, steps: []goldenStep{
			initID(func(req *kmsg.InitProducerIDRequest) { req.TransactionalID = ptr("") }),
			initID(func(req *kmsg.InitProducerIDRequest) {
				req.TransactionalID, req.TransactionTimeoutMillis = ptr("txn"), 1<<30
			}),
			initID(func(req *kmsg.InitProducerIDRequest) {
				req.TransactionalID, req.TransactionTimeoutMillis = ptr("txn"), 0
			}),
			initID(func(req *kmsg.InitProducerIDRequest) { req.TransactionalID, req.ProducerID = ptr("txn"), 7 }),
		}},

		{name: "describe_producers/active", key: kmsg.DescribeProducers, setup: func(t *talk) {
			topics(topic("a", 2))(t)
			t.write(produce(t.n("a"), 0, 4_000_001, 0, 1000, 1100))
			t.write(produce(t.n("a"), 0, 4_000_001, 2, 1200))
			t.write(produce(t.n("a"), 0, -1, -1, 1200))
		}, steps: []goldenStep{producers("a", 0), producers("a", 0, 1), producers("a", 1, 1)}},
		{name: "describe_producers/refused", key: kmsg.DescribeProducers, setup: topics(topic("a", 1)), steps: []goldenStep{producers("none", 0), producers("a", 3), producers("bad name", 0), producers("a"), producers("", 0)}},
	}
}
