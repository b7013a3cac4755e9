package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// truncation is a log whose records are cut off and replaced, and what a start after a crash may find of it.
type truncation struct {
	t    *testing.T
	disk *vfs.Mem
	o    Options
	l    *Log
	// old are the batches before the truncation, now those since. cut says that old ones do not come back any more.
	old, now []stored
	cut      bool
	// What the checkpoints would hold.
	recoveryPoint, start int64
}

func newTruncation(t *testing.T, segmentBytes int32) *truncation {
	r := &truncation{t: t, disk: newMemDisk(t)}
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.ProducerExpirationMs = segmentBytes, 100, 1<<50
	r.o = testOptions(r.disk, c)
	r.o.Settle = settleIn(r.disk)
	r.o.OffsetsLowered = func() error { r.checkpoint(); return nil }
	r.l = mustOpen(t, r.o)
	return r
}

// checkpoint is what the Store does now and then, and for a truncation.
func (r *truncation) checkpoint() {
	r.recoveryPoint, r.start = r.l.RecoveryPoint(), r.l.PendingStartOffset()
}

func (r *truncation) append(n int, epoch int32, size int) (list []stored) {
	r.t.Helper()
	for range n {
		data := build(r.t, spec{count: 2, size: size, ts: testNow + r.l.EndOffset()})
		a := []Append{toAppend(r.t, data)}
		r.l.Append(a, epoch, testNow)
		ok(r.t, a[0].Result.Err)
		list = append(list, stored{a[0].Header, data})
	}
	return list
}

// verify opens what a crash left. It must be a beginning of one history or the other.
func (r *truncation) verify(disk *vfs.Mem, what string) {
	r.t.Helper()
	o := r.o
	o.FS, o.RecoveryPoint, o.StartOffset, o.Settle, o.OffsetsLowered = disk, r.recoveryPoint, r.start, settleIn(disk), nil
	l, err := OpenLog(o)
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	now, old := checkContent(l, r.now), checkContent(l, r.old)
	if now != nil && (r.cut || old != nil) {
		start, end := l.Offsets()
		r.t.Fatalf("%s (recovery point %d): the log is %d..%d: %v; %v", what, r.recoveryPoint, start, end, now, old)
	}
	if err := checkIndexes(l); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	if e, end := l.LatestEpoch(), l.EndOffset(); now == nil && end > l.StartOffset() && e != r.epochOf(end-1) {
		r.t.Fatalf("%s: leader epoch %d at offset %d, want %d", what, e, end-1, r.epochOf(end-1))
	}
}

func (r *truncation) epochOf(offset int64) int32 {
	for _, b := range r.now {
		if b.h.LastOffset() >= offset {
			return b.h.PartitionLeaderEpoch
		}
	}
	return -1
}

// crashes verifies what is left before each change of the disk that f makes.
func (r *truncation) crashes(what string, f func()) {
	n := 0
	r.disk.SetHook(func(op vfs.Op) {
		if !op.Kind.Changes() {
			return
		}
		n++
		for seed := range uint64(6) {
			r.verify(r.disk.CrashClone(seed+uint64(n)*10), fmt.Sprintf("%s, before change %d: %s %s, seed %d", what, n, op.Kind, op.Path, seed))
		}
	})
	f()
	r.disk.SetHook(nil)
	for seed := range uint64(6) {
		r.verify(r.disk.CrashClone(seed), fmt.Sprintf("%s, afterwards, seed %d", what, seed))
	}
}

// TestTruncationSurvivesACrashAtEachPoint has all records on the disk and in the checkpoints, and truncates to each offset. A recovery
// point that stayed above it had a start take what came in place of the records for synced, and segments behind a gap for compacted ones.
func TestTruncationSurvivesACrashAtEachPoint(t *testing.T) {
	for _, segmentBytes := range []int32{500, 1 << 20} {
		for to := int64(0); to <= 24; to += 3 {
			r := newTruncation(t, segmentBytes)
			r.old = append(r.append(6, 1, 60), r.append(6, 2, 60)...)
			flushTo(t, r.l, 24)
			r.checkpoint()
			for _, b := range r.old {
				if b.h.NextOffset() <= to {
					r.now = append(r.now, b)
				}
			}
			what := fmt.Sprintf("segments of %d bytes, to %d", segmentBytes, to)
			r.crashes(what, func() { ok(t, r.l.TruncateTo(to, testNow)) })
			if want := to &^ 1; r.l.EndOffset() != want {
				t.Fatalf("%s: end %d", what, r.l.EndOffset())
			}
			r.cut = true
			r.crashes(what+", then appends", func() {
				for i := range int32(8) { // of an older leader epoch at first, and of other sizes
					at := len(r.now)
					r.now = append(r.now, stored{})
					data := build(t, spec{count: 2, size: 40 + int(i)*9, ts: testNow})
					a := []Append{toAppend(t, data)}
					a[0].Header.BaseOffset = r.l.EndOffset()
					epoch := max(r.epochOfLast(at), 1) + i/4*5
					placed := bytes.Clone(data)
					batch.SetOffsets(placed, r.l.EndOffset(), epoch)
					h, _ := batch.ParseHeader(placed)
					r.now[at] = stored{h, placed}
					r.l.Append(a, epoch, testNow)
					ok(t, a[0].Result.Err)
				}
			})
		}
	}
}

func (r *truncation) epochOfLast(n int) int32 {
	if n == 0 {
		return -1
	}
	return r.now[n-1].h.PartitionLeaderEpoch
}

// TestFullTruncationSurvivesACrashAtEachPoint begins the log anew past its end, within it and before it.
func TestFullTruncationSurvivesACrashAtEachPoint(t *testing.T) {
	for _, at := range []int64{100, 12, 4, 24} {
		r := newTruncation(t, 500)
		ok(t, r.l.TruncateFullyAndStartAt(8, testNow)) // so that there is room before
		r.old = append(r.append(6, 1, 60), r.append(6, 2, 60)...)
		flushTo(t, r.l, 32)
		r.checkpoint()
		what := fmt.Sprintf("at %d", at)
		r.crashes(what, func() { ok(t, r.l.TruncateFullyAndStartAt(at, testNow)) })
		start, end := r.l.Offsets()
		if start != at || end != at || r.l.HighWatermark() != at || r.l.LatestEpoch() != -1 || r.l.Segments() != 1 {
			t.Fatalf("%s: %d..%d, high watermark %d, epoch %d, %d segments", what, start, end, r.l.HighWatermark(), r.l.LatestEpoch(), r.l.Segments())
		}
		r.cut = true
		r.crashes(what+", then appends", func() {
			for range 6 {
				h := batch.Header{BaseOffset: r.l.EndOffset(), LastOffsetDelta: 1}
				r.now = append(r.now, stored{h: h, data: nil})
				data := build(t, spec{count: 2, size: 70})
				placed := bytes.Clone(data)
				batch.SetOffsets(placed, h.BaseOffset, 1)
				h, _ = batch.ParseHeader(placed)
				r.now[len(r.now)-1] = stored{h, placed}
				a := []Append{toAppend(t, data)}
				r.l.Append(a, 1, testNow)
				ok(t, a[0].Result.Err)
			}
		})
	}
}

// TestTruncationLowersTheCheckpoints: the checkpoints of the Store were lowered up to a minute after the truncation.
func TestTruncationLowersTheCheckpoints(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/d")
	o.Defaults.SegmentBytes = 300
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	other := create(t, s, tpOf("t", 1), 1)
	ok(t, errors.Join(appendTo(l, 40), appendTo(other, 2), l.Flush(40), other.Flush(2)))
	l.SetHighWatermark(40)
	_, err := l.DeleteRecordsBefore(20)
	ok(t, err)
	s.Checkpoint()
	want := func(name string, offset, otherOffset int64) {
		t.Helper()
		got, err := readOffsets(disk, "/d", name)
		if err != nil || got[tpOf("t", 0)] != offset || got[tpOf("t", 1)] != otherOffset {
			t.Errorf("%s has %v, %v; want %d and %d", name, got, err, offset, otherOffset)
		}
	}
	want(recoveryPointCheckpoint, 40, 2)
	ok(t, l.TruncateTo(30, testNow))
	want(recoveryPointCheckpoint, 30, 2)
	want(highWatermarkCheckpoint, 30, 2)
	want(startOffsetCheckpoint, 20, 0)
	ok(t, l.TruncateTo(10, testNow))
	want(recoveryPointCheckpoint, 10, 2)
	want(highWatermarkCheckpoint, 10, 2)
	want(startOffsetCheckpoint, 10, 0)
	l.tasks.Wait()
	var writes []string
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpCreate && strings.HasPrefix(op.Path, "/d/re") {
			writes = append(writes, op.Path)
		}
	})
	ok(t, errors.Join(appendTo(l, 1), l.TruncateTo(10, testNow)))
	if len(writes) > 0 {
		t.Errorf("records past all checkpoints were cut off, and %v were written", writes)
	}
	closeStore(t, s)
}

// TestTruncationWaitsForItsCheckpoints has the write of a checkpoint fail: nothing may be cut off then.
func TestTruncationWaitsForItsCheckpoints(t *testing.T) {
	r := newTruncation(t, 500)
	r.append(10, 1, 50)
	flushTo(t, r.l, 20)
	lowered := errors.New("no checkpoint")
	r.l.offsetsLowered = func() error { return lowered }
	for what, truncate := range map[string]func() error{
		"to":    func() error { return r.l.TruncateTo(6, testNow) },
		"fully": func() error { return r.l.TruncateFullyAndStartAt(60, testNow) },
	} {
		if err := truncate(); !errors.Is(err, lowered) || r.l.EndOffset() != 20 || r.l.Err() != nil {
			t.Errorf("%s: %v, end %d, %v", what, err, r.l.EndOffset(), r.l.Err())
		}
	}
	lowered = nil
	ok(t, r.l.TruncateTo(6, testNow))
	r.append(1, 2, 10)
}

// TestUnfinishedTruncationTakesNoRecords: the segments that were cut off come back after a crash until the directory is synced, and the
// producers' state speaks of what was cut off until it is rebuilt. Both may want descriptors, of which there are none for a while.
func TestUnfinishedTruncationTakesNoRecords(t *testing.T) {
	for _, rule := range []vfs.Rule{{Kind: vfs.OpSyncDir, Path: testDir}, {Kind: vfs.OpRead, Path: "*.snapshot"}} {
		r := newTruncation(t, 500)
		for seq := range int32(12) {
			ok(t, appendOne(t, r.l, build(t, spec{size: 60, idem: true, pid: 1, seq: seq}), 0, testNow).Err)
		}
		ok(t, r.l.Roll(testNow))
		rule.Err = syscall.EMFILE
		stop := r.disk.Fail(rule)
		if err := r.l.TruncateTo(4, testNow); !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("%s: %v", rule.Kind, err)
		}
		again := build(t, spec{size: 60, idem: true, pid: 1, seq: 4})
		if res := appendOne(t, r.l, again, 0, testNow); !errors.Is(res.Err, syscall.EMFILE) {
			t.Errorf("%s: append: %+v", rule.Kind, res)
		}
		if err := r.l.TruncateTo(4, testNow); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%s: the same truncation again: %v", rule.Kind, err)
		}
		stop()
		if res := appendOne(t, r.l, again, 0, testNow); res.Err != nil || res.Duplicate || res.BaseOffset != 4 {
			t.Errorf("%s: append afterwards: %+v", rule.Kind, res)
		}
	}
}

// TestTruncationOnAFullDisk: a file that could not be renamed stayed, and the next start found it.
func TestTruncationOnAFullDisk(t *testing.T) {
	for _, op := range []vfs.OpKind{vfs.OpRename, vfs.OpRemove} {
		r := newTruncation(t, 500)
		r.old = r.append(12, 1, 60)
		flushTo(t, r.l, 24)
		r.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "0*", Err: syscall.ENOSPC})
		if op == vfs.OpRemove {
			r.disk.Fail(vfs.Rule{Kind: op, Path: "0*", Err: syscall.EIO})
		}
		err := r.l.TruncateTo(4, testNow)
		if sticky := r.l.Err() != nil; sticky != (op == vfs.OpRemove) || sticky != (err != nil) {
			t.Errorf("%s fails: %v, then %v", op, err, r.l.Err())
		}
		if err == nil {
			r.now, r.cut = append(r.old[:2:2], r.append(1, 2, 60)...), true
			r.verify(r.disk.Clone(), "on a full disk")
		}
	}
}

// TestTruncationWithinABatch ends the log where the batch began: the leader sends the batch as a whole, and its base offset must
// not lie below the log end offset.
func TestTruncationWithinABatch(t *testing.T) {
	r := newTruncation(t, 1<<20)
	r.append(4, 1, 10)
	ok(t, r.l.TruncateTo(5, testNow))
	if end := r.l.EndOffset(); end != 4 {
		t.Errorf("end %d", end)
	}
	r.l.SetHighWatermark(4)
	_, err := r.l.DeleteRecordsBefore(3) // within a batch
	ok(t, err)
	ok(t, r.l.TruncateTo(3, testNow))
	if start, end := r.l.Offsets(); start != 3 || end != 3 {
		t.Errorf("%d..%d", start, end)
	}
}

// TestTruncationOverCorruptBytes cuts what may have held the offset.
func TestTruncationOverCorruptBytes(t *testing.T) {
	r := newTruncation(t, 1<<20)
	list := r.append(6, 1, 60)
	at := 0
	for _, b := range list[:3] {
		at += len(b.data)
	}
	name := testDir + "/" + fileName(0, logSuffix)
	data, err := r.disk.ReadFile(name)
	ok(t, err)
	data = bytes.Clone(data)
	for i := range batch.HeaderSize {
		data[at+i] = 0xff
	}
	ok(t, writeFile(r.disk, name, data, true))
	ok(t, r.l.TruncateTo(9, testNow)) // in the batch behind
	if end := r.l.EndOffset(); end != 8 {
		t.Errorf("end %d", end)
	}
	ok(t, r.l.TruncateTo(7, testNow))
	if end := r.l.EndOffset(); end != 6 || r.l.Err() != nil {
		t.Errorf("end %d, %v", end, r.l.Err())
	}
}

// TestTruncationCutsAbortedTransactions: entries of the index spoke of offsets that other records got.
func TestTruncationCutsAbortedTransactions(t *testing.T) {
	entry := func(first, last int64) (b []byte) {
		b = binary.BigEndian.AppendUint16(b, 0)
		for _, n := range []int64{7, first, last, last} {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
		return b
	}
	r := newTruncation(t, 500)
	r.old = r.append(12, 1, 60)
	first := r.l.snapshot().segments[0].path(txnIndexSuffix)
	ok(t, writeFile(r.disk, first, append(append(entry(0, 1), entry(1, 2)...), entry(1, 3)...), true))
	kept := func(disk *vfs.Mem, want ...byte) {
		t.Helper()
		if got, _ := readFileIfExists(disk, first); !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	}
	flushTo(t, r.l, 24)
	ok(t, r.l.TruncateTo(2, testNow))
	kept(r.disk, entry(0, 1)...)
	kept(r.disk.CrashClone(1), entry(0, 1)...)
	// A crash between the two cuts leaves too much in the index, which the next start removes.
	ok(t, writeFile(r.disk, first, append(entry(0, 1), entry(1, 3)...), true))
	r.checkpoint()
	r.verify(r.disk.Clone(), "killed")
	o := r.o
	o.RecoveryPoint = 2
	mustOpen(t, o)
	kept(r.disk, entry(0, 1)...)
}

// TestTruncationWritesAnUnsureCheckpoint is for a checkpoint of which nobody knows what it holds.
func TestTruncationWritesAnUnsureCheckpoint(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/d"))
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, errors.Join(appendTo(l, 10), l.Flush(10)))
	s.Checkpoint()
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpSyncDir, Path: "/d", Err: syscall.EMFILE})
	if err := s.writeCheckpoint(s.dirs[0], highWatermarkCheckpoint); err != nil {
		t.Fatal(err) // it is up to date, so nothing is written
	}
	l.SetHighWatermark(9)
	if err := s.writeCheckpoint(s.dirs[0], highWatermarkCheckpoint); !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	if err := l.TruncateTo(8, testNow); !errors.Is(err, syscall.EMFILE) || l.EndOffset() != 10 {
		t.Fatalf("%v, end %d", err, l.EndOffset())
	}
	stop()
	ok(t, l.TruncateTo(8, testNow))
	if got, err := readOffsets(disk, "/d", highWatermarkCheckpoint); err != nil || got[protocol.TopicPartition{Topic: "t"}] != 8 {
		t.Errorf("%v, %v", got, err)
	}
	closeStore(t, s)
}
