package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

const testDir = "/data/t-0"

// testNow is the time that tests begin at, in ms.
const testNow = 1_700_000_000_000

func testOptions(disk vfs.FS, c Config) Options {
	return Options{
		FS: disk, Dir: testDir, Partition: protocol.TopicPartition{Topic: "t"}, Config: c, NowMs: testNow,
		Background: func(f func()) { f() },
	}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := OpenLog(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newMemDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := errors.Join(m.MkdirAll(testDir), m.SyncDir("/"), m.SyncDir("/data")); err != nil {
		t.Fatal(err)
	}
	return m
}

// spec describes a batch to build.
type spec struct {
	count   int
	size    int // of each value
	ts      int64
	codec   batch.Codec
	pid     int64
	epoch   int16
	seq     int32
	idem    bool
	payload string
}

func build(t testing.TB, s spec) []byte {
	t.Helper()
	b := batch.Builder{Codec: s.codec}
	b.Reset()
	if s.idem {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = s.pid, s.epoch, s.seq
	}
	for i := range max(s.count, 1) {
		value := bytes.Repeat([]byte{byte('a' + i%26)}, s.size)
		if s.payload != "" {
			value = fmt.Appendf(nil, "%s-%d", s.payload, i)
		}
		b.Add(s.ts+int64(i), nil, value)
	}
	data, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func toAppend(t testing.TB, data []byte) Append {
	t.Helper()
	h, err := batch.ParseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	return Append{Data: data, Header: h}
}

func appendOne(t testing.TB, l *Log, data []byte, leaderEpoch int32, nowMs int64) Result {
	t.Helper()
	a := []Append{toAppend(t, data)}
	l.Append(a, leaderEpoch, nowMs)
	return a[0].Result
}

// readBytes reads a region whole.
func readBytes(t testing.TB, r *Region) []byte {
	t.Helper()
	b := make([]byte, r.Len)
	if n, err := r.ReadAt(b, 0); n != len(b) {
		t.Fatalf("region of %d bytes gave %d: %v", len(b), n, err)
	}
	return b
}

// readAll reads the log from offset on in steps of maxBytes.
func readAll(t testing.TB, l *Log, from int64, maxBytes int) []byte {
	t.Helper()
	var all []byte
	for {
		r, err := l.Read(from, maxBytes, 1<<62, true)
		if err != nil {
			t.Fatalf("read %d: %v", from, err)
		}
		if r.Len == 0 {
			return all
		}
		b := readBytes(t, &r)
		r.Release()
		all = append(all, b...)
		for len(b) > 0 {
			h, err := batch.ParseHeader(b)
			if err != nil || h.Size() > len(b) {
				t.Fatalf("region from %d does not hold whole batches: %v", from, err)
			}
			from = h.NextOffset()
			b = b[h.Size():]
		}
	}
}

func TestAppendReadReopen(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 4096, 100
	o := testOptions(disk, c)
	l := mustOpen(t, o)
	var want []byte
	for i := range 200 {
		data := build(t, spec{count: 1 + i%3, size: i, ts: testNow + int64(i)})
		r := appendOne(t, l, data, 0, testNow)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		want = append(want, data...)
	}
	if got := readAll(t, l, 0, 1000); !bytes.Equal(got, want) {
		t.Fatal("read differs from what was appended")
	}
	end := l.EndOffset()
	if l.Segments() < 3 {
		t.Fatalf("%d segments", l.Segments())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Clean = true
	l = mustOpen(t, o)
	if l.EndOffset() != end {
		t.Fatalf("end %d after reopening, want %d", l.EndOffset(), end)
	}
	if got := readAll(t, l, 0, 1000); !bytes.Equal(got, want) {
		t.Fatal("read differs after reopening")
	}
}
