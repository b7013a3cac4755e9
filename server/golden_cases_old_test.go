package server_test

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol/batch"
)

// oldCases are about what only clients from before batches of magic 2 send.
func oldCases() []goldenCase {
	return slices.Concat(oldProduceCases(), oldFetchCases(), oldListOffsetsCases())
}

// oldText tells the messages of a Fetch answer, one a line, without what is cut
// short at its end. Packed messages are told by what is inside.
func oldText(b []byte) any {
	lines := []any{}
	for batch.IsMessageSet(b) {
		size, _, err := batch.Bounds(b)
		if err != nil || size > len(b) {
			break
		}
		for r, err := range batch.Messages(b[:size], 0) {
			if err != nil {
				return append(lines, err.Error())
			}
			lines = append(lines, fmt.Sprintf("%d magic %d attributes %d time %s key %s value %s", r.Offset, b[16], b[17], timeText(r.Timestamp), nullText(r.Key), nullText(r.Value)))
		}
		b = b[size:]
	}
	return lines
}

func nullText(b []byte) string {
	if b == nil {
		return "null"
	}
	if n := len(b); n >= 1000 && bytes.Count(b, b[:1]) == n {
		return fmt.Sprintf("%d times %q", n, b[:1]) // golden files stay small
	}
	return fmt.Sprintf("%q", b)
}

// oldSet makes a message set in the magic of a version of Produce: pairs of a
// timestamp and a key, nil for none.
func oldSet(version int16, codec batch.Codec, messages ...any) []byte {
	b := batch.NewBuilder(codec)
	for i := 0; i+1 < len(messages); i += 2 {
		var key []byte
		if s, ok := messages[i+1].(string); ok {
			key = []byte(s)
		}
		b.Add(int64(messages[i].(int)), key, []byte("v"))
	}
	raw, err := b.Build()
	if err != nil {
		panic(err)
	}
	d := batch.Downconversion{}
	if version == 2 {
		d.Magic = 1
	}
	set, err := d.Append(nil, raw)
	if err != nil {
		panic(err)
	}
	return set
}

// lastSet is the last version of Produce that takes messages.
const lastSet = firstProduce - 1

func oldProduceCases() []goldenCase {
	const key = kmsg.Produce
	set := func(topic string, codec batch.Codec, messages ...any) goldenStep {
		return step(func(t *talk) kmsg.Request {
			return send(t, -1, sent{topic, 0, oldSet(t.version, codec, messages...)})
		})
	}
	raw := func(topic string, make func(version int16) []byte) goldenStep {
		return step(func(t *talk) kmsg.Request { return send(t, -1, sent{topic, 0, make(t.version)}) })
	}
	bent := func(at int, by byte) func(version int16) []byte {
		return func(version int16) []byte {
			b := oldSet(version, batch.None, 1000, "k")
			b[at] += by
			return b
		}
	}
	twice := func(codec batch.Codec) func(version int16) []byte {
		return func(version int16) []byte {
			return slices.Concat(oldSet(version, codec, 1000, "k"), oldSet(version, codec, 1000, "k"))
		}
	}
	setup := topics(topic("a", 3), topic("small", 1, "max.message.bytes", "100"), topic("compacted", 1, "cleanup.policy", "compact"), topic("stamped", 1, "message.timestamp.type", "LogAppendTime"))
	return []goldenCase{
		{name: "old_produce/stored", key: key, to: lastSet, setup: setup, steps: []goldenStep{
			set("a", batch.None, 1000, "k"), set("a", batch.None, 1000, "k", 900, nil, 1200, "l"), stored("a"),
			set("a", batch.Gzip, 1000, "k", 900, nil), set("a", batch.Snappy, 1000, "k", 900, nil), set("a", batch.LZ4, 1000, "k", 900, nil), ends("a"),
			set("stamped", batch.None, 1000, "k", 900, nil), set("stamped", batch.Gzip, 1000, "k"), ends("stamped"),
			set("compacted", batch.None, 1000, "k"), set("compacted", batch.Gzip, 1000, "k"), ends("compacted"),
		}},
		{name: "old_produce/refused", key: key, to: lastSet, klamm: "a set that ends within a message is refused (CORRUPT_MESSAGE); the reference drops that message and acknowledges the rest, or nothing at all", setup: setup, steps: []goldenStep{
			set("none", batch.None, 1000, "k"), set("compacted", batch.None, 1000, "k", 1000, nil), set("compacted", batch.Gzip, 1000, "k", 1000, nil), ends("compacted"),
			set("small", batch.None, 1000, string(make([]byte, 200))), set("small", batch.Gzip, 1000, string(make([]byte, 2000))), ends("small"),
			set("small", batch.None, 1000, "k", 1000, "k", 1000, "k", 1000, "k", 1000, "k", 1000, "k", 1000, "k"), ends("small"),
			raw("a", bent(12, 1)), raw("a", bent(16, 5)), raw("a", bent(10, 0x80)), raw("a", bent(11, 0xf0)), raw("a", twice(batch.Gzip)), ends("a"),
			raw("a", twice(batch.None)), ends("a"),
			step(func(t *talk) kmsg.Request {
				return send(t, 2, sent{"a", 0, oldSet(t.version, batch.None, 1000, "k")})
			}), ends("a"),
		}},
		{name: "old_produce/several", key: key, to: lastSet, setup: setup, steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				good := oldSet(t.version, batch.None, 1000, "k")
				return send(t, 1, sent{"a", 0, good}, sent{"a", 1, []byte{}}, sent{"a", 9, good}, sent{"compacted", 0, oldSet(t.version, batch.None, 1000, nil)}, sent{"stamped", 0, good})
			}), ends("a"), ends("compacted"), ends("stamped"),
		}},
		{name: "old_produce/batch", key: key, to: lastSet, setup: setup, steps: []goldenStep{
			raw("a", func(int16) []byte { return small() }), raw("a", func(int16) []byte { return slices.Concat(small(), small()) }), stored("a"),
		}},
	}
}

func oldFetchCases() []goldenCase {
	const key = kmsg.Fetch
	const last = firstFetch - 1
	batches := func(t *talk) {
		topics(topic("a", 2), topic("stamped", 1, "message.timestamp.type", "LogAppendTime"), topic("refusing", 1, "message.downconversion.enable", "false"),
			topic("zstd", 1, "compression.type", "zstd"), topic("mixed", 1))(t)
		write := func(topic string, raw []byte) { t.write(send(t, -1, sent{topic, 0, raw})) }
		header := func(b *batch.Builder) {
			b.Add(900, nil, []byte("with a header"), batch.RecordHeader{Key: "h", Value: []byte("v")})
		}
		write("a", made(header, 1000, 1100))
		write("a", made(func(b *batch.Builder) { b.Codec = batch.Gzip; header(b) }, 1200, 1300))
		write("a", made(func(b *batch.Builder) { b.Codec = batch.LZ4 }, 1400))
		write("a", made(func(b *batch.Builder) { b.Codec = batch.Snappy }, 1500, -1))
		for _, topic := range []string{"stamped", "refusing", "zstd", "mixed"} {
			write(topic, made(nil, 1000, 1100))
		}
		write("stamped", made(func(b *batch.Builder) { b.Codec = batch.Gzip }, 1000, 1100))
		write("mixed", made(func(b *batch.Builder) { b.Codec = batch.Zstd }, 1200))
		write("mixed", made(nil, 1300))
	}
	at := func(offset int64) goldenStep { return fetching(nil, want{topic: "a", offset: offset}) }
	most := func(bytes int32) goldenStep {
		return fetching(nil, want{topic: "a", change: func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = bytes }})
	}
	return []goldenCase{
		{name: "old_fetch/offsets", key: key, to: last, setup: batches, steps: []goldenStep{at(0), at(1), at(2), at(3), at(5), at(6), at(8), at(9), at(10), at(-1)}},
		{name: "old_fetch/topics", key: key, to: last, setup: batches, steps: []goldenStep{
			fetching(nil, want{topic: "stamped"}), fetching(nil, want{topic: "stamped", offset: 1}), fetching(nil, want{topic: "refusing"}), fetching(nil, want{topic: "refusing", offset: 9}),
			fetching(nil, want{topic: "refusing", partition: 1}), fetching(nil, want{topic: "zstd"}), fetching(nil, want{topic: "mixed"}), fetching(nil, want{topic: "mixed", offset: 2}), fetching(nil, want{topic: "mixed", offset: 3}),
			fetching(nil, want{topic: "none"}), fetching(nil, want{topic: "a", partition: 1}), fetching(nil, want{topic: "a"}, want{topic: "mixed", offset: 2}, want{topic: "none"}, want{topic: "stamped", offset: 2}),
		}},
		{name: "old_fetch/limits", key: key, to: last, setup: batches, steps: []goldenStep{most(0), most(20), most(100), fetching(nil),
			fetching(func(req *kmsg.FetchRequest) { req.MaxBytes = 1 }, want{topic: "a"}, want{topic: "stamped"})}},
		{name: "zstd_fetch/topic", key: key, from: firstFetch, to: 17, setup: batches, steps: []goldenStep{fetching(nil, want{topic: "zstd", offset: 9}), fetching(nil, want{topic: "zstd", offset: 2}), fetching(nil, want{topic: "refusing", offset: 2})}},
	}
}

func oldListOffsetsCases() []goldenCase {
	const key = kmsg.ListOffsets
	segmented := func(t *talk) {
		topics(topic("a", 1, "segment.bytes", "100"), topic("e", 1))(t)
		for range 4 {
			t.write(produce(t.n("a"), 0, -1, -1, 1000, 1100))
		}
	}
	ask := func(topic string, timestamp int64, most int32) goldenStep {
		return goldenStep{ordered: true, req: func(t *talk) kmsg.Request {
			req := listOffsets(t.n(topic), 0, timestamp)
			req.Topics[0].Partitions[0].MaxNumOffsets = most
			return req
		}}
	}
	const never = 9_000_000_000_000
	return []goldenCase{
		{name: "old_list_offsets/segments", key: key, lowest: true, only: "3.9.2", setup: segmented, steps: []goldenStep{
			ask("a", -1, 1), ask("a", -1, 3), ask("a", -1, 100), ask("a", -1, 0), ask("a", -2, 1), ask("a", -2, 5), ask("a", 0, 5), ask("a", 1000, 5), ask("a", never, 1), ask("a", never, 3),
			ask("e", -1, 5), ask("e", -2, 5), ask("e", 0, 5), ask("e", never, 5),
		}},
		{name: "old_list_offsets/refused", key: key, lowest: true, only: "3.9.2", setup: segmented, steps: []goldenStep{
			ask("a", -3, 1), ask("a", -4, 1), ask("none", -1, 1),
			step(func(t *talk) kmsg.Request {
				req := listOffsets(t.n("a"), 0, -1)
				req.Topics[0].Partitions[0].MaxNumOffsets = 2
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
				return req
			}),
			step(func(t *talk) kmsg.Request {
				req := listOffsets(t.n("a"), 0, -1)
				req.ReplicaID = 0
				req.Topics[0].Partitions[0].MaxNumOffsets = 2
				return req
			}),
		}},
		{name: "old_list_offsets/after_delete_records", key: key, lowest: true, only: "3.9.2", setup: func(t *talk) {
			written(t)
			t.do(deleteRecords(t.n("a"), 0, 5))
		}, steps: []goldenStep{ask("a", -1, 9), ask("a", -2, 9), ask("a", never, 9)}},
	}
}
