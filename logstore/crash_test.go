package logstore

import (
	"bytes"
	"fmt"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// crashRun works on a log and knows what must hold when the machine stops.
type crashRun struct {
	t    *testing.T
	disk *vfs.Mem
	l    *Log
	o    Options
	all  []stored // what was ever given to the log, in order
	// What the checkpoint files would hold, and what was promised to be durable.
	recoveryPoint, start, flushed int64
}

func (r *crashRun) append(leaderEpoch int32, s spec) {
	data := build(r.t, s)
	a := []Append{toAppend(r.t, data)}
	h := a[0].Header
	h.BaseOffset = r.l.EndOffset()
	h.PartitionLeaderEpoch = leaderEpoch
	placed := bytes.Clone(data)
	batch.SetOffsets(placed, h.BaseOffset, leaderEpoch)
	r.all = append(r.all, stored{h, placed})
	r.l.Append(a, leaderEpoch, testNow)
	if res := a[0].Result; res.Err != nil || res.BaseOffset != h.BaseOffset {
		r.t.Fatalf("append: %+v", res)
	}
}

func (r *crashRun) flush() {
	end := r.l.EndOffset()
	if err := r.l.Flush(end); err != nil {
		r.t.Fatal(err)
	}
	r.flushed = end
}

// checkpoint is what the Store does now and then.
func (r *crashRun) checkpoint() { r.recoveryPoint, r.start = r.l.RecoveryPoint(), r.l.StartOffset() }

// work does a bit of everything that changes the disk.
func (r *crashRun) work(seed int) {
	seq := int32(0)
	for i := range 70 {
		r.append(int32(i/25), spec{count: 1 + (i+seed)%4, size: 20 + (i*37+seed*11)%300, ts: testNow + int64((i*7)%50), idem: true, pid: 5, seq: seq})
		seq += int32(1 + (i+seed)%4)
		switch {
		case i%9 == 4:
			r.flush()
		case i%13 == 6:
			r.checkpoint()
		case i == 40:
			r.l.SetHighWatermark(r.l.EndOffset())
			if _, err := r.l.DeleteRecordsBefore(r.l.EndOffset() - 30); err != nil {
				r.t.Fatal(err)
			}
			r.checkpoint()
		case i == 45:
			if _, _, err := r.l.Retain(testNow); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	if err := r.l.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// settleIn is what the Store does before the first record of a log.
func settleIn(disk *vfs.Mem) func() error {
	return func() error { return disk.SyncDir(testDir) }
}

// verify opens what a crash left and checks invariant I7.
func (r *crashRun) verify(disk *vfs.Mem, what string) {
	r.t.Helper()
	o := r.o
	o.FS, o.Files, o.RecoveryPoint, o.StartOffset, o.Settle = disk, nil, r.recoveryPoint, r.start, settleIn(disk)
	l, err := OpenLog(o)
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	start, end := l.Offsets()
	if end < r.flushed || start > r.flushed {
		r.t.Fatalf("%s: the log holds %d..%d, flushed was %d", what, start, end, r.flushed)
	}
	if err := checkContent(l, r.all); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	if err := checkIndexes(l); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	r.verifyProducer(l, end, what)
	// It goes on, and a clean stop after it is believed.
	if res := appendOne(r.t, l, build(r.t, spec{count: 2, size: 10, ts: testNow}), 9, testNow); res.Err != nil || res.BaseOffset != end {
		r.t.Fatalf("%s: append after recovery: %+v", what, res)
	}
	if err := l.Close(); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	o.Clean = true
	if l, err = OpenLog(o); err != nil || l.EndOffset() != end+2 || l.LatestEpoch() != 9 {
		r.t.Fatalf("%s: opened after a clean stop: %v", what, err)
	}
	if err := checkIndexes(l); err != nil {
		r.t.Fatalf("%s: after a clean stop: %v", what, err)
	}
}

// verifyProducer compares the producer's state with the last batch in the log.
func (r *crashRun) verifyProducer(l *Log, end int64, what string) {
	r.t.Helper()
	last := int32(-1)
	for _, b := range r.all {
		if b.h.LastOffset() < end {
			last = b.h.LastSequence()
		}
	}
	got := l.ActiveProducers()
	if last < 0 && len(got) == 0 {
		return
	}
	if len(got) != 1 || got[0].LastSequence != last {
		r.t.Fatalf("%s: producers %+v, want last sequence %d", what, got, last)
	}
	wantEpoch := int32(-1)
	for _, b := range r.all {
		if b.h.LastOffset() < end {
			wantEpoch = b.h.PartitionLeaderEpoch
		}
	}
	if e := l.EpochAt(end - 1); e != wantEpoch {
		r.t.Fatalf("%s: leader epoch %d at the end, want %d", what, e, wantEpoch)
	}
}

// TestCrashAtEachPoint stops the machine before each operation that changes the
// disk, in ways that the seed picks, and opens the log again.
func TestCrashAtEachPoint(t *testing.T) {
	for seed := range 4 {
		disk := newMemDisk(t)
		c := DefaultConfig()
		c.SegmentBytes, c.IndexIntervalBytes = 1500, 200
		c.ProducerExpirationMs = 1 << 50
		c.Preallocate = seed%2 == 1
		r := &crashRun{t: t, disk: disk, o: testOptions(disk, c)}
		r.o.Settle = settleIn(disk)
		n := 0
		disk.SetHook(func(op vfs.Op) {
			if !op.Kind.Changes() || r.l == nil {
				return
			}
			n++
			what := fmt.Sprintf("seed %d, before change %d: %s %s", seed, n, op.Kind, op.Path)
			r.verify(disk.CrashClone(uint64(seed*100000+n)), what)
			if n%5 == 0 {
				r.verify(disk.Clone(), what+" (kill -9)")
			}
		})
		r.l = mustOpen(t, r.o)
		r.work(seed)
		if n < 100 {
			t.Fatalf("only %d points", n)
		}
	}
}
