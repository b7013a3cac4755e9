package server_test

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// firstFetch is the first version of Fetch that is served.
const firstFetch = 4

// want is what one partition is asked for in a Fetch request.
type want struct {
	topic     string
	partition int32
	offset    int64
	change    func(p *kmsg.FetchRequestTopicPartition) // nil for none
}

// fetchOf makes a Fetch request of a consumer that does not wait and has no
// session; partitions of one topic that stand together are asked for together.
func fetchOf(t *talk, wants ...want) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
	req.ReplicaState.ID = -1
	for _, w := range wants {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != t.n(w.topic) {
			rt := kmsg.NewFetchRequestTopic()
			rt.Topic, rt.TopicID = t.n(w.topic), t.someID(w.topic)
			req.Topics = append(req.Topics, rt)
			n++
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch, rp.LogStartOffset = w.partition, w.offset, 1<<20, -1, -1
		if w.change != nil {
			w.change(&rp)
		}
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
	}
	return req
}

// fetching is a step that fetches; change may be nil.
func fetching(change func(req *kmsg.FetchRequest), wants ...want) goldenStep {
	return goldenStep{ordered: true, req: func(t *talk) kmsg.Request {
		req := fetchOf(t, wants...)
		if change != nil {
			change(req)
		}
		return req
	}}
}

// filled makes topic a with four partitions of which the first three have
// records (ten, three and one), and an empty topic e.
func filled(t *talk) {
	topics(topic("a", 4), topic("e", 1))(t)
	t.write(produce(t.n("a"), 0, -1, -1, 1000, 1100, 1200, 1300))
	t.write(produce(t.n("a"), 0, -1, -1, 1400, 1900, 1500))
	t.write(produce(t.n("a"), 0, -1, -1, 1600, 1700, 1800))
	t.write(produce(t.n("a"), 1, -1, -1, 1000, 1100, 1200))
	t.write(produce(t.n("a"), 2, -1, -1, 1000))
}

func fetchCases() []goldenCase {
	const key = kmsg.Fetch
	at := func(offsets ...int64) []goldenStep {
		var steps []goldenStep
		for _, o := range offsets {
			steps = append(steps, fetching(nil, want{topic: "a", offset: o}))
		}
		return steps
	}
	deleteAt := func(offset int64) goldenStep {
		return step(func(t *talk) kmsg.Request { return deleteRecords(t.n("a"), 0, offset) })
	}
	noPartitions := func(req *kmsg.FetchRequest) { req.Topics[0].Partitions = nil }
	epoch := func(current, last int32) goldenStep {
		return fetching(nil, want{topic: "a", change: func(p *kmsg.FetchRequestTopicPartition) {
			p.CurrentLeaderEpoch, p.LastFetchedEpoch = current, last
		}})
	}
	all := func(change func(req *kmsg.FetchRequest)) goldenStep {
		return fetching(change, want{topic: "a"}, want{topic: "a", partition: 1}, want{topic: "a", partition: 2}, want{topic: "e"}, want{topic: "a", partition: 3})
	}
	isolation := func(level int8) goldenStep { return all(func(req *kmsg.FetchRequest) { req.IsolationLevel = level }) }
	replica := func(id int32) goldenStep {
		s := all(nil)
		return goldenStep{ordered: true, req: func(t *talk) kmsg.Request {
			req := s.req(t).(*kmsg.FetchRequest)
			req.ReplicaID = id
			if t.version >= 15 {
				req.ReplicaState.ID = id
			}
			return req
		}}
	}
	cases := []goldenCase{
		{name: "fetch/offsets", key: key, from: firstFetch, setup: filled, steps: append(at(0, 3, 4, 6, 9, 10, 11, 100, -1, -2), fetching(nil, want{topic: "e"}), fetching(nil, want{topic: "e", offset: 1}))},
		{name: "fetch/after_delete_records", key: key, from: firstFetch, setup: filled, steps: slices.Concat([]goldenStep{deleteAt(5)}, at(0, 4, 5, 7), []goldenStep{deleteAt(-1)}, at(9, 10, 11))},
		{name: "fetch/unknown", key: key, from: firstFetch, setup: filled, steps: []goldenStep{
			fetching(nil, want{topic: "none"}), fetching(nil, want{topic: "a", partition: 4}), fetching(nil, want{topic: "a", partition: -1}), fetching(nil, want{topic: "bad name"}),
			fetching(nil, want{topic: "none"}, want{topic: "a", partition: 9}, want{topic: "a"}, want{topic: "e", partition: 1}, want{topic: "e"}, want{topic: "other"}),
		}},
		{name: "fetch/zero_id", key: key, from: 13, setup: filled, steps: []goldenStep{
			fetching(func(req *kmsg.FetchRequest) { req.Topics[0].TopicID = [16]byte{} }, want{topic: "a"}, want{topic: "e"}),
		}},
		{name: "fetch/deleted_topic", key: key, from: firstFetch, setup: filled, steps: []goldenStep{
			deleting("a"),
			fetching(nil, want{topic: "a"}),
		}},
		{name: "fetch/named_twice", key: key, from: firstFetch, setup: filled, steps: []goldenStep{
			fetching(nil, want{topic: "a"}, want{topic: "a", offset: 4}), fetching(nil, want{topic: "a", partition: 1}, want{topic: "e"}, want{topic: "a"}, want{topic: "a", partition: 1, offset: 3}),
			fetching(nil, want{topic: "none"}, want{topic: "none"}),
		}},
		{name: "fetch/without_partitions", key: key, from: firstFetch, setup: filled, steps: []goldenStep{
			fetching(noPartitions, want{topic: "a"}), fetching(noPartitions, want{topic: "a"}, want{topic: "e"}), fetching(noPartitions, want{topic: "none"}), fetching(nil),
		}},
		{name: "fetch/epochs", key: key, from: 9, setup: filled, steps: []goldenStep{epoch(0, -1), epoch(1, -1), epoch(9, -1), epoch(-1, -1), epoch(-2, -1)}},
		{name: "fetch/isolation", key: key, from: firstFetch, setup: filled, steps: []goldenStep{isolation(0), isolation(1), fetching(func(req *kmsg.FetchRequest) { req.IsolationLevel = 1 }, want{topic: "none"}, want{topic: "a", offset: 99})}},
		{name: "fetch/isolation_unknown", key: key, from: firstFetch, setup: filled, steps: []goldenStep{isolation(2), isolation(-1)}},
		{name: "fetch/debug_consumer_and_rack", key: key, from: firstFetch, setup: filled, steps: []goldenStep{replica(-2), all(func(req *kmsg.FetchRequest) { req.Rack = "rack" })}},
		// 4.4.0 has forgotten to tell where the leader listens.
		{name: "fetch/replicas", key: key, from: firstFetch, to: 17, setup: filled, steps: []goldenStep{replica(5), replica(0)}},
	}
	return append(cases, fetchLimitCases(all)...)
}

func fetchLimitCases(all func(change func(req *kmsg.FetchRequest)) goldenStep) []goldenCase {
	const key = kmsg.Fetch
	most := func(n int32) goldenStep { return all(func(req *kmsg.FetchRequest) { req.MaxBytes = n }) }
	each := func(sizes ...int32) goldenStep {
		var wants []want
		for i, n := range sizes {
			wants = append(wants, want{topic: "a", partition: int32(i), change: func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = n }})
		}
		return fetching(nil, wants...)
	}
	waiting := func(minBytes, maxWait int32, wants ...want) goldenStep {
		return fetching(func(req *kmsg.FetchRequest) { req.MinBytes, req.MaxWaitMillis = minBytes, maxWait }, wants...)
	}
	const never = 25_000 // ms, to wait for what makes the answer come at once
	return []goldenCase{
		// The batches of partition 0 have 100, 90 and 90 bytes, that of 1 90, that of 2 70.
		{name: "fetch/max_bytes", key: key, from: firstFetch, setup: filled, steps: []goldenStep{most(0), most(1), most(99), most(100), most(150), most(190), most(280), most(370), most(440)}},
		{name: "fetch/partition_max_bytes", key: key, from: firstFetch, setup: filled, steps: []goldenStep{each(0), each(0, 0), each(1, 1, 1), each(100, 90, 70), each(190, 20, 70), each(20, 90, 70)}},
		{name: "fetch/negative_limits", key: key, from: firstFetch, klamm: "limits below 0 are UNKNOWN_SERVER_ERROR to the reference; klamm takes them for 0", setup: filled, steps: []goldenStep{most(-1), each(-1, 100)}},
		{name: "fetch/waits", key: key, from: firstFetch, setup: filled, steps: []goldenStep{
			waiting(1, never, want{topic: "a"}), waiting(1, 50, want{topic: "e"}), waiting(1000, 50, want{topic: "a"}), waiting(0, never, want{topic: "e"}), waiting(-1, never, want{topic: "e"}), waiting(1, 0, want{topic: "e"}), waiting(1, -1, want{topic: "e"}),
			waiting(1000, never, want{topic: "a", offset: 99}), waiting(1000, never, want{topic: "none"}, want{topic: "a", offset: 99}), waiting(1, never),
			waiting(1000, 50, want{topic: "none"}, want{topic: "e"}), waiting(1000, never, want{topic: "none"}),
			fetching(func(req *kmsg.FetchRequest) { req.MinBytes, req.MaxWaitMillis, req.MaxBytes = 1000, never, 50 }, want{topic: "a"}),
		}},
		{name: "fetch/segments", key: key, from: firstFetch, to: 17, only: "3.9.2", setup: func(t *talk) {
			topics(topic("a", 1, "segment.bytes", "150"))(t)
			for range 4 {
				t.write(produce(t.n("a"), 0, -1, -1, 1000, 1100))
			}
		}, steps: []goldenStep{fetching(nil, want{topic: "a"}), fetching(nil, want{topic: "a", offset: 1}), fetching(nil, want{topic: "a", offset: 2}), fetching(nil, want{topic: "a", offset: 7}), fetching(nil, want{topic: "a", offset: 8}),
			waiting(1000, never, want{topic: "a"}), waiting(1000, never, want{topic: "a", offset: 3}), waiting(1000, 50, want{topic: "a", offset: 7})}},
	}
}
