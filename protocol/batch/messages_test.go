package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"runtime"
	"testing"
)

var oldCodecs = []Codec{None, Gzip, Snappy, LZ4}

var (
	openSet = Rules{TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64}
	nulls   = []Record{
		{Timestamp: 50, Key: []byte("k"), Value: []byte("v")}, {Timestamp: 40, Value: []byte("no key")},
		{Timestamp: 60, Key: []byte("tombstone")}, {Timestamp: 45, Key: []byte{}, Value: []byte{}},
	}
)

// set makes a message set of records at offsets from 10 on.
func set(t testing.TB, magic int8, codec Codec, records []Record) []byte {
	t.Helper()
	b := NewBuilder(codec)
	b.BaseOffset = 10
	for _, r := range records {
		b.Add(r.Timestamp, r.Key, r.Value, RecordHeader{Key: "lost"})
	}
	d := Downconversion{Magic: magic}
	out, err := d.Append(nil, build(t, b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSetsComeBack(t *testing.T) {
	many := make([]Record, 3000)
	for i := range many {
		many[i] = Record{Timestamp: int64(i), Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte("value"), i%50)}
	}
	big := []Record{{Timestamp: 1, Key: bytes.Repeat([]byte("k"), 100_000), Value: bytes.Repeat([]byte("v"), 3_000_000)}}
	for name, records := range map[string][]Record{"nulls": nulls, "many": many, "big": big} {
		for magic := range int8(2) {
			for _, codec := range oldCodecs {
				t.Run(fmt.Sprint(name, "/", magic, "/", codec), func(t *testing.T) {
					sent := set(t, magic, codec, records)
					before := bytes.Clone(sent)
					one, info, err := ValidateSet(sent, openSet)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(sent, before) {
						t.Error("the set was changed")
					}
					if err := CheckCRC(one); err != nil {
						t.Error(err)
					}
					if h, err := ParseHeader(one); err != nil || h != info.Header || h.Codec() != codec || int(h.Count) != len(records) {
						t.Errorf("%+v, %v", h, err)
					}
					if _, err := Validate(one, openSet); err != nil {
						t.Errorf("what was converted is refused: %v", err)
					}
					checkSame(t, one, sent, records, magic)
				})
			}
		}
	}
}

// checkSame compares the records of a batch and of a set with those wanted.
func checkSame(t *testing.T, one, sent []byte, want []Record, magic int8) {
	t.Helper()
	var stored, told []Record
	for r, err := range Records(one, 0) {
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, r)
	}
	for r, err := range Messages(sent, 0) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, r)
	}
	if len(stored) != len(want) || len(told) != len(want) {
		t.Fatalf("%d stored, %d told, %d wanted", len(stored), len(told), len(want))
	}
	for i, w := range want {
		if magic == 0 {
			w.Timestamp = NoTimestamp
		}
		for at, got := range map[int64]Record{int64(i): stored[i], int64(i) + 10: told[i]} {
			if got.Offset != at || got.Timestamp != w.Timestamp || !reflect.DeepEqual(got.Key, w.Key) || !reflect.DeepEqual(got.Value, w.Value) || got.Headers != nil {
				t.Fatalf("record %d is %+v, want %+v", i, got, w)
			}
		}
	}
}

func TestDownconversionKeepsGapsAndDropsWhatLiesBefore(t *testing.T) {
	for magic := range int8(2) {
		for _, codec := range oldCodecs {
			b := NewBuilder(codec)
			b.BaseOffset = 100
			for _, delta := range []int32{2, 3, 7} {
				b.AddAt(delta, int64(delta), []byte{byte(delta)}, nil)
			}
			one := build(t, b)
			d := Downconversion{Magic: magic, From: 103}
			dst := []byte("before")
			out, err := d.Append(dst, one)
			if err != nil || !bytes.HasPrefix(out, dst) {
				t.Fatal(err)
			}
			var offsets []int64
			for r, err := range Messages(out[len(dst):], 0) {
				if err != nil {
					t.Fatal(err)
				}
				offsets = append(offsets, r.Offset)
			}
			want := []int64{102, 103, 107}
			if codec == None {
				want = want[1:]
			}
			if !reflect.DeepEqual(offsets, want) {
				t.Errorf("magic %d %v: %v, want %v", magic, codec, offsets, want)
			}
		}
	}
}

func TestDownconversionOfWhatHasNoForm(t *testing.T) {
	control := NewBuilder(None)
	control.Control = true
	control.Add(1, []byte{0, 0, 0, 1}, nil)
	empty := bytes.Clone(sample(t, None, 1)[:HeaderSize])
	binary.BigEndian.PutUint32(empty[countAt:], 0)
	binary.BigEndian.PutUint32(empty[lengthAt:], HeaderSize-Overhead)
	for name, b := range map[string][]byte{"control batch": build(t, control), "batch without records": empty} {
		d := Downconversion{Magic: 1}
		if out, err := d.Append(nil, b); err != nil || len(out) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	d := Downconversion{Magic: 1}
	if _, err := d.Append(nil, sample(t, Zstd, 3)); !errors.As(err, new(*CodecError)) {
		t.Errorf("zstd: %v", err)
	}
	// Magic 1 goes to magic 0, and both to magic 1 as they are.
	old := set(t, 1, Gzip, nulls)
	if out, err := d.Append(nil, old); err != nil || !bytes.Equal(out, old) {
		t.Errorf("magic 1 to 1: %v", err)
	}
	d.Magic = 0
	out, err := d.Append(nil, old)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for r, err := range Messages(out, 0) {
		if err != nil || r.Offset != 10+n || r.Timestamp != NoTimestamp {
			t.Fatalf("%+v, %v", r, err)
		}
		n++
	}
	if n != int64(len(nulls)) {
		t.Errorf("%d messages", n)
	}
}

func TestTimestampsThatTheBrokerSet(t *testing.T) {
	for _, codec := range oldCodecs {
		b := NewBuilder(codec)
		b.LogAppendTime = true
		b.Add(5, nil, nil)
		b.Add(9, nil, nil)
		one := build(t, b)
		SetLogAppendTime(one, 777)
		d := Downconversion{Magic: 1}
		out, err := d.Append(nil, one)
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range Messages(out, 0) {
			if err != nil || r.Timestamp != 777 {
				t.Errorf("%v: %+v, %v", codec, r, err)
			}
		}
		if out[messageAttributesAt]&logAppendTimeBit == 0 {
			t.Errorf("%v: the attributes do not say so", codec)
		}
		if _, _, err := ValidateSet(out, Rules{LogAppendTime: true}); !errors.As(err, new(*TimestampError)) {
			t.Errorf("%v: a client that says so is not refused: %v", codec, err)
		}
	}
}

// Each byte of a set, changed, is refused, or changes nothing but what no CRC covers.
func TestCorruptSets(t *testing.T) {
	for magic := range int8(2) {
		for _, codec := range oldCodecs {
			records := nulls
			if codec == None {
				records = nulls[:1] // so that there is one offset
			}
			good := set(t, magic, codec, records)
			for at := range good {
				if at < lengthAt {
					continue // the offset, which is not looked at
				}
				bad := bytes.Clone(good)
				bad[at] ^= 0x15
				if _, _, err := ValidateSet(bad, openSet); err == nil {
					t.Fatalf("magic %d %v: byte %d was changed and nobody saw", magic, codec, at)
				} else {
					typed(t, err)
				}
			}
			for cut := 1; cut < len(good); cut++ {
				_, _, err := ValidateSet(good[:cut], openSet)
				if err == nil {
					t.Fatalf("magic %d %v: the first %d of %d bytes were taken", magic, codec, cut, len(good))
				}
				typed(t, err)
			}
		}
	}
}

// resealed gives the first message of a set a CRC that fits.
func resealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[messageCRCAt:], crc32.ChecksumIEEE(b[magicAt:]))
	return b
}

func TestLyingSizes(t *testing.T) {
	inner := set(t, 1, None, nulls[:1])
	wrap := func(inside []byte) []byte {
		p, err := newPacker(as(Gzip), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(inside); err != nil {
			t.Fatal(err)
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		return appendMessage(nil, &message{magic: 1, attributes: int8(Gzip), value: p.out})
	}
	changed := func(at int, bytes4 uint32) []byte {
		b := bytes.Clone(inner)
		binary.BigEndian.PutUint32(b[at:], bytes4)
		return b
	}
	const keySizeAt = 26
	cases := map[string][]byte{
		"a message of 2 GiB inside":      wrap(changed(lengthAt, math.MaxInt32)),
		"a message of -1 bytes inside":   wrap(changed(lengthAt, math.MaxUint32)),
		"a message of 14 bytes inside":   wrap(resealed(changed(lengthAt, 14))),
		"a key of 2 GiB inside":          wrap(resealed(changed(keySizeAt, math.MaxInt32))),
		"a key of 2 GiB":                 resealed(changed(keySizeAt, math.MaxInt32)),
		"a value of 2 GiB":               resealed(changed(keySizeAt+5, math.MaxInt32)),
		"a value of 2 GiB inside":        wrap(resealed(changed(keySizeAt+5, math.MaxInt32))),
		"a value one too short inside":   wrap(resealed(changed(keySizeAt+5, 0))),
		"gzip, claims to be no snappy":   resealed(func() []byte { b := wrap(inner); b[messageAttributesAt] = byte(Snappy); return b }()),
		"nothing inside":                 wrap(nil),
		"half a message inside":          wrap(inner[:len(inner)-1]),
		"a wrapper inside":               wrap(wrap(inner)),
		"a batch inside":                 wrap(sample(t, None, 1)),
		"a batch behind":                 append(bytes.Clone(inner), sample(t, None, 1)...),
		"a size below that of a message": changed(lengthAt, 13),
	}
	for name, b := range cases {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := ValidateSet(b, openSet)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s is stored", name)
			continue
		}
		typed(t, err)
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
}

// 250 KB that expand to 200 MB take no memory of that size, whatever becomes of them.
func TestAWrapperIsConvertedAsAStream(t *testing.T) {
	p, err := newPacker(as(Gzip), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	const size = 200 << 20
	head := beginMessage(nil, &message{magic: 1})
	binary.BigEndian.PutUint32(head[lengthAt:], uint32(messageOverhead1+size))
	head = binary.BigEndian.AppendUint32(head, math.MaxUint32)
	head = binary.BigEndian.AppendUint32(head, size)
	zero := make([]byte, 1<<20)
	sum := crc32.ChecksumIEEE(head[magicAt:])
	for range size / len(zero) {
		sum = crc32.Update(sum, crc32.IEEETable, zero)
	}
	binary.BigEndian.PutUint32(head[messageCRCAt:], sum)
	if _, err := p.Write(head); err != nil {
		t.Fatal(err)
	}
	for range size / len(zero) {
		if _, err := p.Write(zero); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	wrapped := appendMessage(nil, &message{magic: 1, attributes: int8(Gzip), value: p.out})
	for name, c := range map[string]struct {
		rules Rules
		fails bool
	}{
		"stored":               {openSet, false},
		"more than may expand": {Rules{MaxExpandedBytes: 1 << 20}, true},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		one, _, err := ValidateSet(wrapped, c.rules)
		runtime.ReadMemStats(&after)
		if (err != nil) != c.fails {
			t.Fatalf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
		if err == nil {
			d := Downconversion{Magic: 1}
			if _, err := d.Append(nil, one); !errors.As(err, new(*TooLargeError)) {
				t.Errorf("a record of 200 MB is converted back: %v", err)
			}
		}
	}
}

// Converting costs the memory of what comes out, and few pieces whatever the
// number of messages.
func TestValidateSetAllocates(t *testing.T) {
	if raceEnabled {
		return // the race detector empties pools at random
	}
	records := make([]Record, 1000)
	for i := range records {
		records[i] = Record{Timestamp: int64(i), Value: []byte("value")}
	}
	for codec, most := range map[Codec]float64{None: 10, Gzip: 10, Snappy: 20, LZ4: 10} {
		sent := set(t, 1, codec, records)
		got := testing.AllocsPerRun(50, func() {
			if _, _, err := ValidateSet(sent, openSet); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%v: %v allocations", codec, got)
		}
	}
}

// FuzzValidateSet: what is accepted becomes a batch that Validate accepts, with the
// records that the set has; what is refused has a type of this package.
func FuzzValidateSet(f *testing.F) {
	for magic := range int8(2) {
		for _, codec := range oldCodecs {
			f.Add(set(f, magic, codec, nulls), true, byte(0))
		}
	}
	f.Add(sample(f, Gzip, 3), true, byte(3))
	f.Fuzz(func(t *testing.T, b []byte, asIs bool, flags byte) {
		if !asIs && len(b) > messageAttributesAt { // past the size and the CRC
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-Overhead))
			resealed(b)
		}
		rules := Rules{MaxExpandedBytes: fuzzLimit, MaxBatchBytes: fuzzLimit, KeyRequired: flags&1 != 0, LogAppendTime: flags&2 != 0,
			NowMs: 1000, TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64}
		one, info, err := ValidateSet(b, rules)
		if err != nil {
			typed(t, err)
			return
		}
		if _, err := Validate(one, rules); err != nil {
			t.Fatalf("what was converted is refused: %v", err)
		}
		if len(b) > magicAt && b[magicAt] == Magic {
			return
		}
		n := int32(0)
		stored, _ := collect(one)
		for r, err := range Messages(b, fuzzLimit) {
			if err != nil {
				t.Fatal(err)
			}
			if s := stored[n]; !bytes.Equal(r.Key, s.Key) || !bytes.Equal(r.Value, s.Value) || (r.Key == nil) != (s.Key == nil) || (r.Value == nil) != (s.Value == nil) || r.Timestamp != s.Timestamp {
				t.Fatalf("message %d is %+v, stored is %+v", n, r, s)
			}
			n++
		}
		if n != info.Header.Count {
			t.Fatalf("%d messages, the batch has %d records", n, info.Header.Count)
		}
	})
}

// FuzzDownconversion: what is made of a batch can be read, and holds its records.
func FuzzDownconversion(f *testing.F) {
	for _, codec := range Codecs() {
		f.Add(sample(f, codec, 5), int8(1))
		f.Add(sample(f, codec, 3), int8(0))
	}
	f.Add(set(f, 1, Gzip, nulls), int8(0))
	f.Fuzz(func(t *testing.T, b []byte, magic int8) {
		d := Downconversion{Magic: magic & 1, MaxExpandedBytes: fuzzLimit}
		out, err := d.Append(nil, b)
		if err != nil {
			typed(t, err)
			return
		}
		if IsMessageSet(b) && int8(b[magicAt]) <= d.Magic {
			return // as it is
		}
		n := 0
		for _, err := range Messages(out, 2*fuzzLimit) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if records, err := collect(b); err == nil && !IsMessageSet(b) && len(out) > 0 {
			kept := 0
			h, _ := ParseHeader(b)
			for _, r := range records {
				if h.Codec() != None || r.Offset >= 0 {
					kept++
				}
			}
			if n != kept {
				t.Fatalf("%d messages of %d records", n, kept)
			}
		}
	})
}

func BenchmarkValidateSet(b *testing.B) {
	records := make([]Record, 1000)
	for i := range records {
		records[i] = Record{Timestamp: int64(i), Key: fmt.Append(nil, "key-", i), Value: fmt.Appendf(nil, "%090d", i*i)}
	}
	for _, codec := range oldCodecs {
		b.Run(codec.String(), func(b *testing.B) {
			sent := set(b, 1, codec, records)
			b.SetBytes(int64(len(set(b, 1, None, records))))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ValidateSet(sent, openSet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDownconversion(b *testing.B) {
	for _, codec := range oldCodecs {
		b.Run(codec.String(), func(b *testing.B) {
			one := typical(b, codec)
			d := Downconversion{Magic: 1}
			b.SetBytes(int64(len(typical(b, None))))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				var err error
				if out, err = d.Append(out[:0], one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
