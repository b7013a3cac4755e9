package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomBatch makes a batch of records with all that records may have.
func randomBatch(t testing.TB, r *rand.Rand, codec Codec) []byte {
	b := NewBuilder(codec)
	b.BaseOffset, b.LeaderEpoch, b.LogAppendTime = r.Int64N(1<<40), r.Int32N(9), r.IntN(4) == 0
	if r.IntN(2) == 0 {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = r.Int64N(9), 1, r.Int32(), r.IntN(2) == 0
	}
	offset := int32(0)
	for range r.IntN(30) {
		var key, value []byte
		if r.IntN(5) > 0 {
			key = fmt.Appendf(nil, "key %d", r.IntN(20))
		}
		if r.IntN(3) > 0 {
			value = bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(60)*r.IntN(60))
		}
		b.AddAt(offset, r.Int64N(1<<41)-1, key, value, RecordHeader{Key: "h", Value: value[:min(len(value), 3)]}, RecordHeader{Key: ""})
		offset += 1 + r.Int32N(3)
	}
	data, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if b.LogAppendTime {
		SetLogAppendTime(data, 1_700_000_000_000)
	}
	return data
}

func allRecords(t testing.TB, b []byte) (list []Record) {
	t.Helper()
	if len(b) == 0 {
		return nil
	}
	if err := CheckCRC(b); err != nil {
		t.Fatal(err)
	}
	for r, err := range Records(b, 0) {
		if err != nil {
			t.Fatal(err)
		}
		r.TimestampDelta = 0 // it may be told from another base
		list = append(list, r)
	}
	return list
}

// TestFilterKeepsWhatItShould leaves records out at random and compares what is
// left with what was there, twice over.
func TestFilterKeepsWhatItShould(t *testing.T) {
	const horizon = 1_800_000_000_000
	r := rand.New(rand.NewPCG(1, 2))
	var f Filter
	for n := range 600 {
		data := randomBatch(t, r, Codecs()[n%5])
		rate := r.IntN(5)
		for range 2 {
			data = filterOnce(t, &f, data, horizon, r, rate)
			if len(data) == 0 {
				break
			}
		}
	}
}

func filterOnce(t *testing.T, f *Filter, data []byte, horizon int64, rnd *rand.Rand, rate int) []byte {
	t.Helper()
	h, _ := ParseHeader(data)
	all := allRecords(t, data)
	var want []Record
	tombstones := false
	i := 0
	rules := Retention{HorizonMs: horizon, RetainEmpty: rnd.IntN(2) == 0, Mark: rnd.IntN(4) == 0, Keep: func(s *Seen) bool {
		r := all[i]
		i++
		if s.Offset != r.Offset || !bytes.Equal(s.Key, r.Key) || (s.Key == nil) != (r.Key == nil) || s.Tombstone != (r.Value == nil) {
			t.Fatalf("seen %+v, record %+v", s, r)
		}
		if rnd.IntN(4) < rate {
			want = append(want, r)
			tombstones = tombstones || r.Value == nil
			return true
		}
		return false
	}}
	out, read, kept, err := f.Append([]byte("before"), data, &rules)
	if err != nil || read != len(all) || kept != len(want) || string(out[:6]) != "before" {
		t.Fatalf("read %d of %d, kept %d of %d: %v", read, len(all), kept, len(want), err)
	}
	out = out[6:]
	if len(want) == 0 && !rules.RetainEmpty {
		if len(out) > 0 {
			t.Fatalf("%d bytes of nothing", len(out))
		}
		return nil
	}
	got, err := ParseHeader(out)
	if err != nil || got.Size() != len(out) {
		t.Fatal(err)
	}
	if !slices.EqualFunc(allRecords(t, out), want, func(a, b Record) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }) {
		t.Fatalf("kept %+v\nwant %+v", allRecords(t, out), want)
	}
	if got.BaseOffset != h.BaseOffset || got.LastOffset() != h.LastOffset() || got.PartitionLeaderEpoch != h.PartitionLeaderEpoch ||
		got.ProducerID != h.ProducerID || got.ProducerEpoch != h.ProducerEpoch || got.BaseSequence != h.BaseSequence ||
		got.Transactional() != h.Transactional() || got.LogAppendTime() != h.LogAppendTime() || int(got.Count) != len(want) {
		t.Fatalf("header %+v of %+v", got, h)
	}
	if len(want) == 0 {
		if got.Codec() != None || got.HasDeleteHorizon() || got.MaxTimestamp != h.MaxTimestamp || got.BaseTimestamp != NoTimestamp {
			t.Fatalf("empty batch %+v of %+v", got, h)
		}
		return out
	}
	if marked := h.HasDeleteHorizon() || tombstones || rules.Mark; got.HasDeleteHorizon() != marked || marked && got.BaseTimestamp != horizon || got.Codec() != h.Codec() {
		t.Fatalf("header %+v of %+v, tombstones %v", got, h, tombstones)
	}
	if len(want) == len(all) && got.HasDeleteHorizon() == h.HasDeleteHorizon() && !bytes.Equal(out, data) {
		t.Fatal("a batch of which nothing is left out changed")
	}
	return out
}

func TestFilterRefusesWhatItCannotRead(t *testing.T) {
	b := NewBuilder(Zstd)
	b.Add(1, []byte("k"), bytes.Repeat([]byte("x"), 100_000))
	data, _ := b.Build()
	var f Filter
	var large *TooLargeError
	keep := &Retention{Keep: func(*Seen) bool { return true }, Limit: 10_000}
	if out, _, _, err := f.Append([]byte("x"), data, keep); !errors.As(err, &large) || string(out) != "x" {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := f.Keys(data, 10_000, func(*Seen) bool { return true }); !errors.As(err, &large) {
		t.Errorf("beyond the limit: %v", err)
	}
	data[len(data)-1] ^= 0xff
	data[len(data)-9] ^= 0xff
	if out, _, _, err := f.Append(nil, data, &Retention{Keep: func(*Seen) bool { return true }}); err == nil || out != nil {
		t.Error("a batch that is no zstd was taken")
	}
	if _, _, _, err := f.Append(nil, data[:40], keep); err == nil {
		t.Error("half a header was taken")
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, codec := range Codecs() {
		b.Run(codec.String(), func(b *testing.B) {
			build := NewBuilder(codec)
			for i := range 1000 {
				build.Add(int64(i), fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte(fmt.Sprint(i)), 25))
			}
			data, err := build.Build()
			if err != nil {
				b.Fatal(err)
			}
			var f Filter
			var out []byte
			b.SetBytes(int64(build.Size()))
			b.ReportAllocs()
			for b.Loop() {
				out, _, _, err = f.Append(out[:0], data, &Retention{Limit: math.MaxInt32, Keep: func(s *Seen) bool { return s.Offset%2 == 0 }})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
