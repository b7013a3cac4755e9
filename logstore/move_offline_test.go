package logstore

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// reported gathers what OnDirFailure is told.
type reported struct {
	mu   sync.Mutex
	cond *sync.Cond
	dirs map[string][]protocol.TopicPartition
}

func (r *reported) told(dir string, _ error, partitions []protocol.TopicPartition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirs[dir] = append(r.dirs[dir], partitions...)
	r.cond.Broadcast()
}

// await waits until it was told of the directory and, if with is set, of the partition in it.
func (r *reported) await(dir string, with bool, tp protocol.TopicPartition) []protocol.TopicPartition {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if list, told := r.dirs[dir]; told && (!with || slices.Contains(list, tp)) {
			return list
		}
		r.cond.Wait()
	}
}

// failDuring has the directory that a log leaves go offline right before an operation of the swap.
func failDuring(t *testing.T, kind vfs.OpKind, path string, rule *vfs.Rule) (*moving, *reported) {
	t.Helper()
	r := &reported{dirs: map[string][]protocol.TopicPartition{}}
	r.cond = sync.NewCond(&r.mu)
	m := newMoving(t, func(o *StoreOptions) { o.OnDirFailure = r.told })
	m.write(30)
	if rule != nil {
		defer m.disk.Fail(*rule)()
	}
	var renaming atomic.Bool // the names change one after the other
	var once sync.Once
	m.disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpRename && strings.HasSuffix(op.Path, "-future") {
			renaming.Store(true)
		}
		if renaming.Load() && op.Kind == kind && (op.Path == path || strings.HasSuffix(op.Path, "-future") && path == "-future") {
			once.Do(func() {
				m.s.failDir(m.s.dirs[0], &DirError{Dir: "/a", Path: "/a", Op: "use", Err: syscall.EIO})
			})
		}
	})
	m.moveTo("/b")
	awaitMove(m.s, m.tp)
	m.disk.SetHook(nil)
	if m.s.Dirs()[0].Err == nil {
		t.Fatal("/a is still online")
	}
	return m, r
}

// TestLogThatMovedAsItsOldDirectoryFailedTakesRecords has the directory that a log leaves go offline while the
// names change: the log is in one that is well then.
func TestLogThatMovedAsItsOldDirectoryFailedTakesRecords(t *testing.T) {
	for _, at := range []struct {
		kind vfs.OpKind
		path string
	}{{vfs.OpRename, "-future"}, {vfs.OpSyncDir, "/b"}, {vfs.OpRename, "/a/t-0"}, {vfs.OpSyncDir, "/a"}} {
		m, r := failDuring(t, at.kind, at.path, nil)
		if list := r.await("/a", false, m.tp); len(list) != 0 {
			t.Errorf("%s %s: %v are said to be offline", at.kind, at.path, list)
		}
		if err := m.l.Err(); err != nil {
			t.Fatalf("%s %s: %v", at.kind, at.path, err)
		}
		m.write(5)
		m.check("/b")
		m.reopen(nil)
		m.check("/b")
		closeStore(t, m.s)
	}
}

// TestLogThatStayedAsItsDirectoryFailedIsOffline is the same with a log that does not move after all.
func TestLogThatStayedAsItsDirectoryFailedIsOffline(t *testing.T) {
	for _, rule := range []vfs.Rule{
		{Kind: vfs.OpRename, Path: "*-future", Err: syscall.ENOSPC},
		{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.ENOSPC},
	} {
		m, r := failDuring(t, vfs.OpRename, "-future", &rule)
		r.await("/a", true, m.tp)
		if m.l.Dir() != "/a/t-0" || m.l.Err() == nil {
			t.Errorf("the log is in %s: %v", m.l.Dir(), m.l.Err())
		}
		if _, err := m.s.Get(m.tp); err == nil {
			t.Error("it is given out")
		}
		_ = m.s.Close(t.Context())
		m.open(m.disk, nil)
		awaitMove(m.s, m.tp)
		m.write(1)
		closeStore(t, m.s)
	}
}
