package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// OS is the real disk. It is safe for concurrent use.
type OS struct{}

var _ FS = OS{}

// Open opens an existing file for reading and writing.
func (OS) Open(path string) (File, error) { return openOS(path, os.O_RDWR) }

// OpenRead opens an existing file for reading.
func (OS) OpenRead(path string) (File, error) { return openOS(path, os.O_RDONLY) }

// Create makes or truncates the file.
func (OS) Create(path string) (File, error) { return openOS(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC) }

func openOS(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// Lock takes the lock that excludes Apache Kafka's broker as well: a record
// lock over the whole file, which is what Java's FileChannel.tryLock takes.
// (flock would not be seen by it.)
func (OS) Lock(path string) (Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	unlock, err := lockFile(f)
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			err = ErrLocked
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return &osLock{f: f, unlock: unlock}, nil
}

// Locked says whether another process holds the lock file, which must exist. It takes no lock, so that it disturbs nobody who does. A lock that this
// process holds itself may not be seen on systems other than Linux.
func (OS) Locked(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	held, err := lockHeld(f)
	if err != nil {
		return false, &fs.PathError{Op: "look at the lock of", Path: path, Err: err}
	}
	return held, nil
}

type osLock struct {
	f      *os.File
	unlock func()
}

// Check compares the file at the lock's path with the one that is locked.
func (l *osLock) Check() error {
	held, err := l.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, there) {
		return &fs.PathError{Op: "look at", Path: l.f.Name(), Err: ErrMoved}
	}
	return err
}

// Close gives the lock up. The file stays, as Apache's broker leaves it.
func (l *osLock) Close() error {
	l.unlock()
	return l.f.Close()
}

// ReadFile reads the whole file.
func (OS) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }

// Rename renames a file or directory, replacing a file of the new name.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file or an empty directory.
func (OS) Remove(path string) error { return os.Remove(path) }

// RemoveAll removes a directory and what is in it; a missing path is no error.
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// MkdirAll makes the directory and its missing parents.
func (OS) MkdirAll(path string) error { return os.MkdirAll(path, 0o755) }

// ReadDir lists the directory, sorted by name.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Stat describes the file.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// SyncDir syncs the directory itself. It works even if connections have taken all
// file descriptors: see spare.
func (OS) SyncDir(path string) error {
	err := syncDir(path)
	if !errors.Is(err, syscall.EMFILE) {
		keepSpare()
		return err
	}
	spare.Lock()
	defer spare.Unlock()
	if spare.f == nil {
		return err
	}
	_ = spare.f.Close() // it was only held
	spare.f = nil
	err = syncDir(path)
	spare.f, _ = os.Open(os.DevNull) // else the next SyncDir opens it
	return err
}

// spare is a descriptor that is kept for SyncDir. A change that becomes durable in several steps
// must not stop in the middle because there is none. Brokers of one process share it, as they share the limit on descriptors.
var spare struct {
	sync.Mutex
	f *os.File
}

func keepSpare() {
	spare.Lock()
	defer spare.Unlock()
	if spare.f == nil {
		spare.f, _ = os.Open(os.DevNull) // else the next one opens it
	}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Space gives size and usable bytes of the file system that holds path.
func (OS) Space(path string) (total, usable int64, err error) {
	var st syscall.Statfs_t
	for {
		err = syscall.Statfs(path, &st)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// osFile is an open file of OS; it implements File.
type osFile struct{ f *os.File }

// ReadAt implements File.
func (o *osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

// WriteAt implements File.
func (o *osFile) WriteAt(p []byte, off int64) (int, error) { return o.f.WriteAt(p, off) }

// Truncate implements File.
func (o *osFile) Truncate(size int64) error { return o.f.Truncate(size) }

// Close implements File.
func (o *osFile) Close() error { return o.f.Close() }

// OSFile implements File.
func (o *osFile) OSFile() *os.File { return o.f }

// WritevAt implements File with one pwritev where the system has it.
func (o *osFile) WritevAt(bufs [][]byte, off int64) (int64, error) {
	if len(bufs) == 1 {
		n, err := o.f.WriteAt(bufs[0], off)
		return int64(n), err
	}
	return writevAt(o.f, bufs, off)
}

// Sync implements File with fdatasync where the system has it.
func (o *osFile) Sync() error { return syncData(o.f) }

// DropCache implements File where the system can be asked for it.
func (o *osFile) DropCache() { dropCache(o.f) }

// Allocate asks the file system for the room, and where that knows no such thing
// writes zeros behind what is there.
func (o *osFile) Allocate(size int64) error {
	err := allocate(o.f, size)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	zeros := make([]byte, 64<<10)
	at, err := o.Size()
	for err == nil && at < size {
		var n int
		n, err = o.f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		at += int64(n)
	}
	return err
}

// Size implements File.
func (o *osFile) Size() (int64, error) {
	st, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// ModTime implements File.
func (o *osFile) ModTime() (time.Time, error) {
	st, err := o.f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return st.ModTime(), nil
}
