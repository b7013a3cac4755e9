package server_test

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol/batch"
)

func produceCases() []goldenCase {
	return slices.Concat(producePartitionsCases(), produceFormCases(), produceRuleCases(), produceIdempotentCases(), produceTransactionCases())
}

// firstProduce is the first version of Produce that takes batches of magic 2.
const firstProduce = 3

// sending is a step that produces with acks=all.
func sending(parts ...sent) goldenStep { return sendingWith(-1, parts...) }

func sendingWith(acks int16, parts ...sent) goldenStep {
	return step(func(t *talk) kmsg.Request { return send(t, acks, parts...) })
}

// ends asks how much of a topic's partition 0 is there.
func ends(topic string) goldenStep {
	return step(func(t *talk) kmsg.Request { return listOffsets(t.n(topic), 0, -1) })
}

// stored reads what partition 0 of a topic holds.
func stored(topic string) goldenStep {
	return goldenStep{ordered: true, req: func(t *talk) kmsg.Request { return fetchOf(t, want{topic: topic}) }}
}

func small() []byte { return made(nil, 1000) }

func producePartitionsCases() []goldenCase {
	const key = kmsg.Produce
	setup := topics(topic("a", 3), topic("b", 1))
	without := func(change func(req *kmsg.ProduceRequest), parts ...sent) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := send(t, -1, parts...)
			change(req)
			return req
		})
	}
	noPartitions := func(i int) func(req *kmsg.ProduceRequest) {
		return func(req *kmsg.ProduceRequest) { req.Topics[i].Partitions = nil }
	}
	quiet := func(parts ...sent) goldenStep {
		s := sendingWith(0, parts...)
		s.quiet = true
		return s
	}
	return []goldenCase{
		{name: "produce/stored", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			sending(sent{"a", 0, small()}), sendingWith(1, sent{"a", 0, made(nil, 1000, 1001)}),
			sending(sent{"a", 2, small()}, sent{"a", 1, small()}, sent{"b", 0, small()}), stored("a"),
		}},
		{name: "produce/unknown", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			sending(sent{"none", 0, small()}), sending(sent{"a", 3, small()}), sending(sent{"a", -1, small()}), sending(sent{"bad name", 0, small()}),
			sending(sent{"none", 0, small()}, sent{"a", 7, small()}, sent{"a", 0, small()}, sent{"b", 1, small()}, sent{"b", 0, small()}),
			ends("a"), ends("b"),
		}},
		{name: "produce/named_twice", key: key, from: firstProduce, klamm: "of a partition that is named twice the reference drops the first batch and answers once; klamm stores both and answers each", setup: setup, steps: []goldenStep{
			sending(sent{"a", 0, small()}, sent{"a", 0, made(nil, 1000, 1001)}), ends("a"),
			sending(sent{"a", 0, small()}, sent{"b", 0, small()}, sent{"a", 1, small()}), ends("a"),
			sending(sent{"none", 0, small()}, sent{"none", 0, small()}),
		}},
		{name: "produce/without_partitions", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			without(noPartitions(0), sent{"a", 0, small()}),
			without(noPartitions(0), sent{"a", 0, small()}, sent{"b", 0, small()}),
			without(noPartitions(1), sent{"a", 0, small()}, sent{"b", 0, small()}),
			without(noPartitions(0), sent{"none", 0, small()}),
			sending(),
		}},
		{name: "produce/acks", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			sendingWith(2, sent{"a", 0, small()}, sent{"none", 0, small()}), sendingWith(-2, sent{"a", 0, small()}), sendingWith(math.MaxInt16, sent{"a", 0, small()}), ends("a"),
		}},
		{name: "produce/acks_0", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			quiet(sent{"a", 0, small()}), ends("a"), quiet(sent{"a", 0, small()}), quiet(sent{"a", 1, small()}, sent{"b", 0, small()}), ends("b"), ends("a"),
		}},
		{name: "produce/acks_0_refused", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			quiet(sent{"a", 0, small()}, sent{"none", 0, small()}), ends("a"), ends("a"),
			quiet(sent{"a", 0, bent(func(raw []byte) { raw[60] = 9 })}), ends("a"), ends("a"),
		}},
	}
}

func produceFormCases() []goldenCase {
	const key = kmsg.Produce
	setup := func(t *talk) {
		topics(topic("a", 1))(t)
		t.write(produce(t.n("a"), 0, -1, -1, 1000))
		t.write(produce(t.n("a"), 0, -1, -1, 1000))
		t.do(deleteRecords(t.n("a"), 0, 1)) // so that a log start offset shows
	}
	each := func(all ...[]byte) []goldenStep {
		var steps []goldenStep
		for _, records := range all {
			steps = append(steps, sending(sent{"a", 0, records}))
		}
		return append(steps, stored("a"))
	}
	raw := func(change func(raw []byte)) []byte { // the CRC as it was
		b := made(nil, 1000, 1001, 1002)
		change(b)
		return b
	}
	number := func(at int, n uint32) []byte {
		return bent(func(raw []byte) { binary.BigEndian.PutUint32(raw[at:], n) })
	}
	codec := func(c batch.Codec) []byte { return made(func(b *batch.Builder) { b.Codec = c }, 1000, 1001) }
	const lengthAt, magicAt, crcAt, attributesAt, lastDeltaAt, countAt, firstRecord = 8, 16, 17, 22, 23, 57, 61
	return []goldenCase{
		{name: "produce/form", key: key, explains: true, from: firstProduce, setup: setup, steps: each(
			[]byte{}, small()[:30], small()[:70], slices.Concat(small(), small()),
			raw(func(b []byte) { b[magicAt] = 0 }), raw(func(b []byte) { b[magicAt] = 1 }), raw(func(b []byte) { b[magicAt] = 3 }),
			raw(func(b []byte) { b[crcAt]++ }), raw(func(b []byte) { binary.BigEndian.PutUint32(b[lengthAt:], 5) }), raw(func(b []byte) { binary.BigEndian.PutUint32(b[lengthAt:], 20) }),
			raw(func(b []byte) { b[7] = 1 }),
		)},
		{name: "produce/counts", key: key, explains: true, from: firstProduce, setup: setup, steps: each(
			number(countAt, 0), number(countAt, 2), number(countAt, 4), number(countAt, 0xffffffff), number(lastDeltaAt, 1), number(lastDeltaAt, 5), number(lastDeltaAt, 0xffffffff),
			bent(func(b []byte) { b[attributesAt] |= 0x20 }), bent(func(b []byte) { b[attributesAt] |= 0x08 }),
		)},
		{name: "produce/codecs", key: key, from: firstProduce, setup: setup, steps: each(codec(batch.None), codec(batch.Gzip), codec(batch.Snappy), codec(batch.LZ4), codec(batch.Zstd))},
		{name: "produce/stricter", key: key, explains: true, from: firstProduce, klamm: "the reference says UNKNOWN_SERVER_ERROR of what it cannot expand, stores offset deltas that lie and drops bytes behind a batch", setup: setup, steps: each(
			bent(func(b []byte) { b[attributesAt] = 5 }), bent(func(b []byte) { b[attributesAt] = 1 }), append(small(), 0, 0, 0, 0, 0), bent(func(b []byte) { b[firstRecord+3] = 10 }),
		)},
	}
}

func produceRuleCases() []goldenCase {
	const key = kmsg.Produce
	now := func(offsets ...int64) goldenStep {
		return step(func(t *talk) kmsg.Request {
			var times []int64
			for _, o := range offsets {
				times = append(times, time.Now().UnixMilli()+o)
			}
			return send(t, -1, sent{"a", 0, made(nil, times...)})
		})
	}
	noKey := func(keys ...string) []byte {
		b := batch.NewBuilder(batch.None)
		for _, k := range keys {
			if k == "" {
				b.Add(1000, nil, []byte("v"))
				continue
			}
			b.Add(1000, []byte(k), nil)
		}
		raw, _ := b.Build()
		return raw
	}
	large := func(n int) []byte {
		b := batch.NewBuilder(batch.None)
		b.Add(1000, nil, make([]byte, n))
		raw, _ := b.Build()
		return raw
	}
	const hour = 3_600_000
	const past = 2_000_000_000_000 // a difference to now that is always in the past
	deleted := func(name string, configs ...string) func(t *talk) {
		return func(t *talk) {
			topics(topic(name, 1, configs...))(t)
			t.write(send(t, -1, sent{name, 0, noKey("k", "l")}))
			t.do(deleteRecords(t.n(name), 0, 1))
		}
	}
	return []goldenCase{
		{name: "produce/too_large", key: key, explains: true, from: firstProduce, setup: topics(topic("a", 1, "max.message.bytes", "200")), steps: []goldenStep{
			sending(sent{"a", 0, large(131)}), sending(sent{"a", 0, large(100)}), sending(sent{"a", 0, large(500)}), sending(sent{"a", 0, bent(func(b []byte) { copy(b[17:], large(500)) })}), ends("a"),
		}},
		{name: "produce/timestamps", key: key, from: firstProduce, setup: topics(topic("a", 1, "message.timestamp.before.max.ms", "3600000", "message.timestamp.after.max.ms", "3600000")), steps: []goldenStep{
			now(0, -hour/2, hour/2), now(-2 * hour), now(2 * hour), now(0, -2*hour, 0, 2*hour), now(-past), sending(sent{"a", 0, made(nil, -1)}), sending(sent{"a", 0, made(nil, 0)}), ends("a"), stored("a"),
		}},
		{name: "produce/no_timestamp", key: key, from: firstProduce, setup: topics(topic("a", 1)), steps: []goldenStep{
			sending(sent{"a", 0, made(nil, -1)}), sending(sent{"a", 0, made(nil, 0)}), sending(sent{"a", 0, made(nil, 1000, -1)}), sending(sent{"a", 0, made(nil, -5)}), stored("a"),
			sending(sent{"a", 0, bent(func(b []byte) { binary.BigEndian.PutUint64(b[35:], 77) })}), stored("a"),
		}},
		{name: "produce/log_append_time", key: key, from: firstProduce, setup: topics(topic("a", 1, "message.timestamp.type", "LogAppendTime"), topic("b", 1)), steps: []goldenStep{
			sending(sent{"a", 0, made(nil, 1000, 1002, 1001)}), sending(sent{"a", 0, sequenced(4_100_001, 0, 0, 2)}), sending(sent{"a", 0, sequenced(4_100_001, 0, 0, 2)}),
			sending(sent{"a", 0, made(func(b *batch.Builder) { b.LogAppendTime = true }, 1000)}), stored("a"),
			sending(sent{"b", 0, sequenced(4_100_001, 0, 0, 2)}), sending(sent{"b", 0, sequenced(4_100_001, 0, 0, 2)}),
		}},
		{name: "produce/compacted", key: key, from: firstProduce, setup: deleted("a", "cleanup.policy", "compact,delete"), steps: []goldenStep{
			sending(sent{"a", 0, noKey("k", "l")}), sending(sent{"a", 0, noKey("")}), sending(sent{"a", 0, noKey("k", "", "l", "")}), ends("a"),
			sending(sent{"a", 0, made(func(b *batch.Builder) { b.Codec = batch.Gzip }, 1000)}), stored("a"),
		}},
	}
}

func produceIdempotentCases() []goldenCase {
	const key = kmsg.Produce
	setup := topics(topic("a", 1), topic("e", 1), topic("f", 1))
	from := func(producer int64, epoch int16, sequence int32, n int) goldenStep {
		return sending(sent{"a", 0, sequenced(producer, epoch, sequence, n)})
	}
	many := func(steps ...[]goldenStep) []goldenStep { return slices.Concat(steps...) }
	var inOrder, again []goldenStep
	for i := range int32(7) {
		inOrder = append(inOrder, from(4_200_001, 0, 2*i, 2))
		again = append(again, from(4_200_001, 0, 2*i, 2))
	}
	return []goldenCase{
		{name: "produce/duplicates", key: key, from: firstProduce, setup: setup, steps: many(inOrder, again,
			[]goldenStep{from(4_200_001, 0, 12, 1), from(4_200_001, 0, 13, 1), from(4_200_001, 0, 10, 4), from(4_200_001, 0, 15, 1), from(4_200_001, 0, 14, 1), ends("a")})},
		{name: "produce/epochs", key: key, explains: true, from: firstProduce, setup: setup, steps: []goldenStep{
			from(4_300_001, 3, 0, 2), from(4_300_001, 2, 2, 1), from(4_300_001, 2, 0, 2), from(4_300_001, 4, 2, 1), from(4_300_001, 4, 0, 1), from(4_300_001, 3, 0, 2), from(4_300_001, 4, 0, 1), from(4_300_001, 4, 1, 1),
			from(4_300_001, -1, 2, 1), from(4_300_001, -5, 2, 1), from(4_300_001, 4, -1, 1), from(4_300_001, 4, -2, 1), from(-1, 0, 0, 1), from(-2, 0, 0, 1), from(-1, -1, 5, 1), ends("a"), stored("a"),
		}},
		{name: "produce/unknown_producer", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			sending(sent{"e", 0, sequenced(4_400_001, 0, 5, 1)}), sending(sent{"e", 0, sequenced(4_400_001, 0, 6, 1)}), sending(sent{"e", 0, sequenced(4_400_002, 7, 5, 1)}),
			sending(sent{"f", 0, sequenced(4_400_001, 0, 0, 3)}), step(func(t *talk) kmsg.Request { return deleteRecords(t.n("f"), 0, -1) }), sending(sent{"f", 0, sequenced(4_400_001, 0, 3, 1)}), sending(sent{"f", 0, sequenced(4_400_001, 0, 9, 1)}), sending(sent{"f", 0, sequenced(4_400_003, 0, 9, 1)}), stored("f"),
		}},
		{name: "produce/sequence_wraps", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			from(4_500_001, 0, math.MaxInt32-1, 1), from(4_500_001, 0, math.MaxInt32, 3), from(4_500_001, 0, math.MaxInt32, 3), from(4_500_001, 0, 2, 1), from(4_500_001, 0, 0, 1), from(4_500_001, 0, math.MaxInt32, 1),
			from(4_500_002, 0, math.MaxInt32, 1), from(4_500_002, 0, 0, 1), from(4_500_002, 0, math.MaxInt32, 1), ends("a"),
		}},
	}
}

func produceTransactionCases() []goldenCase {
	const key = kmsg.Produce
	transactional := func(control bool) []byte {
		return made(func(b *batch.Builder) {
			b.Transactional, b.Control, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, control, 4_600_001, 0, 0
		}, 1000)
	}
	setup := topics(topic("a", 1), topic("b", 1))
	return []goldenCase{
		{name: "produce/transactional_without_id", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			sending(sent{"a", 0, transactional(false)}), sending(sent{"a", 0, small()}, sent{"b", 0, transactional(false)}, sent{"none", 0, small()}), sending(sent{"a", 0, transactional(true)}), ends("a"),
		}},
		{name: "produce/plain_with_transactional_id", key: key, from: firstProduce, setup: setup, steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				req := send(t, -1, sent{"a", 0, small()}, sent{"b", 0, sequenced(4_600_002, 0, 0, 1)})
				req.TransactionID = ptr("txn")
				return req
			}),
		}},
	}
}
