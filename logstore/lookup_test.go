package logstore

import (
	"bytes"
	"runtime"
	"sync"
	"testing"

	"klamm/protocol/batch"
)

// TestLargeIndex looks offsets, sizes and times up in indexes of many blocks, of
// the active segment and of a sealed one.
func TestLargeIndex(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.IndexIntervalBytes, c.SegmentBytes = 1, 300_000
	l := mustOpen(t, testOptions(disk, c))
	const batches = 5000
	one := build(t, spec{count: 2, ts: testNow})
	for i := range int64(batches) {
		data := build(t, spec{count: 2, ts: testNow + 2*i})
		if r := appendOne(t, l, data, 0, testNow); r.BaseOffset != 2*i {
			t.Fatalf("%+v", r)
		}
	}
	v := l.snapshot()
	if n := v.segments[0].offsets.onFile; n < 2*indexBlock/offsetEntrySize || l.Segments() != 2 {
		t.Fatalf("%d entries, %d segments", n, l.Segments())
	}
	for offset := int64(0); offset < 2*batches; offset += 7 {
		size := int(offset%1000) + len(one)
		r, err := l.Read(offset, size, 1<<62, true)
		if err != nil {
			t.Fatal(err)
		}
		left := int(v.size(v.floor(offset)) - r.Pos)
		if want := min(size, left) / len(one) * len(one); r.Len != want {
			t.Fatalf("offset %d: %d bytes of %d, want %d", offset, r.Len, size, want)
		}
		h, err := batch.ParseHeader(readBytes(t, &r))
		if err != nil || h.BaseOffset != offset/2*2 {
			t.Fatalf("offset %d: batch %d, %v", offset, h.BaseOffset, err)
		}
		r.Release()
		at, found, err := l.OffsetForTimestamp(testNow + offset)
		if err != nil || !found || at.Offset != offset {
			t.Fatalf("time of %d: %+v, %v", offset, at, err)
		}
	}
}

// TestReadMendsIndex reads where the index of a sealed segment points into a
// batch or past the end of the next.
func TestReadMendsIndex(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"into a batch":          func(b []byte) []byte { b[7] += 5; return b },
		"to a later batch":      func(b []byte) []byte { copy(b[4:8], b[len(b)-4:]); return b },
		"before the segment":    func(b []byte) []byte { b[4] = 0x80; return b },
		"past the segment, mid": func(b []byte) []byte { b[4] = 0x7f; return b },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, true)
			f.edit(t, 1, indexSuffix, change)
			l := mustOpen(t, f.o)
			for _, size := range []int{1, 200, 100_000} {
				for i, b := range f.all[7:13] {
					r, err := l.Read(b.h.BaseOffset, size, 1<<62, true)
					if err != nil {
						t.Fatalf("batch %d: %v", i, err)
					}
					if got := readBytes(t, &r); !bytes.HasPrefix(got, b.data) {
						t.Fatalf("batch %d: %d bytes that are not it", i, len(got))
					}
					r.Release()
				}
			}
		})
	}
}

// TestReadersBesideTruncation has readers at the end while it is cut off again
// and again; none may take that for a broken disk.
func TestReadersBesideTruncation(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 2000, 1
	l := mustOpen(t, testOptions(disk, c))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				end := l.EndOffset()
				r, err := l.Read(max(0, end-3), 300, end, true)
				if _, gone := err.(*OffsetOutOfRangeError); err != nil && !gone {
					t.Errorf("read: %v", err)
					return
				}
				r.Release()
				if _, _, err := l.OffsetForTimestamp(testNow + end - 5); err != nil {
					t.Errorf("time: %v", err)
					return
				}
			}
		})
	}
	for i := range int64(600) {
		if r := appendOne(t, l, build(t, spec{size: int(i % 90), ts: testNow + i}), 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		if i%5 == 4 {
			if err := l.TruncateTo(l.EndOffset()-3, testNow); err != nil {
				t.Fatal(err)
			}
			runtime.Gosched()
		}
	}
	close(stop)
	wg.Wait()
}

func TestLeaderEpochs(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	answer := func(epoch, found int32, end int64, ok bool) {
		t.Helper()
		if f, e, o := l.EndOffsetForEpoch(epoch); f != found || e != end || o != ok {
			t.Errorf("epoch %d: %d ends at %d, %v, want %d, %d, %v", epoch, f, e, o, found, end, ok)
		}
	}
	answer(0, -1, -1, false)
	l.AssignLeaderEpoch(2)
	l.AssignLeaderEpoch(2)
	answer(2, 2, 0, true)
	answer(1, 1, 0, true)
	if names, _ := disk.ReadDir(testDir); len(names) != 3 {
		t.Errorf("an epoch without a batch is on the disk: %v", names)
	}
	appendOne(t, l, build(t, spec{count: 5}), 4, testNow)
	appendOne(t, l, build(t, spec{count: 5}), 6, testNow)
	answer(4, 4, 5, true)
	answer(5, 4, 5, true)
	answer(6, 6, 10, true)
	answer(7, -1, -1, false)
	answer(-1, -1, -1, false)
	for offset, want := range map[int64]int32{0: 4, 4: 4, 5: 6, 9: 6, 99: 6} {
		if got := l.EpochAt(offset); got != want {
			t.Errorf("offset %d: epoch %d, want %d", offset, got, want)
		}
	}
	l.SetHighWatermark(10)
	if _, err := l.DeleteRecordsBefore(7); err != nil {
		t.Fatal(err)
	}
	answer(4, 4, 7, true)
	if got := l.BytesAppended(); got != l.SizeBytes() || got == 0 {
		t.Errorf("%d bytes appended", got)
	}
}

// TestRetentionWithoutTimestamps goes by when the file was written.
func TestRetentionWithoutTimestamps(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.RetentionMs = 1000
	l := mustOpen(t, testOptions(disk, c))
	appendOne(t, l, build(t, spec{ts: -1}), 0, testNow)
	l.SetHighWatermark(1)
	info, err := disk.Stat(testDir + "/" + fileName(0, logSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for ms, want := range map[int64]int{1000: 0, 1001: 1} {
		n, _, err := l.Retain(info.ModTime().UnixMilli() + ms)
		if err != nil || n != want && ms == 1000 {
			t.Errorf("%d ms later: %d segments, %v", ms, n, err)
		}
	}
	if _, _, err := l.Retain(info.ModTime().UnixMilli() + 1001); err != nil || l.StartOffset() != 1 {
		t.Errorf("start %d, %v", l.StartOffset(), err)
	}
}
