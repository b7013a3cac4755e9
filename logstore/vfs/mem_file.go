package vfs

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// memFile is an open file of Mem; it stays usable when its name goes.
type memFile struct {
	m        *Mem
	n        *memNode
	path     string
	writable bool
	closed   atomic.Bool
}

func (f *memFile) check(op string, write bool) error {
	if f.closed.Load() {
		return pathError(op, f.path, fs.ErrClosed)
	}
	if write && !f.writable {
		return pathError(op, f.path, syscall.EBADF)
	}
	return nil
}

// ReadAt implements File.
func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if _, err := f.m.before(OpRead, f.path); err != nil {
		return 0, pathError("read", f.path, err)
	}
	if off < 0 {
		return 0, pathError("read", f.path, syscall.EINVAL)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off > int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.WritevAt([][]byte{p}, off)
	return int(n), err
}

// WritevAt implements File. On a full disk it writes what fits.
func (f *memFile) WritevAt(bufs [][]byte, off int64) (int64, error) {
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	data := slices.Concat(bufs...)
	short, err := f.m.before(OpWrite, f.path)
	if err != nil {
		if !short {
			return 0, pathError("write", f.path, err)
		}
		data = data[:len(data)/2]
	}
	if off < 0 {
		return 0, pathError("write", f.path, syscall.EINVAL)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if grow := off + int64(len(data)) - int64(len(f.n.data)); f.m.capacity > 0 && f.n.linked && f.m.used+grow > f.m.capacity {
		fits := int64(len(data)) - (f.m.used + grow - f.m.capacity)
		data, err = data[:max(0, fits)], syscall.ENOSPC
	}
	if len(data) > 0 {
		f.m.applyLocked(f.n, memWrite{off: off, data: data})
	}
	if err != nil {
		err = pathError("write", f.path, err)
	}
	return int64(len(data)), err
}

// Truncate implements File.
func (f *memFile) Truncate(size int64) error {
	if err := f.check("truncate", true); err != nil {
		return err
	}
	if _, err := f.m.before(OpTruncate, f.path); err != nil {
		return pathError("truncate", f.path, err)
	}
	if size < 0 {
		return pathError("truncate", f.path, syscall.EINVAL)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.truncateLocked(f.n, size)
	return nil
}

// Allocate makes the file larger with zeros, all or nothing.
func (f *memFile) Allocate(size int64) error {
	if err := f.check("fallocate", true); err != nil {
		return err
	}
	if _, err := f.m.before(OpAllocate, f.path); err != nil {
		return pathError("fallocate", f.path, err)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	grow := size - int64(len(f.n.data))
	if grow <= 0 {
		return nil
	}
	if f.m.capacity > 0 && f.n.linked && f.m.used+grow > f.m.capacity {
		return pathError("fallocate", f.path, syscall.ENOSPC)
	}
	f.m.truncateLocked(f.n, size)
	return nil
}

func (m *Mem) truncateLocked(n *memNode, size int64) { m.applyLocked(n, memWrite{off: size}) }

func (m *Mem) applyLocked(n *memNode, w memWrite) {
	before := len(n.data)
	n.data = w.apply(n.data)
	n.writes = append(n.writes, w)
	n.modTime = time.Now()
	if n.linked {
		m.used += int64(len(n.data) - before)
	}
}

// apply makes the change to data and gives the result, which may be another slice.
func (w memWrite) apply(data []byte) []byte {
	end := w.off + int64(len(w.data))
	switch {
	case end > int64(len(data)):
		old := len(data)
		data = slices.Grow(data, int(end)-old)[:end]
		clear(data[old:])
	case w.data == nil:
		data = data[:end]
	}
	copy(data[w.off:], w.data)
	return data
}

// Sync makes data and size durable. If it fails, the unsynced writes never become
// durable, although reads still see them and a later Sync succeeds. That is what
// Linux does after a failed fsync.
func (f *memFile) Sync() error {
	if err := f.check("sync", false); err != nil {
		return err
	}
	_, err := f.m.before(OpSync, f.path)
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err != nil {
		for i := range f.n.writes {
			f.n.writes[i].lost = true
		}
		return pathError("sync", f.path, err)
	}
	for _, w := range f.n.writes {
		if !w.lost {
			f.n.durable = w.apply(f.n.durable)
		}
	}
	f.n.writes = nil
	return nil
}

// DropCache undoes what a failed Sync lost.
func (f *memFile) DropCache() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	before := len(f.n.data)
	f.n.data = slices.Clone(f.n.durable)
	f.n.writes = slices.DeleteFunc(f.n.writes, func(w memWrite) bool { return w.lost })
	for _, w := range f.n.writes {
		f.n.data = w.apply(f.n.data)
	}
	if f.n.linked {
		f.m.used += int64(len(f.n.data) - before)
	}
}

// Size implements File.
func (f *memFile) Size() (int64, error) {
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.n.data)), nil
}

// ModTime implements File.
func (f *memFile) ModTime() (time.Time, error) {
	if err := f.check("stat", false); err != nil {
		return time.Time{}, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.n.modTime, nil
}

// Close implements File.
func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.path, fs.ErrClosed)
	}
	return nil
}

// OSFile implements File: there is none.
func (f *memFile) OSFile() *os.File { return nil }
