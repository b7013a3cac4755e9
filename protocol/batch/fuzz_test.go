package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"testing"
)

// fuzzLimit bounds expansion while fuzzing.
const fuzzLimit = 1 << 20

// typed fails unless err is one of this package's.
func typed(t *testing.T, err error) {
	t.Helper()
	var (
		corrupt   *CorruptError
		invalid   *InvalidError
		timestamp *TimestampError
		codec     *CodecError
		large     *TooLargeError
	)
	if !errors.As(err, &corrupt) && !errors.As(err, &invalid) && !errors.As(err, &timestamp) &&
		!errors.As(err, &codec) && !errors.As(err, &large) {
		t.Fatalf("%T: %v", err, err)
	}
}

// FuzzValidate: what is accepted has as many records as it says, in order, a good
// CRC, and the maximum timestamp that was found; what is refused is not changed.
func FuzzValidate(f *testing.F) {
	for _, codec := range Codecs() {
		f.Add(sample(f, codec, 5), true, byte(0))
		f.Add(sample(f, codec, 50), false, byte(7))
		f.Add(packed(codec, 3, mustCompress(f, codec, bytes.Repeat([]byte{0}, 100))), false, byte(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, asIs bool, flags byte) {
		if !asIs && len(b) >= HeaderSize { // past the length and the CRC
			b = fix(bytes.Clone(b))
		}
		rules := Rules{MaxExpandedBytes: fuzzLimit, KeyRequired: flags&1 != 0, LogAppendTime: flags&2 != 0, NoZstd: flags&4 != 0,
			NowMs: 1000, TimestampBeforeMaxMs: 500, TimestampAfterMaxMs: 500}
		if flags&8 != 0 {
			rules.TimestampBeforeMaxMs, rules.TimestampAfterMaxMs = math.MaxInt64, math.MaxInt64
		}
		before := bytes.Clone(b)
		info, err := Validate(b, rules)
		if err != nil {
			typed(t, err)
			if !bytes.Equal(b, before) {
				t.Fatal("a refused batch was changed")
			}
			return
		}
		if err := CheckCRC(b); err != nil {
			t.Fatal(err)
		}
		if h, err := ParseHeader(b); err != nil || h != info.Header || h.Size() != len(b) {
			t.Fatalf("the batch has %+v, Validate says %+v, %v", h, info.Header, err)
		}
		n, highest := int32(0), int64(NoTimestamp)
		for r, err := range Records(b, fuzzLimit) {
			if err != nil {
				t.Fatal(err)
			}
			if r.OffsetDelta != n || rules.KeyRequired && r.Key == nil {
				t.Fatalf("record %d is %+v", n, r)
			}
			if r.Timestamp > highest {
				highest = r.Timestamp
			}
			n++
		}
		if n != info.Header.Count {
			t.Fatalf("%d records of %d", n, info.Header.Count)
		}
		if !info.Header.LogAppendTime() && highest != info.MaxTimestamp && bytes.Equal(b, before) {
			t.Fatalf("the highest timestamp is %d, Validate says %d", highest, info.MaxTimestamp)
		}
	})
}

// FuzzRecords: records read in place and through a window are the same, and a
// batch that is read can be built again and read the same.
func FuzzRecords(f *testing.F) {
	for _, codec := range Codecs() {
		f.Add(sample(f, codec, 5), 3)
		f.Add(sample(f, codec, 40), 100)
	}
	f.Fuzz(func(t *testing.T, b []byte, window int) {
		records, err := collect(b)
		if err != nil {
			typed(t, err)
		}
		if h, herr := ParseHeader(b); herr == nil && h.Codec() == None && h.Size() <= len(b) && h.Count > 0 {
			streamed, serr := stream(b[:h.Size()], &h, window)
			if (err == nil) != (serr == nil) || err == nil && !reflect.DeepEqual(records, streamed) {
				t.Fatalf("in place: %+v, %v\nthrough a window: %+v, %v", records, err, streamed, serr)
			}
		}
		if err != nil || len(records) == 0 {
			return
		}
		again := NewBuilder(None)
		for i, r := range records {
			again.AddAt(int32(i), r.Timestamp, r.Key, r.Value, r.Headers...)
		}
		built, err := collect(build(t, again))
		if err != nil || len(built) != len(records) {
			t.Fatalf("%d records built again are %d, %v", len(records), len(built), err)
		}
		for i, r := range built {
			was := records[i]
			if r.Timestamp != was.Timestamp || !reflect.DeepEqual(r.Key, was.Key) || !reflect.DeepEqual(r.Value, was.Value) ||
				!reflect.DeepEqual(r.Headers, was.Headers) {
				t.Fatalf("%+v built again is %+v", was, r)
			}
		}
	})
}

func collect(b []byte) (records []Record, err error) {
	for r, err := range Records(b, fuzzLimit) {
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// stream reads the records of an uncompressed batch as if they were expanded.
func stream(b []byte, h *Header, window int) (records []Record, err error) {
	buf := make([]byte, 1+uint(window)%100)
	c := cursor{r: io.MultiReader(bytes.NewReader(b[HeaderSize:])), buf: buf, win: buf[:0], limit: math.MaxInt64}
	for range h.Count {
		r, err := c.readRecord(h)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, c.mustEnd()
}

// FuzzQuick: what is read quickly the cursor reads too, and sees the same.
func FuzzQuick(f *testing.F) {
	f.Add(sample(f, None, 3)[HeaderSize:])
	f.Add([]byte{0x80, 0x80, 0x01, 0, 0, 0, 1, 1, 0})
	f.Fuzz(checkQuick)
}

// TestQuickSeesEveryWrongByte changes each byte of usual records to each value.
func TestQuickSeesEveryWrongByte(t *testing.T) {
	b := NewBuilder(None)
	for i, key := range [][]byte{[]byte("key"), nil, bytes.Repeat([]byte("k"), 70)} {
		b.Add(int64(100*i), key, []byte("a value"))
	}
	for _, length := range []int{0, 3, 70, 200} {
		b.Add(0, nil, bytes.Repeat([]byte{0}, length)) // a wrong length finds a plausible number of headers
	}
	records := build(t, b)[HeaderSize:]
	for at := range records {
		for value := range 256 {
			w := slices.Clone(records)
			w[at] = byte(value)
			checkQuick(t, w)
		}
		checkQuick(t, records[:at])
	}
}

func checkQuick(t *testing.T, w []byte) {
	t.Helper()
	c := cursor{win: w, pulled: int64(len(w)), limit: math.MaxInt64}
	if g, size := quick(w); size > 0 {
		r, err := c.readRecord(&Header{})
		if err != nil || int(c.at()) != size || r.TimestampDelta != g.timestampDelta || r.OffsetDelta != g.offsetDelta || (r.Key == nil) != g.nullKey {
			t.Fatalf("%x: quickly %+v in %d bytes, the cursor %+v in %d bytes, %v", w, g, size, r, c.at(), err)
		}
	}
	const base = 10_000
	c = cursor{win: w, pulled: int64(len(w)), limit: math.MaxInt64}
	ok := allowed{base: base, from: base - 1000, to: base + 1000, keyRequired: len(w)%2 == 0}
	passed := usual(w, 0, 100, ok, run{maxTimestamp: NoTimestamp})
	seen := run{maxTimestamp: NoTimestamp}
	for ; seen.records < passed.records; seen.records++ {
		r, err := c.readRecord(&Header{BaseTimestamp: base})
		if err != nil || r.OffsetDelta != seen.records || r.Timestamp < ok.from || r.Timestamp > ok.to || r.Key == nil && ok.keyRequired {
			t.Fatalf("%x: %d of %d records passed over: %+v, %v", w, seen.records, passed.records, r, err)
		}
		if r.Timestamp > seen.maxTimestamp {
			seen.maxTimestamp, seen.maxAt = r.Timestamp, seen.records
		}
	}
	if seen.size = int(c.at()); seen != passed {
		t.Fatalf("%x: passed over %+v, the cursor %+v", w, passed, seen)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add(sample(f, None, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			typed(t, err)
			return
		}
		again := make([]byte, HeaderSize)
		h.put(again)
		binary.BigEndian.PutUint32(again[crcAt:], h.CRC)
		if !bytes.Equal(again, b[:HeaderSize]) {
			t.Fatalf("%x is written as %x", b[:HeaderSize], again)
		}
	})
}
