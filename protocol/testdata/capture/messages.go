package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// entry is one message of magic 0 or 1 that is not what its fields say.
type entry struct {
	offset     int64
	magic      int8
	attributes byte
	timestamp  int64
	key, value []byte // nil for nulls
}

// bytes gives the entry with its size and its CRC.
func (e entry) bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(e.offset))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, byte(e.magic), e.attributes)
	if e.magic > 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(e.timestamp))
	}
	for _, f := range [][]byte{e.key, e.value} {
		if f == nil {
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return resum(b)
}

// resum gives an entry the size and the CRC of its bytes.
func resum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

func word(s string) []byte { return []byte(s) }

// four are messages with every kind of null and empty; relative counts their
// offsets from 0 and not from 7.
func four(magic int8, relative bool) []entry {
	all := []entry{
		{timestamp: at + 5, key: word("k1"), value: word("v1")},
		{timestamp: at, key: nil, value: word("no key")},
		{timestamp: at + 9, key: word("tombstone"), value: nil},
		{timestamp: at + 2, key: []byte{}, value: []byte{}},
	}
	for i := range all {
		all[i].magic = magic
		all[i].offset = int64(i)
		if !relative {
			all[i].offset += 7
		}
	}
	return all
}

func joined(all []entry) (b []byte) {
	for _, e := range all {
		b = append(b, e.bytes()...)
	}
	return b
}

// pair is a set of two messages as a client sends it.
func pair(magic int8) []byte { return joined(four(magic, true)[:2]) }

// Codecs of old.
const (
	gzipped = 1
	snapped = 2
	lz4ed   = 3
)

func packedBy(codec byte, magic int8, inside []byte) []byte {
	var w bytes.Buffer
	switch codec {
	case gzipped:
		z := gzip.NewWriter(&w)
		_, err := z.Write(inside)
		must(err)
		must(z.Close())
	case snapped:
		return snappy.Encode(nil, inside)
	case lz4ed:
		z := lz4.NewWriter(&w)
		must(z.Apply(lz4.ChecksumOption(false)))
		_, err := z.Write(inside)
		must(err)
		must(z.Close())
		if magic == 0 { // as clients did it then: over the magic number too
			w.Bytes()[6] = byte(xxhash32(w.Bytes()[:6]) >> 8)
		}
	}
	return w.Bytes()
}

// framedSnappy is what Java clients write.
func framedSnappy(inside []byte) []byte {
	b := append([]byte("\x82SNAPPY\x00"), 0, 0, 0, 1, 0, 0, 0, 1)
	for part := range slices.Chunk(inside, 40) {
		block := snappy.Encode(nil, part)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(block))), block...)
	}
	return b
}

// wrapping is a message that holds others.
func wrapping(magic int8, codec byte, value []byte, change func(e *entry)) []byte {
	e := entry{offset: 3, magic: magic, attributes: codec, timestamp: at + 9, value: value}
	if change != nil {
		change(&e)
	}
	return e.bytes()
}

// goodSets are message sets that are stored, by name.
func goodSets() []odd {
	var all []odd
	for magic := range int8(2) {
		name := fmt.Sprint("magic-", magic)
		all = append(all, odd{name + "-plain", joined(four(magic, false))}, odd{name + "-one", four(magic, true)[2].bytes()})
		inside := joined(four(magic, magic == 1))
		for _, codec := range []byte{gzipped, snapped, lz4ed} {
			all = append(all, odd{name + "-" + []string{"", "gzip", "snappy", "lz4"}[codec], wrapping(magic, codec, packedBy(codec, magic, inside), nil)})
		}
		all = append(all,
			odd{name + "-snappy-framed", wrapping(magic, snapped, framedSnappy(inside), nil)},
			odd{name + "-gzip-offset-0", wrapping(magic, gzipped, packedBy(gzipped, magic, inside), func(e *entry) { e.offset = 0 })},
		)
	}
	stamped := func(e *entry) { e.attributes |= 8 }
	return append(all,
		odd{"magic-0-lz4-right-checksum", wrapping(0, lz4ed, packedBy(lz4ed, 1, joined(four(0, false))), nil)},
		odd{"magic-1-gzip-append-time", wrapping(1, gzipped, packedBy(gzipped, 1, joined(four(1, true))), stamped)},
		odd{"magic-1-gzip-offsets-of-their-own", wrapping(1, gzipped, packedBy(gzipped, 1, joined(four(1, false))), func(e *entry) { e.offset = 20 })},
		odd{"magic-1-no-timestamp", entry{magic: 1, timestamp: -1, value: word("v")}.bytes()},
		odd{"magic-2-batch", built(twoRecords())},
	)
}

// conversions keeps, for each set, the batch that the broker stores for it and
// what it gives for that batch to Fetch 3 and 1.
func (c *capture) conversions() {
	dir := filepath.Join(c.dir, "messages")
	must(os.MkdirAll(dir, 0o755))
	for _, stamped := range []bool{false, true} {
		for _, set := range goodSets() {
			name := set.name
			if stamped {
				name += "-to-append-time"
			}
			r := kmsg.NewPtrCreateTopicsRequest()
			r.Version, r.TimeoutMillis = 5, 5000
			t := newTopic(name)
			t.NumPartitions = 1
			if stamped {
				t.Configs[0].Name, t.Configs[0].Value = "message.timestamp.type", kmsg.StringPtr("LogAppendTime")
			}
			r.Topics = append(r.Topics, t)
			c.ask(r)
			code := c.produceSet(name, set.frame)
			out := fmt.Sprintf("# A message set that is produced (>), the error, and what Fetch 4, 3 and 1 give for it (<).\n%serror %d\n", lines(">", set.frame), code)
			for _, v := range []int16{4, 3, 1} {
				out += fmt.Sprintf("fetch %d\n%s", v, lines("<", c.fetchSet(name, v)))
			}
			must(os.WriteFile(filepath.Join(dir, name+".txt"), []byte(out), 0o644))
		}
	}
}

func (c *capture) produceSet(topic string, set []byte) int16 {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = 2, -1, 5000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = set
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	for range 50 { // until it has a leader
		code := c.ask(r).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
		if code != 3 && code != 6 {
			return code
		}
		time.Sleep(100 * time.Millisecond)
	}
	return -1
}

func (c *capture) fetchSet(topic string, version int16) []byte {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.ReplicaID, r.MaxBytes = version, -1, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 1 << 20
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return c.ask(r).(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
}

// oddMessages asks what becomes of message sets that break a rule, or nearly.
func (c *capture) oddMessages() []odd {
	one := func(change func(e *entry)) []byte {
		e := four(1, true)[0]
		change(&e)
		return e.bytes()
	}
	inside := joined(four(1, true))
	gz := func(inside []byte) []byte { return wrapping(1, gzipped, packedBy(gzipped, 1, inside), nil) }
	badCRC := joined(four(1, true))
	badCRC[12]++
	long := one(func(*entry) {})
	binary.BigEndian.PutUint32(long[26:], 900)
	negative := one(func(*entry) {})
	binary.BigEndian.PutUint32(negative[26:], 0xfffffff0)
	trailing := resum(append(one(func(*entry) {}), 0, 0, 0))
	cases := []odd{
		{"null set", nil},
		{"empty set", []byte{}},
		{"5 bytes", make([]byte, 5)},
		{"a message cut short", one(func(*entry) {})[:20]},
		{"a message and one cut short", append(pair(1), one(func(*entry) {})[:20]...)},
		{"a message and 5 bytes", append(pair(1), 0, 0, 0, 0, 0)},
		{"size 13", set(one(func(*entry) {}), 11, 13)},
		{"size 14 of magic 1", resum(one(func(*entry) {})[:26])},
		{"magic 3", resum(set(one(func(*entry) {}), 16, 3))},
		{"magic -1", resum(set(one(func(*entry) {}), 16, 0xff))},
		{"a flipped bit", set(one(func(*entry) {}), 30, 0xff)},
		{"magic 0 and magic 1", append(pair(0), pair(1)...)},
		{"magic 1 and a batch", append(pair(1), plain()...)},
		{"a batch and magic 1", append(plain(), pair(1)...)},
		{"a batch of magic 2", plain()},
		{"a batch of magic 2 in zstd", built(twoRecordsIn(4))},
		{"two batches of magic 2", append(plain(), plain()...)},
		{"codec 4", wrapping(1, 4, word("zstd"), nil)},
		{"codec 5", wrapping(1, 5, word("what"), nil)},
		{"gzip of null", wrapping(1, gzipped, nil, nil)},
		{"gzip of something that is none", wrapping(1, gzipped, word("not gzip"), nil)},
		{"gzip of no messages", gz(nil)},
		{"gzip cut short", wrapping(1, gzipped, packedBy(gzipped, 1, inside)[:30], nil)},
		{"two of gzip", append(gz(inside), gz(inside)...)},
		{"gzip and a plain one", append(gz(inside), pair(1)...)},
		{"a plain one and gzip", append(pair(1), gz(inside)...)},
		{"gzip in gzip", gz(gz(inside))},
		{"gzip of magic 0 in magic 1", gz(pair(0))},
		{"gzip of a message cut short", gz(inside[:len(inside)-5])},
		{"gzip of a bad CRC", gz(badCRC)},
		{"gzip and an offset below the last inside", wrapping(1, gzipped, packedBy(gzipped, 1, inside), func(e *entry) { e.offset = 2 })},
		{"gzip with a key", wrapping(1, gzipped, packedBy(gzipped, 1, inside), func(e *entry) { e.key = word("k") })},
		{"gzip with null keys inside", gz(inside)},
		{"lz4 of magic 1 with a wrong checksum", wrapping(1, lz4ed, packedBy(lz4ed, 0, inside), nil)},
		{"append time, not packed", one(func(e *entry) { e.attributes = 8 })},
		{"append time, not packed, no timestamp", one(func(e *entry) { e.attributes, e.timestamp = 8, -1 })},
		{"append time, packed", wrapping(1, gzipped, packedBy(gzipped, 1, inside), func(e *entry) { e.attributes |= 8 })},
		{"attributes 0x70", one(func(e *entry) { e.attributes = 0x70 })},
		{"a timestamp ten years ahead", one(func(e *entry) { e.timestamp = 2_500_000_000_000 })},
		{"timestamp -50", one(func(e *entry) { e.timestamp = -50 })},
		{"timestamp -1", one(func(e *entry) { e.timestamp = -1 })},
		{"null key", one(func(e *entry) { e.key = nil })},
		{"null keys and others", joined(four(1, true))},
		{"key longer than the message", resum(long)},
		{"key of size -16", resum(negative)},
		{"bytes after the value", trailing},
	}
	var all []odd
	for _, topic := range []string{"golden", "golden-compacted", "golden-stamped"} {
		for _, k := range cases {
			r := c.produceOf(2, func([]byte) []byte { return k.frame })
			r.Topics[0].Topic = topic
			all = append(all, odd{fmt.Sprintf("Produce 2 to %s: %s", topic, k.name), request(r, 2, "")})
		}
	}
	return all
}
