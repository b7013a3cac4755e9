package logstore

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// leave has the disk so many bytes of room.
func leave(t *testing.T, disk *vfs.Mem, free int64) {
	t.Helper()
	disk.SetCapacity(0)
	_, usable, err := disk.Space("/")
	must(t, err)
	disk.SetCapacity(int64(1<<40) - usable + free)
}

// uniqueKeys makes the log's compaction need as much room as the log has.
func uniqueKeys(t *testing.T, l *Log) {
	t.Helper()
	for i := range 40 {
		keyed(t, l, fmt.Sprint("unique ", i), strings.Repeat("v", 150), -1, 0)
	}
	must(t, l.Roll(testNow))
	l.SetHighWatermark(l.EndOffset())
	must(t, l.flushAll(false))
}

// cleanedFiles counts what is left of copies.
func cleanedFiles(t *testing.T, disk *vfs.Mem, l *Log) int {
	t.Helper()
	return strings.Count(memNames(t, disk, l.Dir()), cleanedSuffix)
}

// TestCompactionLeavesTheReserveAlone has a copy that does not fit: it wrote until the disk was full and went on into
// the room that is kept, so that producers were refused although there was room for them.
func TestCompactionLeavesTheReserveAlone(t *testing.T) {
	for _, free := range []int64{500, 1500, 2500, 4000} {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			disk := vfs.NewMem()
			o := testStore(disk, "/a")
			o.Defaults = compactedConfig()
			o.Defaults.SegmentBytes = 8000
			s := openStore(t, o)
			l := create(t, s, protocol.TopicPartition{Topic: "t"}, 1)
			uniqueKeys(t, l)
			s.Checkpoint()
			r := s.dirs[0].reserve
			leave(t, disk, free)
			var taken atomic.Bool
			var read atomic.Int32
			disk.SetHook(func(op vfs.Op) {
				if r.spent.Load() {
					taken.Store(true)
				}
				if op.Kind == vfs.OpRead {
					read.Add(1)
				}
			})
			for range 3 {
				if s.cleanFilthiest(testWork(1<<20, 300)) {
					t.Error("it was cleaned")
				}
				if n := cleanedFiles(t, disk, l); n > 0 {
					t.Errorf("%d files of the copy are left", n)
				}
			}
			before := read.Load()
			s.cleanFilthiest(testWork(1<<20, 300))
			if n := read.Load() - before; free > 1<<10 && n > 0 {
				t.Errorf("%d reads for what is known not to fit", n)
			}
			if taken.Load() || r.spent.Load() {
				t.Error("the room that is kept is taken")
			}
			if s.Dirs()[0].Err != nil {
				t.Error(s.Dirs()[0].Err)
			}
			keyed(t, l, "k", "v", -1, 0)
			disk.SetHook(nil)
			disk.SetCapacity(0)
			if !s.cleanFilthiest(testWork(1<<20, 300)) {
				t.Error("with room it is not cleaned")
			}
			closeStore(t, s)
		})
	}
}

// TestCompactionEndsWhenTheDiskIsFull has the room that is kept given away to something else while a copy is made.
func TestCompactionEndsWhenTheDiskIsFull(t *testing.T) {
	disk := vfs.NewMem()
	s, l, _ := compactedStore(t, disk)
	before, err := recordsOf(l)
	must(t, err)
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpCreate && strings.HasSuffix(op.Path, cleanedSuffix) {
			s.dirs[0].reserve.spent.Store(true)
		}
	})
	if s.cleanFilthiest(testWork(1<<20, 300)) || cleanedFiles(t, disk, l) > 0 {
		t.Errorf("it goes on; %d files of the copy are left", cleanedFiles(t, disk, l))
	}
	disk.SetHook(nil)
	s.checkDirs()
	after, err := recordsOf(l)
	must(t, err)
	if len(after) != len(before) || !s.cleanFilthiest(testWork(1<<20, 300)) {
		t.Errorf("%d records, there were %d; or it is not cleaned with room", len(after), len(before))
	}
	closeStore(t, s)
}

// TestShortWriteIsCutOffOnAFullDisk has a write end half-way on a disk where cutting it off takes room too: the
// log took nothing more until the next start.
func TestShortWriteIsCutOffOnAFullDisk(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/a"))
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, appendTo(l, 1))
	disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Nth: 1, Err: syscall.ENOSPC, Short: true})
	disk.Fail(vfs.Rule{Kind: vfs.OpTruncate, Path: "*.log", Nth: 1, Err: syscall.ENOSPC})
	if err := appendTo(l, 1); err == nil {
		t.Fatal("the write did not fail")
	}
	s.checkDirs() // there is room again
	ok(t, l.Err())
	ok(t, appendTo(l, 1))
	s.flushDue()
	if s.Dirs()[0].Err != nil || l.EndOffset() != 2 {
		t.Errorf("%v, the log ends at %d", s.Dirs()[0].Err, l.EndOffset())
	}
	ok(t, checkIndexes(l))
	closeStore(t, s)
	wantSize := int64(0)
	for _, seg := range l.snapshot().segments {
		wantSize += seg.size.Load()
	}
	if info, err := disk.Stat("/a/t-0/" + fileName(0, logSuffix)); err != nil || info.Size() != wantSize {
		t.Errorf("the file has %d bytes, %d count: %v", info.Size(), wantSize, err)
	}
}
