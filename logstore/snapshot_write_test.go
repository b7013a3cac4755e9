package logstore

import (
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
)

// manyProducers is a log that knows more producers than a roll writes while appends wait.
func manyProducers(t *testing.T, disk *vfs.Mem) (*Log, Options) {
	t.Helper()
	o := testOptions(disk, DefaultConfig())
	o.Background = nil
	l := mustOpen(t, o)
	for id := range int64(maxSnapshotInPlace + 1) {
		if r := sendAs(t, l, id, 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return l, o
}

// holdSnapshot has the creation of the next snapshot wait until release is called. While the log's lock is held that is an
// error, and nothing waits. Later snapshots are let through: Close writes one with the lock held.
func holdSnapshot(t *testing.T, disk *vfs.Mem, l *Log) (begun <-chan struct{}, release func()) {
	b, r := make(chan struct{}), make(chan struct{})
	var seen atomic.Bool
	disk.SetHook(func(op vfs.Op) {
		if op.Kind != vfs.OpCreate || !strings.HasSuffix(op.Path, snapshotSuffix) || seen.Swap(true) {
			return
		}
		free := l.mu.TryLock()
		if free {
			l.mu.Unlock()
		}
		close(b)
		if !free {
			t.Error("the snapshot is written while the log's lock is held")
			return
		}
		<-r
	})
	return b, sync.OnceFunc(func() { close(r) })
}

// TestAppendsDoNotWaitForALargeSnapshot: a roll wrote all producers while every append waited.
func TestAppendsDoNotWaitForALargeSnapshot(t *testing.T) {
	disk := newMemDisk(t)
	l, o := manyProducers(t, disk)
	var tasks []func()
	l.run = func(f func()) { tasks = append(tasks, f) }
	begun, release := holdSnapshot(t, disk, l)
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	l.run = func(f func()) { go f() }
	go tasks[0]() // the snapshot's write; nobody else takes the lock until it has begun
	<-begun
	for _, f := range tasks[1:] {
		go f()
	}
	if r := sendAs(t, l, 0, 1, testNow); r.Err != nil { // the snapshot is still being written
		t.Fatal(r.Err)
	}
	if err := l.Flush(l.EndOffset()); err != nil {
		t.Fatal(err)
	}
	crashed := disk.CrashClone(1)
	release()
	if err := l.Close(); err != nil { // which waits for the write
		t.Fatal(err)
	}
	disk.SetHook(nil)
	for name, fs := range map[string]*vfs.Mem{"closed": disk, "crashed": crashed} {
		o.FS, o.Clean = fs, name == "closed"
		again := mustOpen(t, o)
		if r := sendAs(t, again, 7, 0, testNow); !r.Duplicate {
			t.Errorf("%s: a batch that was sent again: %+v", name, r)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargeSnapshotThatFailsIsWrittenByTheNextOne has the disk fail the write in the background.
func TestLargeSnapshotThatFailsIsWrittenByTheNextOne(t *testing.T) {
	disk := newMemDisk(t)
	l, o := manyProducers(t, disk)
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*" + snapshotSuffix, Err: syscall.EIO})
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	l.tasks.Wait()
	stop()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Stat(filepath.Join(testDir, fileName(maxSnapshotInPlace+1, snapshotSuffix))); err != nil {
		t.Error(err)
	}
	o.Clean = true
	again := mustOpen(t, o)
	if r := sendAs(t, again, 7, 0, testNow); !r.Duplicate {
		t.Errorf("a batch that was sent again: %+v", r)
	}
}

// TestRetentionForgotTheProducersOfAFailedSnapshot: the snapshot at the first segment that stays was not written, and the recovery
// point had passed it. Retention deleted the producers' only records then, and a start after a crash took their batches again.
func TestRetentionForgotTheProducersOfAFailedSnapshot(t *testing.T) {
	for _, kind := range []vfs.OpKind{vfs.OpCreate, vfs.OpWrite} {
		disk := newMemDisk(t)
		l, o := manyProducers(t, disk)
		stop := disk.Fail(vfs.Rule{Kind: kind, Path: "*" + snapshotSuffix, Err: syscall.EIO})
		ok(t, l.Roll(testNow))
		l.tasks.Wait()
		stop()
		retainFrom(t, l)
		wantDuplicateAfterCrash(t, disk, o)
	}
}

// retainFrom appends behind the log's end, flushes, and deletes what lies before.
func retainFrom(t *testing.T, l *Log) {
	t.Helper()
	start := l.EndOffset()
	ok(t, sendAs(t, l, 0, 1, testNow).Err)
	ok(t, l.Flush(l.EndOffset()))
	l.SetHighWatermark(start)
	_, err := l.DeleteRecordsBefore(start)
	ok(t, err)
	if n, _, err := l.Retain(testNow); n != 1 || err != nil {
		t.Fatalf("%d segments deleted, %v", n, err)
	}
}

// wantDuplicateAfterCrash opens what a crash left, and sends a batch that the log had.
func wantDuplicateAfterCrash(t *testing.T, disk *vfs.Mem, o Options) {
	t.Helper()
	o.FS = disk.CrashClone(1)
	again := mustOpen(t, o)
	if r := sendAs(t, again, 7, 0, testNow); !r.Duplicate {
		t.Errorf("a batch that was sent again: %+v", r)
	}
}

// TestRetentionForgotTheProducersWithoutASnapshot: recovery writes snapshots for the last two segments only. Where retention then kept an
// earlier segment first, it deleted the producers' only records although nothing on the disk knew of them up to there.
func TestRetentionForgotTheProducersWithoutASnapshot(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, smallSegments())
	l := mustOpen(t, o)
	ok(t, sendAs(t, l, 7, 0, testNow).Err)
	for l.Segments() < 6 {
		ok(t, sendAs(t, l, 1, int32(l.EndOffset())-1, testNow).Err)
	}
	ok(t, l.Flush(l.EndOffset()))
	for _, offset := range l.producers.snapshots {
		ok(t, disk.Remove(filepath.Join(testDir, fileName(offset, snapshotSuffix))))
	}
	ok(t, disk.SyncDir(testDir))
	o.FS, o.RecoveryPoint, o.Background = disk.CrashClone(1), 0, func(func()) {}
	l = mustOpen(t, o)
	start := l.view.segments[2].base
	l.SetHighWatermark(l.EndOffset())
	_, err := l.DeleteRecordsBefore(start)
	ok(t, err)
	if n, _, err := l.Retain(testNow); n != 2 || err != nil {
		t.Fatalf("%d segments deleted, %v", n, err)
	}
	o.StartOffset = start
	wantDuplicateAfterCrash(t, o.FS.(*vfs.Mem), o)
}
