package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"klamm/protocol/batch"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// at is a timestamp that is not too far off for any topic here.
const at = 1_700_000_000_000

// with builds a batch of two records.
func with(change func(b *batch.Builder)) []byte {
	b := batch.NewBuilder(batch.None)
	change(b)
	b.Add(at, []byte("k"), []byte("v"))
	b.Add(at+1, []byte("k"), []byte("v"))
	return built(b)
}

func plain() []byte { return with(func(*batch.Builder) {}) }

func built(b *batch.Builder) []byte {
	out, err := b.Build()
	must(err)
	return out
}

// twoRecords is a batch with a header on its first record, which has no key.
func twoRecords() *batch.Builder {
	b := batch.NewBuilder(batch.None)
	b.Add(at, nil, []byte("v"), batch.RecordHeader{Key: "h"})
	b.Add(at+1, []byte("k"), nil)
	return b
}

func twoRecordsIn(codec batch.Codec) *batch.Builder {
	b := twoRecords()
	b.Codec = codec
	return b
}

// patched is plain with other bytes from some place on, and the CRC of that.
func patched(from int, bytes string) []byte {
	b := plain()
	copy(b[from:], bytes)
	return sum(b)
}

// sum gives b its length and its CRC.
func sum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// holding is a batch of one record that claims a codec and holds these bytes.
func holding(codec byte, records []byte) []byte {
	b := batch.NewBuilder(batch.None)
	b.Add(at, nil, nil)
	out := built(b)
	out[22] |= codec
	return sum(append(out[:61], records...))
}

// oneRecord is the one record that the batch of holding should hold: null key
// and value, no headers.
func oneRecord() []byte { return []byte{12, 0, 0, 0, 1, 1, 0} }

func set(b []byte, at int, v byte) []byte {
	b[at] = v
	return b
}

func lz4Frame(options ...lz4.Option) []byte {
	var w bytes.Buffer
	z := lz4.NewWriter(&w)
	must(z.Apply(options...))
	_, err := z.Write(oneRecord())
	must(err)
	must(z.Close())
	return w.Bytes()
}

// xxhash32 is the checksum of an lz4 frame's descriptor, for less than 16 bytes.
func xxhash32(b []byte) uint32 {
	h := uint32(374761393) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*3266489917, 17) * 668265263
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*374761393, 11) * 2654435761
	}
	h = (h ^ h>>15) * 2246822519
	h = (h ^ h>>13) * 3266489917
	return h ^ h>>16
}

// gap is a batch whose two records have offset deltas 0 and 5.
func gap(codec batch.Codec, lastDelta byte) []byte {
	b := batch.NewBuilder(codec)
	b.Add(at, []byte("k"), []byte("v"))
	b.AddAt(5, at, []byte("k"), []byte("v"))
	return sum(set(built(b), 26, lastDelta))
}

func records1(add func(b *batch.Builder)) []byte {
	b := batch.NewBuilder(batch.None)
	add(b)
	return built(b)
}

// oddBatches asks what becomes of batches that break a rule, or nearly.
func (c *capture) oddBatches() []odd {
	cases := []odd{
		{"null records", nil},
		{"empty records", []byte{}},
		{"10 bytes of records", make([]byte, 10)},
		{"a batch cut short", plain()[:70]},
		{"two batches", append(plain(), plain()...)},
		{"a batch and 5 bytes", append(plain(), 0, 0, 0, 0, 0)},
		{"base offset 5", with(func(b *batch.Builder) { b.BaseOffset = 5 })},
		{"control batch", with(func(b *batch.Builder) { b.Control = true })},
		{"LogAppendTime batch", with(func(b *batch.Builder) { b.LogAppendTime = true })},
		{"producer id without sequence", with(func(b *batch.Builder) { b.ProducerID = 5 })},
		{"sequence without producer id", with(func(b *batch.Builder) { b.BaseSequence = 5 })},
		{"transactional without producer id", with(func(b *batch.Builder) { b.Transactional = true })},
		{"codec 5", patched(21, "\x00\x05")},
		{"count 3 and last offset delta 1", patched(57, "\x00\x00\x00\x03")},
		{"count and last offset delta one more than there are records", sum(set(patched(57, "\x00\x00\x00\x03"), 26, 2))},
		{"count and last offset delta one less than there are records", sum(set(patched(57, "\x00\x00\x00\x01"), 26, 0))},
		{"negative count", patched(57, "\xff\xff\xff\xff")},
		{"negative last offset delta", patched(23, "\xff\xff\xff\xff")},
		{"gzip of something that is none", patched(21, "\x00\x01")},
		{"record length beyond the batch", patched(61, "\x7e")},
		{"record length 0", patched(61, "\x00")},
		{"record length of six bytes", patched(61, "\x80\x80\x80\x80\x80\x00")},
		{"length of the batch 5", set(set(plain(), 11, 5), 10, 0)},
		{"length of the batch 40", set(plain(), 11, 40)[:52]},
		{"magic 1", set(plain(), 16, 1)},
		{"magic 3", set(plain(), 16, 3)},
		{"a flipped bit", set(plain(), 70, 0xff)},
		{"header with a maximum timestamp that is too high", patched(35, "\x00\x00\x01\xa0")},
		{"a timestamp ten years ahead", records1(func(b *batch.Builder) { b.Add(2_500_000_000_000, nil, nil) })},
		{"negative timestamps", records1(func(b *batch.Builder) { b.Add(-50, nil, nil) })},
		{"no timestamps", records1(func(b *batch.Builder) { b.Add(-1, nil, nil) })},
		{"offset deltas 0 and 5 that lie", gap(batch.None, 1)},
		{"offset deltas 0 and 5 that lie, in gzip", gap(batch.Gzip, 1)},
		{"offset deltas 0 and 5", gap(batch.None, 5)},
		{"key length -2", holding(0, []byte{12, 0, 0, 0, 3, 1, 0})},
		{"a record as it should be", holding(0, oneRecord())},
		{"header count -1", holding(0, []byte{12, 0, 0, 0, 1, 1, 1})},
		{"header count 9", holding(0, []byte{12, 0, 0, 0, 1, 1, 18})},
		{"header with a null key", holding(0, []byte{16, 0, 0, 0, 1, 1, 2, 1, 1})},
		{"record attributes 0x7f", holding(0, []byte{12, 0x7f, 0, 0, 1, 1, 0})},
		{"a byte after the records", holding(0, append(oneRecord(), 0))},
		{"key longer than its record", holding(0, []byte{12, 0, 0, 0, 20, 1, 0})},
		{"snappy, one bare block", holding(2, snappy.Encode(nil, oneRecord()))},
		{"snappy that ends early", holding(2, snappy.Encode(nil, oneRecord())[:4])},
		{"lz4", holding(3, lz4Frame())},
		{"lz4 with checksums and size", holding(3, lz4Frame(lz4.BlockChecksumOption(true), lz4.ChecksumOption(true), lz4.SizeOption(7)))},
		{"lz4 that ends early", holding(3, lz4Frame()[:10])},
		{"lz4 and a byte", holding(3, append(lz4Frame(), 0))},
		{"zstd that is none", holding(4, []byte("not zstd"))},
		{"gzip, records and a byte", gzipAndByte()},
	}
	for _, codec := range batch.Codecs() {
		cases = append(cases, odd{"as it should be, in " + codec.String(), with(func(b *batch.Builder) { b.Codec = codec })})
	}
	cases = append(cases, formsOfCompression()...)
	var all []odd
	for _, topic := range []string{"golden", "golden-compacted", "golden-stamped"} {
		for _, k := range cases {
			r := c.produceOf(9, func([]byte) []byte { return k.frame })
			r.Topics[0].Topic = topic
			all = append(all, odd{fmt.Sprintf("Produce 9 to %s: %s", topic, k.name), request(r, 9, "")})
		}
	}
	zstd := c.produceOf(6, func([]byte) []byte { return with(func(b *batch.Builder) { b.Codec = batch.Zstd }) })
	return append(all, odd{"Produce 6 to golden: zstd", request(zstd, 6, "")})
}

// formsOfCompression are the same record, packed as few clients do it.
func formsOfCompression() []odd {
	one := oneRecord()
	pack := func(codec batch.Codec) []byte {
		b := batch.NewBuilder(codec)
		b.Add(at, nil, nil)
		return built(b)[61:]
	}
	packed := func(part []byte, codec batch.Codec) []byte { // part alone
		var w bytes.Buffer
		switch codec {
		case batch.Gzip:
			z := gzip.NewWriter(&w)
			_, err := z.Write(part)
			must(err)
			must(z.Close())
		case batch.LZ4:
			z := lz4.NewWriter(&w)
			_, err := z.Write(part)
			must(err)
			must(z.Close())
		case batch.Zstd:
			z, err := zstd.NewWriter(&w, zstd.WithWindowSize(64<<20))
			must(err)
			_, err = z.Write(part)
			must(err)
			must(z.Flush())
			must(z.Close())
		}
		return w.Bytes()
	}
	dependent := pack(batch.LZ4)
	dependent[4] &^= 0x20
	dependent[6] = byte(xxhash32(dependent[4:6]) >> 8)
	s2Block := []byte{7, 0, 12, 1 << 2, 0, 0} // literals, the same offset again
	xerial := pack(batch.Snappy)
	var all []odd
	for _, codec := range []batch.Codec{batch.Gzip, batch.LZ4, batch.Zstd} {
		all = append(all, odd{codec.String() + " of two frames", holding(byte(codec), append(packed(one[:3], codec), packed(one[3:], codec)...))})
	}
	return append(all,
		odd{"zstd with a window of 64 MB", holding(4, packed(one, batch.Zstd))},
		odd{"zstd that ends early", holding(4, packed(one, batch.Zstd)[:12])},
		odd{"lz4 of dependent blocks", holding(3, dependent)},
		odd{"snappy and half a block", holding(2, append(xerial, 0, 0, 0, 9, 1))},
		odd{"snappy and an empty stream", holding(2, append(xerial, xerial[:16]...))},
		odd{"S2 in place of snappy", holding(2, s2Block)},
	)
}

// gzipAndByte is a compressed batch with a byte too many inside.
func gzipAndByte() []byte {
	b := batch.NewBuilder(batch.Gzip)
	b.Add(at, nil, nil)
	b.Add(at, nil, nil)
	return sum(set(set(built(b), 26, 0), 60, 1))
}
