package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// open are the rules of a topic that minds nothing.
var open = Rules{TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64}

// fix brings length and CRC of b up to date.
func fix(b []byte) []byte {
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-Overhead))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[attributesAt:], castagnoli))
	return b
}

// packed is a batch that claims count records, with these bytes after the header.
func packed(codec Codec, count uint32, records []byte) []byte {
	b := NewBuilder(None)
	b.Add(0, nil, nil)
	out, _ := b.Build()
	out[22] |= byte(codec)
	binary.BigEndian.PutUint32(out[lastOffsetDeltaAt:], count-1)
	binary.BigEndian.PutUint32(out[countAt:], count)
	return fix(append(out[:HeaderSize], records...))
}

func build(t testing.TB, b *Builder) []byte {
	t.Helper()
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestValidateNamesTheRecordsAtFault(t *testing.T) {
	for _, codec := range Codecs() {
		b := NewBuilder(codec)
		b.Add(1000, []byte("k"), nil)
		b.Add(1000, nil, nil)
		b.Add(899, []byte("k"), nil)
		b.Add(900, []byte("k"), nil)
		b.Add(1010, []byte("k"), nil)
		b.Add(1011, nil, nil)
		b.Add(1011, []byte{}, nil)
		b.Add(NoTimestamp, []byte{}, nil)
		bytes0 := build(t, b)
		before := bytes.Clone(bytes0)
		rules := Rules{KeyRequired: true, NowMs: 1000, TimestampBeforeMaxMs: 100, TimestampAfterMaxMs: 10}

		_, err := Validate(bytes0, rules)
		var timestamp *TimestampError
		if !errors.As(err, &timestamp) || indices(timestamp.Records) != "1 2 5 6" {
			t.Fatalf("%v: %v, %+v", codec, err, timestamp)
		}
		if !strings.Contains(timestamp.Records[1].Message, "899 is not within [900, 1010]") {
			t.Fatal(timestamp.Records[1])
		}
		rules.TimestampBeforeMaxMs, rules.TimestampAfterMaxMs = math.MaxInt64, math.MaxInt64
		_, err = Validate(bytes0, rules)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || indices(invalid.Records) != "1 5" {
			t.Fatalf("%v: %v, %+v", codec, err, invalid)
		}
		if !bytes.Equal(bytes0, before) {
			t.Fatal("a refused batch was changed")
		}
	}
}

func indices(records []RecordError) string {
	var s []string
	for _, r := range records {
		s = append(s, fmt.Sprint(r.Index))
	}
	return strings.Join(s, " ")
}

func TestValidateNamesAThousandRecordsAtMost(t *testing.T) {
	b := NewBuilder(Gzip)
	for range 100_000 {
		b.Add(5, nil, nil)
	}
	_, err := Validate(build(t, b), Rules{KeyRequired: true, LogAppendTime: true})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Records) != 1000 || !strings.Contains(invalid.Message, "100000") {
		t.Fatal(err)
	}
}

func TestTimestampsAtTheEndsOfTime(t *testing.T) {
	for _, c := range []struct {
		timestamp, now, before, after int64
		ok                            bool
	}{
		{math.MaxInt64, 0, math.MaxInt64, math.MaxInt64, true},
		{math.MinInt64, 1000, math.MaxInt64, math.MaxInt64, true},
		{math.MinInt64, 1000, math.MaxInt64 - 1, math.MaxInt64, false},
		{math.MaxInt64, -5, math.MaxInt64, 3_600_000, false},
		{math.MaxInt64, 1000, math.MaxInt64, 3_600_000, false},
		{1000, 1000, 0, 0, true},
		{999, 1000, 0, 0, false},
		{1001, 1000, 0, 0, false},
	} {
		b := NewBuilder(None)
		b.Add(c.timestamp, nil, nil)
		b.Add(c.timestamp, nil, nil) // the first of two is read by usual
		_, err := Validate(build(t, b), Rules{NowMs: c.now, TimestampBeforeMaxMs: c.before, TimestampAfterMaxMs: c.after})
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestUsualReadsWhatProducersSend(t *testing.T) {
	b := NewBuilder(None)
	for i := range 1000 {
		b.Add(int64(5*i), []byte("key"), bytes.Repeat([]byte("v"), 8*i))
	}
	w := build(t, b)[HeaderSize:]
	got := usual(w, 0, 1000, allowed{to: 1 << 40}, run{maxTimestamp: NoTimestamp})
	if got != (run{records: 1000, size: len(w), maxTimestamp: 4995, maxAt: 999}) {
		t.Fatalf("%+v of %d bytes", got, len(w))
	}
}

// What usual reads is judged as what it leaves to others: a record with a header is.
func TestUsualRecordsAreJudgedAsAllAre(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const now = 1_000_000
	refused := 0
	for range 5000 {
		rules := Rules{NowMs: now, TimestampBeforeMaxMs: []int64{0, 1000, math.MaxInt64}[rnd.IntN(3)], TimestampAfterMaxMs: []int64{0, 1000, math.MaxInt64}[rnd.IntN(3)],
			LogAppendTime: rnd.IntN(3) == 0, KeyRequired: rnd.IntN(3) == 0}
		plain, headed := NewBuilder(None), NewBuilder(None)
		plain.LogAppendTime = rnd.IntN(4) == 0
		headed.LogAppendTime = plain.LogAppendTime
		for range 1 + rnd.IntN(5) {
			timestamp := []int64{NoTimestamp, now, now - 1000, now - 1001, now + 1000, now + 1001, now + int64(rnd.IntN(4000)) - 2000}[rnd.IntN(7)]
			key := []byte("key")
			if rnd.IntN(8) == 0 {
				key = nil
			}
			plain.Add(timestamp, key, []byte("value"))
			headed.Add(timestamp, key, []byte("value"), RecordHeader{Key: "h"})
		}
		info, err := Validate(build(t, plain), rules)
		want, wantErr := Validate(build(t, headed), rules)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", wantErr) ||
			err == nil && (info.MaxTimestamp != want.MaxTimestamp || info.MaxTimestampDelta != want.MaxTimestampDelta || info.Header.MaxTimestamp != want.Header.MaxTimestamp) {
			t.Fatalf("%+v: %+v, %v; with headers %+v, %v", rules, info, err, want, wantErr)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 500 || refused > 4500 {
		t.Errorf("%d of 5000 were refused", refused)
	}
}

func TestValidateCorrectsTheHeadersTimestamp(t *testing.T) {
	for _, codec := range Codecs() {
		b := sample(t, codec, 10)
		want := bytes.Clone(b)
		binary.BigEndian.PutUint64(b[maxTimestampAt:], 1<<60)
		fix(b)
		info, err := Validate(b, open)
		if err != nil || !bytes.Equal(b, want) {
			t.Fatalf("%v: %+v, %v", codec, info, err)
		}
		if h, _ := ParseHeader(b); h != info.Header || h.MaxTimestamp != info.MaxTimestamp || info.MaxTimestamp != 1009 || info.MaxTimestampDelta != 9 {
			t.Fatalf("%v: %+v", codec, info)
		}
	}
	// A producer's LogAppendTime goes where the topic has CreateTime.
	b := NewBuilder(None)
	b.LogAppendTime = true
	b.Add(5, nil, nil)
	out := build(t, b)
	if info, err := Validate(out, open); err != nil || info.Header.LogAppendTime() || CheckCRC(out) != nil {
		t.Fatal(info, err)
	}
}

// Records larger than the window are read through it.
func TestLargeRecordsOfEveryCodec(t *testing.T) {
	for _, codec := range Codecs() {
		b := NewBuilder(codec)
		big := make([]byte, 5*windowSize)
		for i := range big {
			big[i] = byte(i * i >> 3)
		}
		b.Add(1, big, nil)
		b.Add(2, big[1:], big, RecordHeader{Key: string(big), Value: big[7:]})
		b.Add(3, nil, big[:windowSize-3])
		out := build(t, b)
		info, err := Validate(out, open)
		if err != nil || info.ExpandedBytes < 25*windowSize {
			t.Fatalf("%v: %+v, %v", codec, info, err)
		}
		i := 0
		for r, err := range Records(out, 0) {
			if err != nil {
				t.Fatal(codec, err)
			}
			if i == 1 && (!bytes.Equal(r.Key, big[1:]) || !bytes.Equal(r.Value, big) || r.Headers[0].Key != string(big) || !bytes.Equal(r.Headers[0].Value, big[7:])) {
				t.Fatalf("%v: the second record is not what it was", codec)
			}
			i++
		}
		if i != 3 {
			t.Fatalf("%v: %d records", codec, i)
		}
	}
}

// A client's numbers are not believed before the bytes are there.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	bomb := func(codec Codec) []byte {
		z, err := compress(nil, codec, zeros)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	for _, c := range []struct {
		name string
		b    []byte
		max  int64
	}{
		{"zstd, 2^31-1 records in 2 KB", packed(Zstd, math.MaxInt32, bomb(Zstd)[:2000]), 0},
		{"gzip, 10 million records of nothing", packed(Gzip, 10_000_000, bomb(Gzip)), 0},
		{"gzip, records without end", packed(Gzip, 1000, bomb(Gzip)), 1 << 20},
		{"uncompressed, 2^31-1 records", packed(None, math.MaxInt32, zeros[:100]), 0},
		{"uncompressed, a record of 1 GB", packed(None, 1, []byte{0x80, 0x80, 0x80, 0x80, 0x08, 0, 0}), 0},
		{"gzip, a record of 1 GB", packed(Gzip, 1, mustCompress(t, Gzip, []byte{0x80, 0x80, 0x80, 0x80, 0x08, 0, 0})), 0},
		{"gzip, a key of 1 GB", packed(Gzip, 1, mustCompress(t, Gzip, []byte{0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x04})), 0},
		{"snappy, a block of 4 GB", packed(Snappy, 1, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0}), 0},
		{"zstd, a window of 2 GB", packed(Zstd, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0xa8, 1, 0, 0}), 0},
		{"zstd, contents of 1 GB", packed(Zstd, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 0x40, 1, 0, 0}), 0},
		{"lz4, cut short", packed(LZ4, 1, bomb(LZ4)[:8]), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := open
			rules.MaxExpandedBytes = c.max
			Validate(sample(t, headerOf(c.b).Codec(), 4), rules) // fills the pool
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Validate(c.b, rules)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
				t.Fatalf("refusing %d bytes cost %d: %v", len(c.b), got, err)
			}
			for _, err := range Records(c.b, 1<<20) {
				if err != nil {
					return
				}
			}
			t.Fatal("Records reads it to the end")
		})
	}
}

// headerOf is the header of b, which has one.
func headerOf(b []byte) *Header {
	h, _ := ParseHeader(b)
	return &h
}

func mustCompress(t testing.TB, codec Codec, b []byte) []byte {
	t.Helper()
	z, err := compress(nil, codec, b)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestExpansionIsBounded(t *testing.T) {
	for _, codec := range Codecs()[1:] {
		b := NewBuilder(codec)
		for range 10 {
			b.Add(0, nil, make([]byte, 100_000))
		}
		out := build(t, b)
		rules := open
		rules.MaxExpandedBytes = 900_000
		var large *TooLargeError
		if _, err := Validate(out, rules); !errors.As(err, &large) || !large.Expanded {
			t.Fatalf("%v: %v", codec, err)
		}
		rules.MaxExpandedBytes = int64(b.Size())
		if _, err := Validate(out, rules); err != nil {
			t.Fatalf("%v: %v", codec, err)
		}
		rules.MaxBatchBytes = int64(len(out)) - 1
		if _, err := Validate(out, rules); !errors.As(err, &large) || large.Expanded {
			t.Fatalf("%v: %v", codec, err)
		}
	}
}

// zstd at its highest levels has windows that we do not keep decoders for.
func TestLargeZstdWindows(t *testing.T) {
	b := NewBuilder(None)
	for i := range 10 {
		b.Add(0, nil, bytes.Repeat([]byte{byte(i), 1, 2}, 1<<20))
	}
	plain := build(t, b)
	var w bytes.Buffer
	z, err := zstd.NewWriter(&w, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(plain[HeaderSize:]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out := packed(Zstd, 10, w.Bytes())
	for range 3 { // the place for them is given back
		if info, err := Validate(out, open); err != nil || info.ExpandedBytes != int64(len(plain)-HeaderSize) {
			t.Fatal(info, err)
		}
	}
	n := 0
	for _, err := range Records(out, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 10 {
		t.Fatal(n)
	}
}

func TestSnappyInItsForms(t *testing.T) {
	record := sample(t, None, 1)[HeaderSize:]
	half := len(record) / 2
	for name, src := range map[string][]byte{
		"bare":        s2.EncodeSnappy(nil, record),
		"framed":      mustCompress(t, Snappy, record),
		"two streams": append(mustCompress(t, Snappy, record[:half]), mustCompress(t, Snappy, record[half:])...),
	} {
		if _, err := Validate(packed(Snappy, 1, src), open); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// S2 with repeated offsets: only this library could read it.
	long := NewBuilder(None)
	for i := range 200 {
		long.Add(0, []byte("abcdefghijklmnop"), bytes.Repeat([]byte("0123456789abcdef"+fmt.Sprint(i%7)), 30))
	}
	plain := build(t, long)[HeaderSize:]
	if _, err := Validate(packed(Snappy, 200, s2.EncodeSnappyBest(nil, plain)), open); err != nil {
		t.Error(err)
	}
	if s2only := s2.EncodeBest(nil, plain); bytes.Equal(s2only, s2.EncodeSnappyBest(nil, plain)) {
		t.Fatal("S2 is snappy here")
	} else if _, err := Validate(packed(Snappy, 200, s2only), open); err == nil {
		t.Error("S2 was taken for snappy")
	}
}

func TestLZ4InItsForms(t *testing.T) {
	records := build(t, func() *Builder {
		b := NewBuilder(None)
		b.Add(0, bytes.Repeat([]byte("key"), 100_000), nil)
		return b
	}())[HeaderSize:]
	frame := func(part []byte, options ...lz4.Option) []byte {
		var w bytes.Buffer
		z := lz4.NewWriter(&w)
		if err := z.Apply(options...); err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return w.Bytes()
	}
	for i, options := range [][]lz4.Option{
		{lz4.ChecksumOption(false)},
		{lz4.ChecksumOption(true), lz4.BlockChecksumOption(true)},
		{lz4.SizeOption(uint64(len(records))), lz4.BlockSizeOption(lz4.Block4Mb)},
		{lz4.BlockChecksumOption(true), lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
	} {
		if _, err := Validate(packed(LZ4, 1, frame(records, options...)), open); err != nil {
			t.Errorf("options %d: %v", i, err)
		}
	}
	// Small blocks after one another, and what is hardly packed at all.
	var pieces bytes.Buffer
	z := lz4.NewWriter(&pieces)
	if err := z.Apply(lz4.BlockChecksumOption(true)); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	b := NewBuilder(None)
	b.Add(0, nil, append(bytes.Repeat([]byte("value"), 100_000), noise...))
	mixed := build(t, b)[HeaderSize:]
	for at, n := 0, 1; at < len(mixed); at, n = at+n, n*3 {
		if _, err := z.Write(mixed[at:min(at+n, len(mixed))]); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Validate(packed(LZ4, 1, pieces.Bytes()), open); err != nil {
		t.Error(err)
	}

	// What no Java client can read, what librdkafka refuses, and what is left after a frame.
	spoilt := func(at int, by byte) []byte {
		f := frame(records, lz4.BlockChecksumOption(true))
		f[(at+len(f))%len(f)] ^= by
		if at == 4 || at == 5 {
			f[6] = byte(xxhash32(f[4:6]) >> 8)
		}
		return f
	}
	b = NewBuilder(None)
	b.Add(0, nil, noise)
	small := frame(build(t, b)[HeaderSize:], lz4.BlockSizeOption(lz4.Block1Mb), lz4.ChecksumOption(false))
	small[5] = 0x40 // 64 KB
	small[6] = byte(xxhash32(small[4:6]) >> 8)
	for name, src := range map[string][]byte{
		"a wrong checksum of the header":  spoilt(6, 1),
		"a wrong checksum of a block":     spoilt(-10, 1),
		"a wrong checksum of the content": spoilt(-1, 1),
		"what is reserved":                spoilt(5, 1),
		"a block larger than the frame's": small,
		"dependent blocks":                spoilt(4, 0x20),
		"two frames":                      append(frame(records[:5]), frame(records[5:])...),
		"a byte after it":                 append(frame(records), 0),
		"cut short":                       frame(records)[:100],
	} {
		if _, err := Validate(packed(LZ4, 1, src), open); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// What is pooled is used by one at a time.
func TestValidateByMany(t *testing.T) {
	var w sync.WaitGroup
	for i := range 8 {
		w.Go(func() {
			for j := range 40 {
				b := sample(t, Codecs()[(i+j)%5], 20+i)
				if j%10 == 9 {
					b[len(b)-3] ^= 0xff
					fix(b)
				}
				info, err := Validate(b, open)
				n := 0
				for _, rerr := range Records(b, 0) {
					if (rerr == nil) != (err == nil) && err == nil {
						t.Error(rerr)
					}
					n++
				}
				if err == nil && (info.Header.Count != int32(20+i) || n != 20+i) {
					t.Errorf("%d records of %d", n, 20+i)
				}
			}
		})
	}
	w.Wait()
}

func TestBatchesOfARegion(t *testing.T) {
	a, b := sample(t, None, 3), sample(t, Zstd, 2)
	region := append(append(bytes.Clone(a), b...), a[:20]...)
	var got [][]byte
	var last error
	for one, err := range Batches(region) {
		if last = err; err == nil {
			got = append(got, one)
		}
	}
	var corrupt *CorruptError
	if len(got) != 2 || !bytes.Equal(got[0], a) || !bytes.Equal(got[1], b) || !errors.As(last, &corrupt) {
		t.Fatalf("%d batches, %v", len(got), last)
	}
}
