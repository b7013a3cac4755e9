package server_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol/batch"
)

// recompressCases are about compression.type: what is kept of a batch that the
// broker packs anew. 4.4.0 is not asked: what it adds to Produce is about topics' names.
func recompressCases() []goldenCase {
	return slices.Concat(recompressKeepsCases(), recompressOddCases(), recompressRefusalCases())
}

const lastOf392 = 11

// compressionTypes are what a topic may be stored in, and of some a level.
var compressionTypes = [][]string{
	{"compression.type", "producer"}, {"compression.type", "uncompressed"}, {"compression.type", "gzip", "compression.gzip.level", "1"}, {"compression.type", "snappy"},
	{"compression.type", "lz4", "compression.lz4.level", "17"}, {"compression.type", "zstd", "compression.zstd.level", "-5"},
}

// inEachType makes a topic of each type, named by it, with more configuration.
func inEachType(more ...string) func(t *talk) {
	var specs []topicSpec
	for _, c := range compressionTypes {
		specs = append(specs, topic(c[1], 1, slices.Concat(c, more)...))
	}
	return topics(specs...)
}

// eachType sends the same to each of these topics and reads what became of it.
func eachType(records func(version int16) []byte) []goldenStep {
	var steps []goldenStep
	for _, c := range compressionTypes {
		steps = append(steps, step(func(t *talk) kmsg.Request { return send(t, -1, sent{c[1], 0, records(t.version)}) }))
	}
	return append(steps, eachStored()...)
}

func eachStored() []goldenStep {
	var steps []goldenStep
	for _, c := range compressionTypes {
		s := stored(c[1])
		s.unpacked = true
		steps = append(steps, s)
	}
	return steps
}

// unpackedText tells the batches of a Fetch answer and their records, without how
// large a batch is, which depends on who packed it.
func unpackedText(b []byte) any {
	lines := []any{}
	for one, err := range batch.Batches(b) {
		if err != nil {
			return append(lines, cutShort+err.Error())
		}
		h, err := batch.ParseHeader(one)
		if err != nil || batch.CheckCRC(one) != nil {
			return append(lines, "a bad batch")
		}
		lines = append(lines, fmt.Sprintf("%d-%d epoch %d %v attributes %#x records %d times %s-%s producer %d/%d/%d", h.BaseOffset, h.LastOffset(), h.PartitionLeaderEpoch,
			h.Codec(), h.Attributes, h.Count, timeText(h.BaseTimestamp), timeText(h.MaxTimestamp), h.ProducerID, h.ProducerEpoch, h.BaseSequence))
		for r, err := range batch.Records(one, 0) {
			if err != nil {
				return append(lines, err.Error())
			}
			line := fmt.Sprintf("  %d attributes %d time %s (%d) key %s value %s", r.Offset, r.Attributes, timeText(r.Timestamp), r.TimestampDelta, nullText(r.Key), nullText(r.Value))
			for _, header := range r.Headers {
				line += fmt.Sprintf(" %s=%s", header.Key, nullText(header.Value))
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// full is a batch with records of every kind.
func full(codec batch.Codec, change func(b *batch.Builder)) []byte {
	return made(func(b *batch.Builder) {
		b.Codec = codec
		if change != nil {
			change(b)
		}
		b.Add(1002, []byte("with headers"), []byte("v"), batch.RecordHeader{Key: "h", Value: []byte("w")}, batch.RecordHeader{Key: ""}, batch.RecordHeader{Key: "h", Value: []byte{}})
		b.Add(-1, nil, nil)
		b.Add(1004, []byte{}, []byte{})
	}, 1000, 999)
}

func recompressKeepsCases() []goldenCase {
	const key = kmsg.Produce
	always := func(records []byte) func(int16) []byte { return func(int16) []byte { return records } }
	idempotent := func(sequence int32, codec batch.Codec) []byte {
		return full(codec, func(b *batch.Builder) { b.ProducerID, b.ProducerEpoch, b.BaseSequence = 4_700_001, 3, sequence })
	}
	var cases []goldenCase
	for _, codec := range batch.Codecs() {
		from := int16(firstProduce)
		if codec == batch.Zstd {
			from = 7
		}
		cases = append(cases, goldenCase{name: "recompress/from_" + codec.String(), key: key, from: from, to: from, setup: inEachType(), steps: eachType(always(full(codec, nil)))})
	}
	return append(cases,
		goldenCase{name: "recompress/zstd_too_early", key: key, from: firstProduce, to: 7, setup: inEachType(), steps: eachType(always(full(batch.Zstd, nil)))},
		goldenCase{name: "recompress/log_append_time", key: key, from: firstProduce, to: firstProduce, setup: inEachType("message.timestamp.type", "LogAppendTime"), steps: eachType(always(full(batch.Gzip, nil)))},
		goldenCase{name: "recompress/idempotent", key: key, from: lastOf392, to: lastOf392, setup: inEachType(), steps: slices.Concat(eachType(always(idempotent(0, batch.LZ4))),
			eachType(always(idempotent(0, batch.LZ4))), eachType(always(idempotent(5, batch.Gzip))), eachType(always(idempotent(0, batch.None))), eachType(always(idempotent(7, batch.Gzip))))},
		goldenCase{name: "recompress/compacted", key: key, from: lastOf392, to: lastOf392, setup: inEachType("cleanup.policy", "compact"), steps: eachType(always(full(batch.Snappy, nil)))},
		goldenCase{name: "recompress/old", key: key, to: lastSet, setup: inEachType(), steps: slices.Concat(
			eachType(func(version int16) []byte { return oldSet(version, batch.None, 1000, "k", 900, nil, 1200, "l") }),
			eachType(func(version int16) []byte { return oldSet(version, batch.Gzip, 1000, "k", 900, nil, 1200, "l") }),
			eachType(always(full(batch.LZ4, nil))))},
	)
}

// recompressOddCases: what is unusual in a batch and kept where the codec is.
func recompressOddCases() []goldenCase {
	const key = kmsg.Produce
	const attributesAt, baseTimeAt, maxTimeAt, firstRecord = 21, 27, 35, 61
	attributes := func(bits uint16) []byte {
		return bent(func(b []byte) { binary.BigEndian.PutUint16(b[attributesAt:], bits) })
	}
	var steps []goldenStep
	for _, odd := range [][]byte{
		attributes(0x08), attributes(0x40), attributes(0x80), attributes(0x7f80),
		bent(func(b []byte) { b[firstRecord+1] = 0x33 }), // a record's attributes
		bent(func(b []byte) { b[firstRecord+2] = 20 }),   // the first one's timestamp, 10 after the base
		bent(func(b []byte) { binary.BigEndian.PutUint64(b[baseTimeAt:], 2000) }),
		bent(func(b []byte) { binary.BigEndian.PutUint64(b[maxTimeAt:], 77) }),
		bent(func(b []byte) { b[firstRecord+4], b[firstRecord+5] = 9, 4 }), // a null key by another negative length
		made(nil, -1), made(nil, -1, 1000), made(nil, 1000, -1),
	} {
		steps = append(steps, eachType(func(int16) []byte { return odd })...)
	}
	return []goldenCase{
		{name: "recompress/odd", key: key, explains: true, from: lastOf392, to: lastOf392, setup: inEachType(), steps: steps},
		{name: "recompress/negative_timestamp", key: key, from: lastOf392, to: lastOf392, klamm: "the reference says UNKNOWN_SERVER_ERROR of a record of before 1970 that it has to write anew", setup: inEachType(),
			steps: slices.Concat(eachType(func(int16) []byte { return made(nil, -5) }), eachType(func(int16) []byte { return made(nil, 1000, -5) }))},
	}
}

func recompressRefusalCases() []goldenCase {
	const key = kmsg.Produce
	zeros := func(codec batch.Codec, n int) func(int16) []byte {
		return func(int16) []byte {
			b := batch.NewBuilder(codec)
			b.Add(1000, nil, make([]byte, n))
			raw, err := b.Build()
			if err != nil {
				panic(err)
			}
			return raw
		}
	}
	nothing := []goldenStep{sending(sent{"a", 0, small()}), sending(sent{"a", 0, made(func(b *batch.Builder) { b.Codec = batch.Gzip }, 1000)}), ends("a")}
	return []goldenCase{
		// 50,000 zeros are 50 bytes or so in zstd and some hundreds in snappy and lz4.
		{name: "recompress/too_large", key: key, explains: true, from: 7, to: lastOf392, setup: inEachType("max.message.bytes", "5000"), steps: slices.Concat(eachType(zeros(batch.Zstd, 50_000)), eachType(zeros(batch.None, 50_000)))},
		{name: "recompress/too_large_for_its_segment", key: key, explains: true, from: 7, to: 7, setup: inEachType("segment.bytes", "5000"), steps: eachType(zeros(batch.Zstd, 50_000))},
		{name: "produce/nothing_allowed", key: key, explains: true, from: firstProduce, to: lastOf392, setup: topics(topic("a", 1, "max.message.bytes", "0")), steps: nothing},
		{name: "old_produce/nothing_allowed", key: key, to: lastSet, setup: topics(topic("a", 1, "max.message.bytes", "0")), steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				return send(t, -1, sent{"a", 0, oldSet(t.version, batch.None, 1000, "k")})
			}), ends("a"),
		}},
	}
}
