package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// lateChanges are what happens to a log after its move, so that it has little or nothing
// in common any more with the directory that it was not possible to rename.
var lateChanges = map[string]func(m *moving){
	"nothing": func(*moving) {},
	"more":    func(m *moving) { m.write(20) },
	"retention": func(m *moving) {
		c := m.l.Config()
		c.RetentionBytes = 100
		m.write(60)
		m.l.Configure(c)
		m.s.retain()
		if m.l.StartOffset() < 120 {
			m.Fatal("what was common is still there")
		}
	},
	"retention of all": func(m *moving) {
		c := m.l.Config()
		c.RetentionBytes = 0
		m.l.Configure(c)
		m.s.retain()
		m.write(1)
	},
	"records deleted": func(m *moving) {
		_, err := m.l.DeleteRecordsBefore(33)
		must(m, errors.Join(err, m.s.CheckpointStartOffsets(m.tp)[0]))
	},
	"truncation of all": func(m *moving) {
		must(m, m.l.TruncateTo(0, testNow))
		m.seq, m.all = 0, nil
		m.write(2)
	},
	"compaction": func(m *moving) {
		c := m.l.Config()
		c.Compact, c.Delete, c.MinCleanableDirtyRatio = true, false, 0.01
		m.l.Configure(c)
		m.overwrite(100)
		must(m, errors.Join(m.l.Roll(testNow), m.l.flushAll(false)))
		if !m.s.cleanFilthiest(testWork(1<<20, 4096)) {
			m.Fatal("not compacted")
		}
	},
}

// reopenChanged opens what a kill, a crash and a clean stop leave, with the log in the directory in, and in no other.
func (m *moving) reopenChanged(in string) {
	m.Helper()
	start, end := m.l.Offsets()
	must(m, m.l.Flush(end))
	was := readAll(m, m.l, start, 1<<20)
	for i, disk := range []*vfs.Mem{m.disk.Clone(), m.disk.CrashClone(1), m.disk} {
		if i == 2 {
			closeStore(m, m.s)
		}
		s, err := OpenStore(movingOptions(disk))
		if err != nil {
			m.Fatal(err)
		}
		l, err := s.Get(m.tp)
		must(m, err)
		must(m, checkIndexes(l))
		from, to := l.Offsets()
		if l.Dir() != in+"/t-0" || from != start || to != end {
			m.Fatalf("opened again in %s as %d..%d, want %s, %d..%d", l.Dir(), from, to, in, start, end)
		}
		l.SetHighWatermark(to)
		if got := readAll(m, l, from, 1<<20); !bytes.Equal(got, was) {
			m.Fatalf("opened again in %s as %d..%d with %d bytes, want %s, %d..%d, %d", l.Dir(), from, to, len(got), in, start, end, len(was))
		}
		removedAll(s)
		if got := strings.Join([]string{dirNames(m, disk, "/a"), dirNames(m, disk, "/b")}, ""); got != "t-0" {
			m.Fatalf("left: %s", got)
		}
		closeStore(m, s)
	}
}

// TestMovedLogOpensWhateverBecameOfItAfterTheOldDirectoryFailed has the directory that a log left become
// read-only before the old log could be renamed, and come back with it.
func TestMovedLogOpensWhateverBecameOfItAfterTheOldDirectoryFailed(t *testing.T) {
	for name, change := range lateChanges {
		t.Run(name, func(t *testing.T) {
			m := newMoving(t, nil)
			m.write(30)
			stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.EROFS})
			m.moveTo("/b")
			awaitMove(m.s, m.tp)
			stop()
			change(m)
			m.reopenChanged("/b")
		})
	}
}

// TestLogThatStayedOpensWhateverBecameOfItAfterTheNewDirectoryFailed has the directory that a log moves to fail
// when the copy has the log's name there already.
func TestLogThatStayedOpensWhateverBecameOfItAfterTheNewDirectoryFailed(t *testing.T) {
	for name, change := range lateChanges {
		t.Run(name, func(t *testing.T) {
			m := newMoving(t, nil)
			m.write(30)
			var renamed atomic.Bool
			stop := m.disk.Fail(vfs.Rule{Path: "/b/...", Err: syscall.EIO, Only: func(op vfs.Op) bool {
				if op.Kind == vfs.OpRename && strings.HasSuffix(op.Path, "-future") {
					return renamed.Swap(true) // the first is done
				}
				return renamed.Load()
			}})
			m.moveTo("/b")
			awaitMove(m.s, m.tp)
			stop()
			if m.l.Dir() != "/a/t-0" || m.s.Dirs()[1].Err == nil || dirNames(t, m.disk, "/b") != "t-0" {
				t.Fatalf("the log is in %s; in /b: %s", m.l.Dir(), dirNames(t, m.disk, "/b"))
			}
			// As far as the directory is concerned, both names may be on the disk.
			must(t, errors.Join(m.disk.SyncDir("/b"), m.disk.SyncDir("/a")))
			change(m)
			m.reopenChanged("/a")
		})
	}
}

// TestLogThatWasUsedAfterItsMoveIsNotRemoved opens the directory alone that a log could not be taken from. What
// is written there is in no other, so no mark may have it removed.
func TestLogThatWasUsedAfterItsMoveIsNotRemoved(t *testing.T) {
	for _, more := range []int{1, 60} {
		m := newMoving(t, nil)
		m.write(30)
		stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.EROFS})
		m.moveTo("/b")
		awaitMove(m.s, m.tp)
		stop()
		m.write(50)
		closeStore(t, m.s)

		o := movingOptions(m.disk)
		o.Dirs = []string{"/a"}
		old := &moving{TB: t, disk: m.disk, s: openStore(t, o), tp: m.tp}
		l, err := old.s.Get(m.tp)
		must(t, err)
		old.l = l
		old.overwrite(more)
		closeStore(t, old.s)
		if _, err := OpenStore(movingOptions(m.disk)); !errors.As(err, new(*DuplicateLogError)) {
			t.Errorf("%d records more in the directory that was left: %v", more, err)
		}
	}
}

// TestMarksOfMovesReachBack has a directory come back after the log has moved on from the one that took its place.
func TestMarksOfMovesReachBack(t *testing.T) {
	m := newMoving(t, nil)
	m.write(30)
	stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.EROFS})
	m.moveTo("/b")
	awaitMove(m.s, m.tp)
	stop()
	closeStore(t, m.s)
	without := func(o *StoreOptions) { o.Dirs = []string{"/b", "/c"} }
	m.open(m.disk, without)
	for _, dir := range []string{"/c", "/b", "/c"} {
		lateChanges["retention"](m)
		m.moveTo(dir)
		awaitMove(m.s, m.tp)
	}
	closeStore(t, m.s)
	m.open(m.disk, nil)
	if got := filepath.Dir(m.l.Dir()); got != "/c" || m.l.StartOffset() < 120 {
		t.Errorf("the log is in %s, from %d on", got, m.l.StartOffset())
	}
	closeStore(t, m.s)
}

// TestMarkThatMakesNoSenseCountsAsNone rots the mark.
func TestMarkThatMakesNoSenseCountsAsNone(t *testing.T) {
	for _, mark := range []string{"", "0\n", "1\n1\nx\n", "0\nx\ny\n", "0\n1\n\n", "0\n1\nx"} {
		m := newMoving(t, nil)
		m.write(30)
		stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.EROFS})
		m.moveTo("/b")
		awaitMove(m.s, m.tp)
		stop()
		lateChanges["retention"](m)
		closeStore(t, m.s)
		must(t, writeFile(m.disk, "/b/t-0/"+moveMarkName, []byte(mark), true))
		if _, err := OpenStore(movingOptions(m.disk)); !errors.As(err, new(*DuplicateLogError)) {
			t.Errorf("with a mark of %q: %v", mark, err)
		}
	}
}

// TestMarksAreBounded holds that a log that moves again and again does not gather more and more.
func TestMarksAreBounded(t *testing.T) {
	var mark moveMark
	for range 100 {
		mark = mark.after("state")
	}
	got, err := parseMoveMark(mark.encode())
	if err != nil || got.number != 100 || len(got.replaced) != maxReplaced {
		t.Errorf("%+v, %v", got, err)
	}
}

// overwrite appends batches of a few keys, each of which is there before.
func (m *moving) overwrite(n int) {
	m.Helper()
	for i := range n {
		b := batch.NewBuilder(batch.None)
		b.Add(testNow, fmt.Appendf(nil, "key %d", i%3), bytes.Repeat([]byte("v"), 100))
		data, err := b.Build()
		must(m, err)
		if r := appendOne(m, m.l, data, 3, testNow); r.Err != nil {
			m.Fatal(r.Err)
		}
	}
	m.l.SetHighWatermark(m.l.EndOffset())
}
