package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// TestConcurrent has producers, readers, syncs and retention on one log at the
// same time, on the real disk with few open files. Every reader must find what
// producers were told, and each producer's batches in its order.
func TestConcurrent(t *testing.T) {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.RetentionBytes, c.RetentionMs = 20000, 500, 100000, -1
	o := Options{
		FS: vfs.OS{}, Dir: t.TempDir(), Partition: protocol.TopicPartition{Topic: "t"}, Config: c, NowMs: testNow,
		Files: NewFileBudget(4),
	}
	l := mustOpen(t, o)
	const producers, each = 6, 400
	var wg sync.WaitGroup
	var running atomic.Int32
	running.Store(producers)
	for p := range producers {
		wg.Go(func() {
			defer running.Add(-1)
			for i := range each {
				data := build(t, spec{count: 1 + i%3, ts: testNow, payload: fmt.Sprintf("p%d-%d", p, i), idem: true, pid: int64(p), seq: int32(i/3*6 + [3]int{0, 1, 3}[i%3])})
				if r := appendOne(t, l, data, 0, testNow); r.Err != nil || r.Duplicate {
					t.Errorf("producer %d: %+v", p, r)
					return
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() { followLog(t, l, &running) })
	}
	wg.Go(func() {
		for running.Load() > 0 {
			l.SetHighWatermark(l.EndOffset())
			_, _, err := l.Retain(testNow)
			_, _, terr := l.OffsetForTimestamp(testNow)
			if err := errors.Join(err, terr, l.Flush(l.EndOffset())); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	if l.EndOffset() != producers*(each/3*6+1) {
		t.Errorf("end %d", l.EndOffset())
	}
	if err := errors.Join(checkIndexes(l), l.Close()); err != nil {
		t.Error(err)
	}
	if n := l.files.Open(); n != 0 {
		t.Errorf("%d files are open after closing", n)
	}
}

// followLog reads to the end as long as producers run, and on where retention
// took its place away.
func followLog(t *testing.T, l *Log, running *atomic.Int32) {
	next := int64(0)
	for {
		done := running.Load() == 0
		r, err := l.Read(next, 3000, 1<<62, true)
		var out *OffsetOutOfRangeError
		if errors.As(err, &out) {
			next = out.Start
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		if r.Len == 0 && done {
			return
		}
		b := make([]byte, r.Len)
		if n, err := r.ReadAt(b, 0); n != len(b) {
			t.Errorf("read %d of %d bytes: %v", n, len(b), err)
		}
		r.Release()
		for len(b) > 0 {
			h, err := batch.ParseHeader(b)
			if err != nil || batch.CheckCRC(b) != nil || h.LastOffset() < next || h.BaseOffset > next {
				t.Errorf("at %d: %+v, %v", next, h, err)
				return
			}
			next = h.NextOffset()
			b = b[h.Size():]
		}
	}
}

// TestCombinedAppends parks producers behind one that writes and expects them in
// one write.
func TestCombinedAppends(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	appendOne(t, l, build(t, spec{}), 0, testNow)
	writes := 0
	parked, entered := make(chan struct{}), make(chan struct{})
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpWrite {
			if writes++; writes == 1 {
				close(entered)
				<-parked
			}
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { appendOne(t, l, build(t, spec{}), 0, testNow) })
	<-entered
	const waiting = 20
	for range waiting {
		op := make(chan struct{})
		wg.Go(func() {
			close(op)
			appendOne(t, l, build(t, spec{}), 0, testNow)
		})
		<-op
	}
	for queued(&l.queue) < waiting {
		runtime.Gosched()
	}
	close(parked)
	wg.Wait()
	if writes != 2 || l.EndOffset() != waiting+2 {
		t.Errorf("%d writes, end %d", writes, l.EndOffset())
	}
}

func queued(q *appendQueue) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for op := q.head; op != nil; op = op.next {
		n++
	}
	return n
}

// TestSharedSync has several wait for a sync while another runs: they share the
// next one.
func TestSharedSync(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	appendOne(t, l, build(t, spec{}), 0, testNow)
	flushTo(t, l, 1) // with it the leader epoch, which has a file of its own
	appendOne(t, l, build(t, spec{}), 0, testNow)
	syncs := 0
	parked, entered := make(chan struct{}), make(chan struct{})
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpSync {
			if syncs++; syncs == 1 {
				close(entered)
				<-parked
			}
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { flushTo(t, l, 2) })
	<-entered
	for i := range 10 {
		appendOne(t, l, build(t, spec{}), 0, testNow)
		wg.Go(func() { flushTo(t, l, int64(i+3)) })
	}
	close(parked)
	wg.Wait()
	if syncs > 2 || l.RecoveryPoint() != 12 {
		t.Errorf("%d syncs, recovery point %d", syncs, l.RecoveryPoint())
	}
}

func flushTo(t *testing.T, l *Log, offset int64) {
	if err := l.Flush(offset); err != nil || l.RecoveryPoint() < offset {
		t.Errorf("flush to %d: recovery point %d, %v", offset, l.RecoveryPoint(), err)
	}
}

// TestRegionOutlivesItsSegment reads a region whose segment was deleted.
func TestRegionOutlivesItsSegment(t *testing.T) {
	c := DefaultConfig()
	c.SegmentBytes, c.RetentionBytes = 200, 0
	l := mustOpen(t, Options{
		FS: vfs.OS{}, Dir: t.TempDir(), Partition: protocol.TopicPartition{Topic: "t"}, Config: c, NowMs: testNow, Files: NewFileBudget(1),
	})
	data := build(t, spec{size: 100})
	for range 3 {
		appendOne(t, l, bytes.Clone(data), 0, testNow)
	}
	r, err := l.Read(0, 1000, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	l.SetHighWatermark(3)
	if n, _, err := l.Retain(testNow); n != 3 || err != nil {
		t.Fatalf("%d segments deleted, %v", n, err)
	}
	got := readBytes(t, &r)
	r.Release()
	r.Release()
	if !bytes.Equal(got[61:], data[61:]) {
		t.Error("region differs")
	}
	if err := l.Close(); err != nil || l.files.Open() != 0 {
		t.Errorf("close: %v, %d files open", err, l.files.Open())
	}
}

// TestDiscardEndsSyncs discards a log while others sync it, and takes its
// directory away: none of them may take that for a failed disk.
func TestDiscardEndsSyncs(t *testing.T) {
	for range 20 {
		disk := newMemDisk(t)
		o := testOptions(disk, DefaultConfig())
		o.Config.SegmentBytes, o.Background = 300, nil
		l := mustOpen(t, o)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					a := []Append{toAppend(t, build(t, spec{size: 50}))}
					l.Append(a, 0, testNow)
					err := a[0].Result.Err
					if err == nil {
						err = l.Flush(l.EndOffset())
					}
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		for l.EndOffset() < 20 {
			runtime.Gosched()
		}
		l.Discard()
		if err := disk.Rename(testDir, testDir+".x-delete"); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if l.Err() != nil {
			t.Fatal(l.Err())
		}
	}
}
