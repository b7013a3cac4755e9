package logstore

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// asideWorld is a log of several segments, none of them flushed, that a crash left.
type asideWorld struct {
	disk *vfs.Mem
	o    Options
	all  []stored
	view view
	said bytes.Buffer
}

func newAsideWorld(t *testing.T) *asideWorld {
	t.Helper()
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 600, 200
	w := &asideWorld{disk: newMemDisk(t)}
	w.o = testOptions(w.disk, c)
	w.o.Background = func(func()) {}
	l := mustOpen(t, w.o)
	for i := range 24 {
		data := build(t, spec{count: 2, size: 40, ts: testNow + int64(i), payload: fmt.Sprintf("value %d", i)})
		a := []Append{toAppend(t, data)}
		l.Append(a, 0, testNow)
		ok(t, a[0].Result.Err)
		w.all = append(w.all, stored{a[0].Header, data})
	}
	if w.view = l.snapshot(); len(w.view.segments) < 4 {
		t.Fatalf("%d segments", len(w.view.segments))
	}
	w.o.Background = func(f func()) { f() }
	w.o.FS = w.disk.Clone()
	w.disk = w.o.FS.(*vfs.Mem)
	w.o.Logger = slog.New(slog.NewTextHandler(&w.said, nil))
	return w
}

// bytesFrom gives what the log had from an offset on.
func (w *asideWorld) bytesFrom(offset int64) []byte {
	var b []byte
	for _, s := range w.all {
		if s.h.BaseOffset >= offset {
			b = append(b, s.data...)
		}
	}
	return b
}

// aside gives the content of all files that were set aside, in the order of their offsets.
func aside(t *testing.T, disk *vfs.Mem, dir string) (content []byte, names []string) {
	t.Helper()
	list, err := disk.ReadDir(dir)
	ok(t, err)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), asidePrefix) {
			b, err := disk.ReadFile(dir + "/" + e.Name())
			ok(t, err)
			content, names = append(content, b...), append(names, e.Name())
		}
	}
	return content, names
}

// want opens the log: it ends at end, what it had from the offset kept on is aside, and the broker's log says so.
func (w *asideWorld) want(t *testing.T, end, kept int64) *Log {
	t.Helper()
	l := mustOpen(t, w.o)
	if l.EndOffset() != end {
		t.Errorf("the log ends at %d, want %d", l.EndOffset(), end)
	}
	if got, names := aside(t, w.disk, testDir); !bytes.Equal(got, w.bytesFrom(kept)) || len(names) == 0 {
		t.Errorf("%d bytes are aside in %v, want %d", len(got), names, len(w.bytesFrom(kept)))
	}
	for _, part := range []string{"partition=t-0", fmt.Sprintf("first_offset=%d", kept), testDir + "/" + asidePrefix} {
		if !strings.Contains(w.said.String(), part) {
			t.Errorf("the log does not say %q: %s", part, w.said.String())
		}
	}
	ok(t, checkIndexes(l))
	return l
}

// TestSegmentsBehindALostOneAreSetAside: where a segment was gone after a crash, recovery deleted those that followed.
func TestSegmentsBehindALostOneAreSetAside(t *testing.T) {
	w := newAsideWorld(t)
	lost, next := w.view.segments[1], w.view.segments[2]
	ok(t, w.disk.Remove(lost.path(logSuffix)))
	l := w.want(t, lost.base, next.base)
	ok(t, l.Close())
	_, before := aside(t, w.disk, testDir)

	// The log goes on; the files stay, and each start names them.
	w.said.Reset()
	w.o.Clean = true
	l = mustOpen(t, w.o)
	ok(t, appendOne(t, l, build(t, spec{size: 40, ts: testNow}), 0, testNow).Err)
	if _, now := aside(t, w.disk, testDir); !slices.Equal(now, before) || strings.Count(w.said.String(), "are still here") != len(now) {
		t.Errorf("%v became %v: %s", before, now, w.said.String())
	}
	ok(t, l.Close())
}

// TestAsideFilesOfOneOffsetAreToldApart has the same segment set aside twice.
func TestAsideFilesOfOneOffsetAreToldApart(t *testing.T) {
	w := newAsideWorld(t)
	next := w.view.segments[2]
	ok(t, w.disk.Remove(w.view.segments[1].path(logSuffix)))
	segment, err := w.disk.ReadFile(next.path(logSuffix))
	ok(t, err)
	for range 2 {
		ok(t, writeFile(w.disk, next.path(logSuffix), segment, true))
		mustOpen(t, w.o)
	}
	_, names := aside(t, w.disk, testDir)
	for n := 1; n <= 2; n++ {
		if name := fmt.Sprintf("%s%s.%d", asidePrefix, fileName(next.base, logSuffix), n); !slices.Contains(names, name) {
			t.Errorf("%s is not among %v", name, names)
		}
	}
}

// TestBatchesBehindRotAreSetAside: where a batch past the recovery point was no batch after a crash, recovery cut off the whole
// batches that followed in the segment, and deleted the segments after it.
func TestBatchesBehindRotAreSetAside(t *testing.T) {
	w := newAsideWorld(t)
	s := w.view.segments[1]
	first, _ := slices.BinarySearchFunc(w.all, s.base, func(b stored, base int64) int { return int(b.h.BaseOffset - base) })
	rotten := w.all[first+1]
	ok(t, w.disk.Rot(s.path(logSuffix), []byte{0xff, 0xff, 0xff}, int64(len(w.all[first].data))+30))
	l := w.want(t, rotten.h.BaseOffset, rotten.h.NextOffset())
	ok(t, l.Close())
}

// TestTornEndLeavesNothingAside has the machine crash amid the last write.
func TestTornEndLeavesNothingAside(t *testing.T) {
	for _, preallocate := range []bool{false, true} {
		w := newAsideWorld(t)
		active := w.view.active()
		last := w.all[len(w.all)-1]
		f, err := w.disk.Open(active.path(logSuffix))
		ok(t, err)
		ok(t, f.Truncate(active.size.Load()-10))
		if w.o.Config.Preallocate = preallocate; preallocate {
			ok(t, f.Truncate(int64(w.o.Config.SegmentBytes)))
		}
		ok(t, f.Close())
		l := mustOpen(t, w.o)
		if _, names := aside(t, w.disk, testDir); l.EndOffset() != last.h.BaseOffset || len(names) != 0 {
			t.Errorf("the log ends at %d, want %d; aside is %v", l.EndOffset(), last.h.BaseOffset, names)
		}
		ok(t, l.Close())
	}
}

// TestNoRoomToSetAsideCutsNothing has a full disk: what cannot be kept aside stays in the log's files.
func TestNoRoomToSetAsideCutsNothing(t *testing.T) {
	w := newAsideWorld(t)
	active := w.view.active()
	ok(t, w.disk.Rot(active.path(logSuffix), []byte{0xff, 0xff, 0xff}, 30))
	before, err := w.disk.ReadFile(active.path(logSuffix))
	ok(t, err)
	stop := w.disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: asidePrefix + "*", Err: syscall.ENOSPC})
	if l, err := OpenLog(w.o); err == nil {
		t.Errorf("opened without room; it ends at %d", l.EndOffset())
	}
	stop()
	if after, err := w.disk.ReadFile(active.path(logSuffix)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%d bytes became %d, %v", len(before), len(after), err)
	}
}

// TestInterruptedCopyIsNotSetAside: a copy that was interrupted, by a full disk or a kill, stayed beside the whole one, and each
// attempt to open the log on a full disk made another.
func TestInterruptedCopyIsNotSetAside(t *testing.T) {
	w := newAsideWorld(t)
	active := w.view.active()
	first, _ := slices.BinarySearchFunc(w.all, active.base, func(b stored, base int64) int { return int(b.h.BaseOffset - base) })
	rotten := w.all[first].h
	ok(t, w.disk.Rot(active.path(logSuffix), []byte{0xff, 0xff, 0xff}, 30))
	stop := w.disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: asidePrefix + "*", Err: syscall.ENOSPC, Short: true})
	for range 3 {
		if _, err := OpenLog(w.o); !Transient(err) {
			t.Errorf("opened without room: %v", err)
		}
	}
	stop()
	if _, names := aside(t, w.disk, testDir); len(names) != 0 {
		t.Errorf("%v are aside", names)
	}
	var killed []*vfs.Mem
	w.disk.SetHook(func(op vfs.Op) {
		if op.Kind.Changes() && strings.Contains(op.Path, asidePrefix) {
			killed = append(killed, w.disk.Clone())
		}
	})
	ok(t, w.want(t, rotten.BaseOffset, rotten.NextOffset()).Close())
	w.disk.SetHook(nil)
	if len(killed) < 3 {
		t.Errorf("%d changes of the copy", len(killed))
	}
	for _, disk := range killed {
		w.disk, w.o.FS = disk, disk
		ok(t, w.want(t, rotten.BaseOffset, rotten.NextOffset()).Close())
	}
}

// TestGapPastWhatWasCompactedIsALoss: a log that was compacted once was believed to have gaps anywhere.
func TestGapPastWhatWasCompactedIsALoss(t *testing.T) {
	for _, c := range []struct {
		cleanedTo, point int64
		want             []int64
		aside            int
	}{{20, 0, []int64{12, 14, 20, 25}, 1}, {30, 0, []int64{12, 14, 20, 25, 30, 31}, 0}, {20, 30, []int64{12, 14, 20, 25, 30, 31}, 0}, {10, 0, []int64{12, 14}, 2}} {
		disk, _ := compactedDisk(t)
		o := testOptions(disk, DefaultConfig())
		o.Config.Compact, o.Compacted, o.CleanedTo, o.RecoveryPoint = true, true, c.cleanedTo, c.point
		l := mustOpen(t, o)
		_, names := aside(t, disk, testDir)
		if got := offsetsOf(t, l); !slices.Equal(got, c.want) || len(names) != c.aside {
			t.Errorf("compacted to %d, recovery point %d: %v are left, want %v; aside is %v", c.cleanedTo, c.point, got, c.want, names)
		}
		ok(t, l.Close())
	}
}

// TestCrashAmidCompactionTakesNoGapForALoss has the machine crash before each change on the disk of a log's first compaction,
// whose gaps lie past what cleaner-offset-checkpoint says.
func TestCrashAmidCompactionTakesNoGapForALoss(t *testing.T) {
	disk := vfs.NewMem()
	s, l, _ := compactedStore(t, disk)
	end := l.EndOffset()
	l.tasks.Wait() // a sync of sealed segments beside the compaction
	n := uint64(0)
	disk.SetHook(func(op vfs.Op) {
		if !op.Kind.Changes() {
			return
		}
		n++
		for _, crashed := range []*vfs.Mem{disk.CrashClone(n), disk.Clone()} {
			o := s.o
			o.FS = crashed
			again := openStore(t, o)
			l, err := again.Get(tpOf("t", 0))
			ok(t, err)
			if _, names := aside(t, crashed, l.Dir()); l.EndOffset() != end || len(names) > 0 {
				t.Fatalf("before change %d, %s %s: the log ends at %d, want %d; aside is %v", n, op.Kind, op.Path, l.EndOffset(), end, names)
			}
			closeStore(t, again)
		}
	})
	if !s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("the log was not cleaned")
	}
	disk.SetHook(nil)
	closeStore(t, s)
}

// TestMoveTakesWhatWasSetAsideAlong: the directory that a log leaves is removed.
func TestMoveTakesWhatWasSetAsideAlong(t *testing.T) {
	m := newMoving(t, nil)
	m.write(10)
	name := "/" + asidePrefix + fileName(100, logSuffix) + ".1"
	content := bytes.Repeat([]byte("batch"), recoverChunk/4)
	ok(t, writeFile(m.disk, m.l.Dir()+name, content, true))
	m.moveTo("/b")
	awaitMove(m.s, m.tp)
	m.check("/b")
	if got, err := m.disk.ReadFile(m.l.Dir() + name); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d of %d bytes are there, %v", len(got), len(content), err)
	}
	closeStore(t, m.s)
}

// TestDuplicateWithRecordsSetAsideIsNotRemoved has the same log in two directories, in one of which records are set aside.
func TestDuplicateWithRecordsSetAsideIsNotRemoved(t *testing.T) {
	disk := vfs.NewMem()
	for _, dir := range []string{"/a", "/b"} {
		s := openStore(t, testStore(disk, dir))
		ok(t, appendTo(create(t, s, tpOf("t", 0), 1), 2))
		closeStore(t, s)
	}
	name := "/t-0/" + asidePrefix + fileName(5, logSuffix) + ".1"
	ok(t, writeFile(disk, "/b"+name, []byte("batches"), true))
	s := openStore(t, testStore(disk, "/a", "/b"))
	wantOffsets(t, s, tpOf("t", 0), 0, 2)
	l, err := s.Get(tpOf("t", 0))
	ok(t, err)
	if content, _ := aside(t, disk, l.Dir()); string(content) != "batches" {
		t.Errorf("%q is aside in %s", content, l.Dir())
	}
	closeStore(t, s)
}

// TestFailedCreateRemovesNothingThatWasThere has somebody put a log into a log directory while the broker runs. A creation
// that failed for want of room removed it.
func TestFailedCreateRemovesNothingThatWasThere(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	ok(t, disk.MkdirAll("/data/t-0"))
	ok(t, writeFile(disk, "/data/t-0/"+fileName(0, logSuffix), build(t, spec{size: 10, ts: testNow}), true))
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpSync, Err: syscall.EMFILE})
	stopOpen := disk.Fail(vfs.Rule{Kind: vfs.OpOpen, Path: "/data/t-0/...", Err: syscall.EMFILE})
	if _, err := s.Create(tpOf("t", 0), topicID(1), s.o.Defaults); err == nil {
		t.Error("created while no file could be opened")
	}
	stop()
	stopOpen()
	if _, err := disk.Stat("/data/t-0/" + fileName(0, logSuffix)); err != nil {
		t.Error(err)
	}
	closeStore(t, s)
}

// TestRecordsThatWereSetAsideAreReadAsALog does what docs/log-directories.md tells an operator to do.
func TestRecordsThatWereSetAsideAreReadAsALog(t *testing.T) {
	w := newAsideWorld(t)
	next := w.view.segments[2]
	ok(t, w.disk.Remove(w.view.segments[1].path(logSuffix)))
	ok(t, mustOpen(t, w.o).Close())
	_, names := aside(t, w.disk, testDir)
	const rescue = "/data/rescue-0"
	ok(t, w.disk.MkdirAll(rescue))
	for _, name := range names {
		copied := rescue + "/" + strings.TrimSuffix(strings.TrimPrefix(name, asidePrefix), ".1")
		ok(t, w.disk.Rename(testDir+"/"+name, copied))
	}
	o := w.o
	o.Dir = rescue
	l := mustOpen(t, o)
	var got []byte
	for at := l.StartOffset(); at < l.EndOffset(); {
		r, err := l.Read(at, 1<<20, l.EndOffset(), true)
		ok(t, err)
		b := readBytes(t, &r)
		r.Release()
		got = append(got, b...)
		for len(b) > 0 {
			h, err := batch.ParseHeader(b)
			ok(t, err)
			at, b = h.NextOffset(), b[h.Size():]
		}
	}
	if l.StartOffset() != next.base || !bytes.Equal(got, w.bytesFrom(next.base)) {
		t.Errorf("from %d on %d bytes are read, want %d", l.StartOffset(), len(got), len(w.bytesFrom(next.base)))
	}
	ok(t, l.Close())
}
