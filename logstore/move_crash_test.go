package logstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// TestCrashAtEachPointOfAMove crashes before each change of the disk while a log
// moves to and fro, is written and synced, and opens what is left.
func TestCrashAtEachPointOfAMove(t *testing.T) {
	m := newMoving(t, func(o *StoreOptions) { o.MoveThreads = 1 })
	m.write(30)
	must(t, m.l.Flush(m.l.EndOffset()))
	m.s.Checkpoint()
	type crashed struct {
		what           string
		disk           *vfs.Mem
		start, flushed int64
		all            int
		kill           bool
	}
	var mu sync.Mutex
	var points []crashed
	var flushed, start atomic.Int64
	var during atomic.Pointer[func()]
	flushed.Store(m.l.EndOffset())
	n := uint64(0)
	m.disk.SetHook(func(op vfs.Op) {
		if f := during.Load(); f != nil && op.Kind == vfs.OpSync && strings.Contains(op.Path, "-future/") && during.CompareAndSwap(f, nil) {
			(*f)()
		}
		if !op.Kind.Changes() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		at := crashed{what: fmt.Sprintf("%d: %s %s", n, op.Kind, op.Path), start: start.Load(), flushed: flushed.Load()}
		m.mu.Lock()
		at.all = len(m.all)
		m.mu.Unlock()
		for seed := range uint64(2) {
			at.disk = m.disk.CrashClone(n*10 + seed)
			points = append(points, at)
		}
		at.disk, at.kill = m.disk.Clone(), true
		points = append(points, at)
	})
	for round, dir := range []string{"/b", "/c", "/a"} {
		work := func() {
			m.write(25)
			if err := m.l.Flush(m.l.EndOffset()); err != nil {
				t.Error(err)
			}
			flushed.Store(m.l.EndOffset())
			if round == 1 {
				from, err := m.l.DeleteRecordsBefore(47)
				if err = errors.Join(err, m.s.CheckpointStartOffsets(m.tp)[0]); err != nil {
					t.Error(err)
				}
				start.Store(from)
			}
		}
		during.Store(&work)
		m.moveTo(dir)
		awaitMove(m.s, m.tp)
		if during.Load() != nil {
			t.Fatal("nothing happened while it moved")
		}
		m.write(5)
	}
	m.disk.SetHook(nil)
	if n < 150 {
		t.Fatalf("only %d points", n)
	}
	for i, p := range points {
		what := p.what
		if p.kill {
			what += " (kill -9)"
		}
		again := &moving{TB: t, tp: m.tp, all: m.all[:p.all]}
		s, err := OpenStore(movingOptions(p.disk))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		l, err := s.GetOrCreate(m.tp, topicID(1), moveConfig())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		again.s, again.l, again.disk = s, l, p.disk
		check := func(when string) {
			t.Helper()
			from, end := l.Offsets()
			if err := checkContent(l, m.all); err != nil || end < p.flushed || from < p.start {
				t.Fatalf("%s%s: %d..%d, want %d..%d: %v", what, when, from, end, p.start, p.flushed, err)
			}
		}
		check("")
		end := l.EndOffset()
		awaitMove(s, m.tp)
		check(", moved")
		must(t, checkIndexes(l))
		if l.EndOffset() != end {
			t.Fatalf("%s: ended at %d, and moved at %d", what, end, l.EndOffset())
		}
		again.seq, again.all = int32(end), m.all[:end/2]
		again.l.SetHighWatermark(end)
		again.again()
		again.write(3)
		if dir, _ := again.future(); dir != "" {
			t.Fatalf("%s: a copy is left in %s", what, dir)
		}
		closeStore(t, s)
		if i%4 != 0 {
			continue
		}
		places := func() (left string) {
			s := openStore(t, movingOptions(p.disk))
			l, err := s.Get(m.tp)
			if err == nil && (l.EndOffset() != again.l.EndOffset() || l.StartOffset() != again.l.StartOffset()) {
				err = fmt.Errorf("opened again as %d..%d, was %d..%d", l.StartOffset(), l.EndOffset(), again.l.StartOffset(), again.l.EndOffset())
			}
			if err = errors.Join(err, checkContent(l, again.all)); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			closeStore(t, s)
			left = strings.Join([]string{dirNames(t, p.disk, "/a"), dirNames(t, p.disk, "/b"), dirNames(t, p.disk, "/c")}, " ")
			return strings.Join(strings.Fields(strings.ReplaceAll(left, "t-0-delete", "")), " ") // what is deleted goes later
		}
		if got := places(); got != "t-0" {
			t.Fatalf("%s: left is %s", what, got)
		}
	}
}

// TestDiskFailsWhileALogMoves lets each operation fail, in the directory that the
// log leaves and in the one that it goes to, once and from then on.
func TestDiskFailsWhileALogMoves(t *testing.T) {
	for _, dir := range []string{"/a", "/b"} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
			for _, kind := range []vfs.OpKind{vfs.OpOpen, vfs.OpCreate, vfs.OpRead, vfs.OpWrite, vfs.OpTruncate, vfs.OpSync, vfs.OpSyncDir,
				vfs.OpRename, vfs.OpRemove, vfs.OpMkdir, vfs.OpReadDir, vfs.OpStat} {
				for _, on := range []bool{false, true} {
					occurrences := 1
					for nth := 1; nth <= occurrences; nth++ {
						occurrences = max(occurrences, failMove(t, dir, kind, cause, nth, on))
					}
				}
			}
		}
	}
}

// TestCopyWhoseSyncFailedIsCopiedAgain has each sync of a copy's files fail, the process start again, and the machine
// crash once the log has moved. What only memory held was taken for copied, and gone after the crash.
func TestCopyWhoseSyncFailedIsCopiedAgain(t *testing.T) {
	copies := func(op vfs.Op) bool { return strings.Contains(op.Path, "-future/") }
	for nth, failed := 1, true; failed; nth++ {
		m := newMoving(t, nil)
		m.write(30)
		must(t, m.l.Flush(m.l.EndOffset()))
		stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpSync, Nth: nth, Err: syscall.EIO, Only: copies})
		m.moveTo("/b")
		awaitMove(m.s, m.tp)
		stop()
		if failed = m.s.Dirs()[1].Err != nil; !failed && nth < 10 {
			t.Fatalf("sync %d of a copy did not fail", nth)
		}
		_ = m.s.Close(t.Context())

		m.open(m.disk, nil)
		awaitMove(m.s, m.tp)
		m.check("/b")
		must(t, m.l.Flush(m.l.EndOffset()))
		crashed := m.disk.CrashClone(uint64(nth))
		closeStore(t, m.s)

		m.open(crashed, nil)
		m.check("/b")
		closeStore(t, m.s)
	}
}

func failMove(t *testing.T, dir string, kind vfs.OpKind, cause error, nth int, on bool) int {
	t.Helper()
	what := fmt.Sprintf("%s %s nth %d (from then on: %v): %v", dir, kind, nth, on, cause)
	var offline atomic.Pointer[string]
	m := newMoving(t, func(o *StoreOptions) {
		o.OnDirFailure = func(dir string, err error, _ []protocol.TopicPartition) { offline.Store(&dir) }
	})
	m.write(30)
	must(t, m.l.Flush(m.l.EndOffset()))
	var seen atomic.Int64
	m.disk.SetHook(func(op vfs.Op) {
		if op.Kind == kind && strings.HasPrefix(op.Path, dir) {
			seen.Add(1)
		}
	})
	stop := m.disk.Fail(vfs.Rule{Kind: kind, Path: dir + "/...", Nth: nth, On: on, Err: cause})
	err := m.s.MoveTo(m.tp, "/b")
	awaitMove(m.s, m.tp)
	stop()
	m.disk.SetHook(nil)
	m.s.checkDirs() // there is room again
	var dirErr *DirError
	if err != nil && !errors.As(err, &dirErr) {
		t.Fatalf("%s: %v", what, err)
	}
	infos := m.s.Dirs()
	failed := map[string]bool{}
	for _, d := range infos {
		if failed[d.Path] = d.Err != nil; d.Err != nil && (d.Path != dir || passes(cause) && kind != vfs.OpSync && kind != vfs.OpSyncDir) {
			t.Fatalf("%s: %s is offline: %v", what, d.Path, d.Err)
		}
	}
	at := filepath.Dir(m.l.Dir())
	if failed[at] || m.l.Err() != nil { // a failed sync stops a log also when it was for want of space
		if r := appendOne(t, m.l, build(t, spec{}), 3, testNow); r.Err == nil {
			t.Fatalf("%s: an append to a failed directory", what)
		}
	} else {
		if _, err := m.s.Get(m.tp); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		m.write(4)
		m.check(at)
		must(t, m.l.Flush(m.l.EndOffset()))
	}
	if got, _ := m.future(); got != "" && !failed["/a"] {
		t.Fatalf("%s: a copy is left in %s", what, got)
	}
	end := m.l.EndOffset()
	_ = m.s.Close(t.Context())
	after := m.disk.CrashClone(uint64(nth))
	if kind == vfs.OpSync {
		after = m.disk.Clone()
	}
	again := &moving{TB: t, tp: m.tp, seq: m.seq, all: m.all}
	again.open(after, nil)
	awaitMove(again.s, again.tp)
	if again.l.EndOffset() != end {
		t.Fatalf("%s: up to %d after a start, want %d", what, again.l.EndOffset(), end)
	}
	again.check(filepath.Dir(again.l.Dir()))
	closeStore(t, again.s)
	return int(seen.Load())
}
