package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
)

// in gives rules that store in a codec, at its default level.
func in(codec Codec) Rules {
	r := open
	r.Compression = as(codec)
	r.Compression.Recompress = true
	return r
}

// producers is a batch of an idempotent producer's transaction, with records of
// every kind: with and without headers, nulls, larger than a window.
func producers(t testing.TB, codec Codec) []byte {
	b := NewBuilder(codec)
	b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, 77, 3, 5
	b.Add(1000, []byte("k"), []byte("v"), RecordHeader{Key: "h", Value: []byte("w")}, RecordHeader{Key: "", Value: nil})
	b.Add(900, nil, nil)
	b.Add(1<<40, []byte{}, bytes.Repeat([]byte("large "), windowSize))
	for i := range int64(200) {
		b.Add(1000+i, fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, int(i)))
	}
	b.Add(NoTimestamp, bytes.Repeat([]byte("key"), windowSize), []byte("v"), RecordHeader{Key: "n", Value: bytes.Repeat([]byte("hd"), windowSize)})
	return build(t, b)
}

func TestValidateBatchKeepsAllButTheCodec(t *testing.T) {
	for _, from := range Codecs() {
		sent := producers(t, from)
		was := headerOf(sent)
		want, err := collect(sent)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range Codecs() {
			before := bytes.Clone(sent)
			one, info, err := ValidateBatch(sent, in(to))
			if err != nil {
				t.Fatalf("%v to %v: %v", from, to, err)
			}
			if same := &one[0] == &sent[0]; same != (from == to) {
				t.Fatalf("%v to %v: the same batch is %t", from, to, same)
			}
			if !bytes.Equal(sent, before) {
				t.Fatalf("%v to %v: what was sent is changed", from, to)
			}
			h := headerOf(one)
			if *h != info.Header || h.Size() != len(one) || CheckCRC(one) != nil {
				t.Fatalf("%v to %v: %+v in %d bytes, %v", from, to, info.Header, len(one), CheckCRC(one))
			}
			expected := *was
			expected.CRC, expected.Length, expected.Attributes = h.CRC, h.Length, int16(to)|transactionalBit
			if *h != expected {
				t.Fatalf("%v to %v: header %+v, want %+v", from, to, *h, expected)
			}
			if info.MaxTimestamp != 1<<40 || info.MaxTimestampDelta != 2 {
				t.Fatalf("%v to %v: %+v", from, to, info)
			}
			got, err := collect(one)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%v to %v: other records, %v", from, to, err)
			}
			if again, err := Validate(bytes.Clone(one), open); err != nil || again != info {
				t.Fatalf("%v to %v: checked again %+v, %v, want %+v", from, to, again, err, info)
			}
		}
	}
}

func TestValidateBatchWithProducerKeepsTheBatch(t *testing.T) {
	for _, codec := range Codecs() {
		sent := producers(t, codec)
		one, info, err := ValidateBatch(sent, open)
		if err != nil || &one[0] != &sent[0] || info.Header != *headerOf(sent) {
			t.Fatal(codec, info, err)
		}
	}
}

// What a batch says in unusual ways is said in the usual ones after it was packed
// anew, as by Apache Kafka's builder.
func TestValidateBatchStraightensWhatIsOdd(t *testing.T) {
	plain := func(attributes int16, base, highest int64, deltas ...int64) []byte {
		b := NewBuilder(None)
		for i, delta := range deltas {
			b.Add(delta, []byte{byte(i)}, bytes.Repeat([]byte("v"), i*windowSize))
		}
		b.baseTimestamp = 0
		out := build(t, b)
		binary.BigEndian.PutUint16(out[attributesAt:], uint16(attributes))
		binary.BigEndian.PutUint64(out[baseTimestampAt:], uint64(base))
		binary.BigEndian.PutUint64(out[maxTimestampAt:], uint64(highest))
		return fix(out)
	}
	withAttributes := plain(0, 1000, 1000, 0, 0)
	_, at := short(withAttributes[HeaderSize:], 0)
	withAttributes[HeaderSize+at] = 0x55
	fix(withAttributes)
	for _, c := range []struct {
		name       string
		sent       []byte
		base, high int64
		times      []int64
	}{
		// Deltas are from the base in the header; the builder of plain takes 0 for the first.
		{"a base before the first record", shifted(t, plain(0, 1000, 1030, 0, 30, 20), 500), 1500, 1530, []int64{1500, 1530, 1520}},
		{"a wrong highest timestamp", plain(0, 1000, 5, 0, 30, 20), 1000, 1030, []int64{1000, 1030, 1020}},
		{"a time that only brokers set", plain(logAppendTimeBit, 1000, 7000, 0, 30), 7000, 7000, []int64{7000, 7000}},
		{"a delete horizon", plain(deleteHorizonBit, 1000, 1030, 0, 30), 1000, 1030, []int64{1000, 1030}},
		{"attributes that nobody knows", plain(0x780, 1000, 1030, 0, 30), 1000, 1030, []int64{1000, 1030}},
		{"attributes of a record", withAttributes, 1000, 1000, []int64{1000, 1000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, to := range Codecs()[1:] {
				one, info, err := ValidateBatch(bytes.Clone(c.sent), in(to))
				if err != nil {
					t.Fatal(err)
				}
				h := info.Header
				if h.Attributes != int16(to) || h.BaseTimestamp != c.base || h.MaxTimestamp != c.high || info.MaxTimestamp != c.high {
					t.Fatalf("%v: %+v", to, info)
				}
				records, err := collect(one)
				if err != nil || len(records) != len(c.times) {
					t.Fatal(records, err)
				}
				for i, r := range records {
					if r.Timestamp != c.times[i] || r.Attributes != 0 || r.OffsetDelta != int32(i) || len(r.Value) != i*windowSize {
						t.Fatalf("%v: record %d is %+v", to, i, r)
					}
				}
			}
		})
	}
}

// shifted gives a batch whose records all lie by ms further from the base timestamp.
func shifted(t testing.TB, b []byte, by int64) []byte {
	h := headerOf(b)
	out := bytes.Clone(b[:HeaderSize])
	for r, err := range Records(b, 0) {
		if err != nil {
			t.Fatal(err)
		}
		delta := r.TimestampDelta + by
		size := 1 + varintSize(delta) + varintSize(int64(r.OffsetDelta)) + fieldSize(r.Key) + fieldSize(r.Value) + 1
		out = append(binary.AppendVarint(out, int64(size)), byte(r.Attributes))
		out = binary.AppendVarint(binary.AppendVarint(out, delta), int64(r.OffsetDelta))
		out = append(appendField(appendField(out, r.Key), r.Value), 0)
	}
	binary.BigEndian.PutUint64(out[maxTimestampAt:], uint64(h.MaxTimestamp+by))
	return fix(out)
}

func TestValidateBatchRefusesWhatValidateDoes(t *testing.T) {
	rules := in(Gzip)
	for _, c := range odd(t) {
		_, want := Validate(bytes.Clone(c), open)
		one, _, err := ValidateBatch(bytes.Clone(c), rules)
		if want == nil || err == nil || one != nil || err.Error() != want.Error() {
			t.Errorf("%x: %v, want %v", c[:min(len(c), 80)], err, want)
		}
	}
	var timestamp *TimestampError
	b := NewBuilder(None)
	b.Add(5, nil, nil)
	b.Add(-2, nil, nil)
	if _, _, err := ValidateBatch(build(t, b), rules); !errors.As(err, &timestamp) || indices(timestamp.Records) != "1" {
		t.Errorf("a record of before 1970 cannot be written anew: %v", err)
	}
	rules.KeyRequired = true
	var invalid *InvalidError
	b.Reset()
	b.Add(5, nil, nil)
	if _, _, err := ValidateBatch(build(t, b), rules); !errors.As(err, &invalid) || indices(invalid.Records) != "0" {
		t.Error(err)
	}
	rules.NoZstd = true
	if _, _, err := ValidateBatch(sample(t, Zstd, 3), rules); !errors.As(err, new(*CodecError)) {
		t.Errorf("zstd in a request that may not hold it: %v", err)
	}
}

// odd are batches that every topic refuses.
func odd(t testing.TB) [][]byte {
	good := sample(t, None, 3)
	bad := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	fixed := func(change func(b []byte)) []byte { return fix(bad(change)) }
	records := good[HeaderSize:]
	return [][]byte{
		bad(func(b []byte) { b[crcAt]++ }), bad(func(b []byte) { b[7] = 1 }), good[:70], append(bytes.Clone(good), good...), {},
		fixed(func(b []byte) { b[countAt+3]++ }), fixed(func(b []byte) { b[attributesAt+1] |= controlBit }), fixed(func(b []byte) { b[HeaderSize]++ }),
		packed(None, 3, records[:len(records)-1]), packed(None, 3, append(bytes.Clone(records), 0)), packed(None, 4, records), packed(None, 2, records),
		packed(Snappy, 3, records), packed(LZ4, 3, mustCompress(t, LZ4, records[:len(records)-3])), packed(Zstd, 3, mustCompress(t, Zstd, append(bytes.Clone(records), 1))),
	}
}

// A batch that no longer fits once it is packed anew is refused, after all that
// is wrong in it.
func TestValidateBatchBoundsWhatComesOut(t *testing.T) {
	small := NewBuilder(Zstd)
	for range 20 {
		small.Add(0, nil, make([]byte, 50_000))
	}
	sent := build(t, small)
	for _, to := range []Codec{None, Gzip, Snappy, LZ4} {
		rules := in(to)
		fits, _, err := ValidateBatch(sent, rules)
		if err != nil {
			t.Fatal(err)
		}
		rules.MaxBatchBytes = int64(len(fits))
		if _, _, err := ValidateBatch(sent, rules); err != nil {
			t.Errorf("%v: %d bytes where as many are allowed: %v", to, len(fits), err)
		}
		rules.MaxBatchBytes--
		var large *TooLargeError
		if one, _, err := ValidateBatch(sent, rules); !errors.As(err, &large) || large.Expanded || large.Limit != rules.MaxBatchBytes || one != nil {
			t.Errorf("%v: %v", to, err)
		}
		rules.KeyRequired = true
		if _, _, err := ValidateBatch(sent, rules); !errors.As(err, new(*InvalidError)) {
			t.Errorf("%v: what the records break comes before the size: %v", to, err)
		}
		rules.KeyRequired = false
		if _, _, err := ValidateBatch(producers(t, Zstd), in(to)); err != nil {
			t.Errorf("%v: a good batch after a refused one: %v", to, err)
		}
	}
}

func TestValidateBatchHoldsNoMemoryForWhatItExpands(t *testing.T) {
	if raceEnabled {
		return // the race detector empties pools at random
	}
	b := NewBuilder(Zstd)
	for range 40 {
		b.Add(0, nil, make([]byte, 1<<20))
	}
	sent := build(t, b)
	for _, to := range Codecs()[:4] {
		rules := in(to)
		rules.MaxBatchBytes = 1 << 20
		if _, _, err := ValidateBatch(sample(t, Zstd, 3), rules); err != nil { // fills the pools
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := ValidateBatch(sent, rules)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
			t.Errorf("%v: %d bytes were allocated for 40 MB in %d (%v)", to, got, len(sent), err)
		}
	}
}

// Each level that means something else to the codec's library makes something else,
// and a higher one nothing larger.
func TestLevelsReachTheEncoder(t *testing.T) {
	// Text of words, the first of them more often than the others; and text of two
	// letters, in which there is much to search through.
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 2000)
	for i := range words {
		for range 2 + rng.IntN(9) {
			words[i] = append(words[i], "etaoinshrdlucmf"[rng.IntN(15)])
		}
	}
	b, two := NewBuilder(None), NewBuilder(None)
	for i := range 700 {
		var v, w []byte
		for range 30 {
			v = append(append(v, words[rng.IntN(1+rng.IntN(1+rng.IntN(len(words))))]...), ' ')
		}
		for range 150 {
			w = append(w, "ab"[rng.IntN(2)])
		}
		b.Add(int64(i), fmt.Appendf(nil, "key %d", i%100), v)
		two.Add(int64(i), nil, w)
	}
	sent := map[Codec][]byte{Gzip: build(t, b), LZ4: build(t, two), Zstd: build(t, b)}
	for _, c := range []struct {
		codec  Codec
		levels []int // of which none packs better than the next, in groups that are the same to the library
		groups [][]int
	}{
		{Gzip, []int{1, 5, 9}, [][]int{{1}, {2}, {3}, {4}, {6}, {7}, {8}, {9}}},
		{LZ4, []int{9, 1, 3, 5}, [][]int{{9}, {1, 2}, {3, 4}, {5, 6}}},
		{Zstd, []int{1, 22}, [][]int{{-131072, -1, 1, 2}, {3, 4, 5}, {6, 9}, {10, 19, 22}}},
	} {
		size := func(level int) int {
			rules := in(c.codec)
			rules.Compression.Level = level
			one, _, err := ValidateBatch(sent[c.codec], rules)
			if err != nil {
				t.Fatal(err)
			}
			return len(one)
		}
		last := math.MaxInt
		for _, level := range c.levels {
			if n := size(level); n >= last {
				t.Errorf("%v: %d bytes at level %d, %d at the one below", c.codec, n, level, last)
			} else {
				last = n
			}
		}
		seen := map[int][]int{}
		for _, group := range c.groups {
			n := size(group[0])
			for _, level := range group[1:] {
				if m := size(level); m != n {
					t.Errorf("%v: %d bytes at level %d, %d at level %d", c.codec, m, level, n, group[0])
				}
			}
			if other, ok := seen[n]; ok {
				t.Errorf("%v: levels %v and %v make the same", c.codec, other, group)
			}
			seen[n] = group
		}
	}
}

func TestStrengthsOfLevels(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		want  map[int]int // strength by level
	}{
		{Gzip, map[int]int{-1: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9}},
		{LZ4, map[int]int{9: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 10: 5, 11: 6, 12: 6, 13: 7, 14: 7, 15: 8, 16: 8, 17: 9}},
		{Zstd, map[int]int{-131072: 1, 0: 1, 2: 1, 3: 2, 5: 2, 6: 3, 9: 3, 10: 4, 22: 4}},
		{Snappy, map[int]int{5: 0}}, {None, map[int]int{5: 0}},
	} {
		for level, want := range c.want {
			as := Compression{Codec: c.codec, Level: level}
			if got := as.strength(); got != want {
				t.Errorf("%v, level %d: strength %d, want %d", c.codec, level, got, want)
			}
			p, err := newPacker(as, nil, 0)
			if err != nil || p.strength != want {
				t.Fatalf("%v, level %d: a packer of strength %d, %v", c.codec, level, p.strength, err)
			}
			p.release() // another level must not get it
		}
	}
}

func TestValidateSetRecompresses(t *testing.T) {
	for _, from := range Codecs()[:4] {
		b := NewBuilder(from)
		for i := range 50 {
			b.Add(int64(i), fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte("v"), i))
		}
		d := Downconversion{Magic: 1}
		set, err := d.Append(nil, build(t, b))
		if err != nil {
			t.Fatal(err)
		}
		want, err := collect(build(t, b))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range Codecs() {
			one, info, err := ValidateSet(set, in(to))
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(one)
			if err != nil || info.Header.Codec() != to || !reflect.DeepEqual(got, want) {
				t.Fatalf("%v to %v: %+v, %v", from, to, info.Header, err)
			}
			rules := in(to)
			rules.MaxBatchBytes = 300
			if _, _, err := ValidateSet(set, rules); to == None && !errors.As(err, new(*TooLargeError)) {
				t.Fatalf("%v to %v: %v", from, to, err)
			}
		}
		if one, _, err := ValidateSet(set, open); err != nil || headerOf(one).Codec() != from {
			t.Fatal(from, err)
		}
		// Such a request may hold a batch, too.
		if one, _, err := ValidateSet(build(t, b), in(Zstd)); err != nil || headerOf(one).Codec() != Zstd {
			t.Fatal(from, err)
		}
	}
}

// Storing a batch in the codec that it came in costs what checking it costs.
func TestValidateBatchAllocatesNothingToKeepABatch(t *testing.T) {
	if raceEnabled {
		return // the race detector empties pools at random
	}
	for codec, most := range map[Codec]float64{None: 0, Gzip: 2, Snappy: 0, LZ4: 2, Zstd: 2} {
		batch := typical(t, codec)
		for _, rules := range []Rules{open, in(codec)} {
			got := testing.AllocsPerRun(200, func() {
				if _, _, err := ValidateBatch(batch, rules); err != nil {
					t.Fatal(err)
				}
			})
			if got > most {
				t.Errorf("%v: %v allocations", codec, got)
			}
		}
	}
}

// FuzzValidateBatch: what Validate refuses is refused, and of what it accepts the
// new batch has the same records. It packs in snappy or not at all: the other codecs'
// writers take another way each time, which leads the fuzzer astray.
func FuzzValidateBatch(f *testing.F) {
	for _, codec := range Codecs() {
		f.Add(sample(f, codec, 5), true)
		f.Add(sample(f, codec, 50), false)
		b := NewBuilder(codec)
		b.Add(5, nil, bytes.Repeat([]byte("larger than a window"), windowSize/15))
		f.Add(build(f, b), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, asIs bool) {
		if !asIs && len(b) >= HeaderSize { // past the length and the CRC
			b = fix(bytes.Clone(b))
		}
		to := None
		if h, err := ParseHeader(b); err == nil && h.Codec() == None {
			to = Snappy
		}
		rules := in(to)
		rules.MaxExpandedBytes = fuzzLimit
		before := bytes.Clone(b)
		one, info, err := ValidateBatch(b, rules)
		_, want := Validate(bytes.Clone(before), rules)
		if err != nil {
			typed(t, err)
			if !bytes.Equal(b, before) {
				t.Fatal("a refused batch was changed")
			}
			if want == nil && !errors.As(err, new(*TimestampError)) {
				t.Fatal(err)
			}
			return
		}
		if want != nil {
			t.Fatalf("taken, and Validate says %v", want)
		}
		if again, err := Validate(bytes.Clone(one), open); err != nil || again.Header != info.Header || info.Header.Codec() != to {
			t.Fatal(again, info, err)
		}
		was, err := collect(before)
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(one)
		if err != nil || len(got) != len(was) {
			t.Fatal(len(got), len(was), err)
		}
		for i, r := range got {
			w := was[i]
			if w.Timestamp != r.Timestamp || w.OffsetDelta != r.OffsetDelta || !reflect.DeepEqual(w.Key, r.Key) || !reflect.DeepEqual(w.Value, r.Value) || !reflect.DeepEqual(w.Headers, r.Headers) {
				t.Fatalf("%+v became %+v", w, r)
			}
		}
	})
}

func BenchmarkValidateBatch(b *testing.B) {
	for _, c := range []struct{ from, to Codec }{{None, None}, {None, Gzip}, {None, Snappy}, {None, LZ4}, {None, Zstd}, {Gzip, LZ4}, {Zstd, None}} {
		b.Run(c.from.String()+"-"+c.to.String(), func(b *testing.B) {
			sent := typical(b, c.from)
			b.ReportAllocs()
			b.SetBytes(int64(len(typical(b, None))))
			for b.Loop() {
				if _, _, err := ValidateBatch(sent, in(c.to)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
