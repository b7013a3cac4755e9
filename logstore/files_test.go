package logstore

import (
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
)

// TestCloseIdleLeavesTheLogsWhatTheyUse closes idle files until no more are given up.
func TestCloseIdleLeavesTheLogsWhatTheyUse(t *testing.T) {
	disk := newMemDisk(t)
	b := NewFileBudget(80)
	files := make([]*cachedFile, 100)
	for i := range files {
		path := fmt.Sprintf("%s/%d", testDir, i)
		ok(t, writeFile(disk, path, nil, false))
		files[i] = &cachedFile{fs: vfs.FS(disk), path: path, budget: b}
		_, err := files[i].acquire()
		ok(t, err)
		if i >= 10 { // ten stay in use
			files[i].release()
		}
	}
	var closed []int
	for n := b.CloseIdle(); n > 0; n = b.CloseIdle() {
		closed = append(closed, n)
	}
	if fmt.Sprint(closed) != "[16 16 16 12]" || b.Open() != 20 {
		t.Errorf("closed %v, %d files are open; want a quarter of 80 left", closed, b.Open())
	}
	if files[99].file == nil || files[89].file != nil {
		t.Error("the file that was used last is closed, or one that was not used for longer is not")
	}
}

// scarceFS is a disk for which the process has most descriptors.
type scarceFS struct {
	vfs.FS
	most, open atomic.Int32
}

// take gives a descriptor, or the error that there is none.
func (d *scarceFS) take(path string) error {
	if d.open.Add(1) > d.most.Load() {
		d.open.Add(-1)
		return &fs.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
	}
	return nil
}

func (d *scarceFS) file(path string, open func(string) (vfs.File, error)) (vfs.File, error) {
	if err := d.take(path); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		d.open.Add(-1)
		return nil, err
	}
	return &scarceFile{f, d}, nil
}

// once takes a descriptor for the time of one call.
func (d *scarceFS) once(path string, f func() error) error {
	if err := d.take(path); err != nil {
		return err
	}
	defer d.open.Add(-1)
	return f()
}

// Open implements vfs.FS.
func (d *scarceFS) Open(path string) (vfs.File, error) { return d.file(path, d.FS.Open) }

// OpenRead implements vfs.FS.
func (d *scarceFS) OpenRead(path string) (vfs.File, error) { return d.file(path, d.FS.OpenRead) }

// Create implements vfs.FS.
func (d *scarceFS) Create(path string) (vfs.File, error) { return d.file(path, d.FS.Create) }

// ReadFile implements vfs.FS.
func (d *scarceFS) ReadFile(path string) (data []byte, err error) {
	err = d.once(path, func() error { data, err = d.FS.ReadFile(path); return err })
	return data, err
}

// ReadDir implements vfs.FS.
func (d *scarceFS) ReadDir(path string) (list []fs.DirEntry, err error) {
	err = d.once(path, func() error { list, err = d.FS.ReadDir(path); return err })
	return list, err
}

// RemoveAll implements vfs.FS.
func (d *scarceFS) RemoveAll(path string) error {
	return d.once(path, func() error { return d.FS.RemoveAll(path) })
}

// SyncDir implements vfs.FS.
func (d *scarceFS) SyncDir(path string) error {
	return d.once(path, func() error { return d.FS.SyncDir(path) })
}

type scarceFile struct {
	vfs.File
	disk *scarceFS
}

// Close implements vfs.File.
func (f *scarceFile) Close() error {
	f.disk.open.Add(-1)
	return f.File.Close()
}

// TestLogsFailedWithIdleFilesOpen: when connections had taken the descriptors that the logs' bound allows, an append failed though other logs
// held files that nobody used; so did a flush, a roll, a checkpoint, a deletion and a topic's creation.
func TestLogsFailedWithIdleFilesOpen(t *testing.T) {
	disk := &scarceFS{FS: vfs.NewMem()}
	disk.most.Store(1000)
	s := openStore(t, testStore(disk, "/d"))
	var logs []*Log
	for p := range int32(20) {
		l := create(t, s, tpOf("t", p), 1)
		ok(t, appendTo(l, 1))
		logs = append(logs, l)
	}
	disk.most.Store(disk.open.Load())
	logs = append(logs, create(t, s, tpOf("new", 0), 2))
	for _, l := range logs {
		disk.most.Store(max(disk.open.Load(), 12)) // connections take what is free, and leave what a log needs at once
		ok(t, appendTo(l, 1))
		ok(t, l.Roll(testNow))
		l.tasks.Wait()
		ok(t, appendTo(l, 1))
		ok(t, l.Flush(l.EndOffset()))
		readAll(t, l, 0, 1<<20)
	}
	disk.most.Store(max(disk.open.Load(), 12))
	ok(t, s.writeCheckpoint(s.dirs[0], recoveryPointCheckpoint))
	ok(t, s.Delete(tpOf("t", 3)))
	disk.most.Store(64) // sixteen logs are closed at once, each with its segment, indexes and snapshot
	closeStore(t, s)
}
