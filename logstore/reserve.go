package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"klamm/logstore/vfs"
)

// ReserveName is a file at the top of a log directory that holds nothing but room.
// Apache's broker passes over it. It also tells a directory that klamm has run on from
// one that only Apache's broker has.
const ReserveName = "klamm-reserve"

// HasReserve says whether a log directory is one that klamm has run on; it need not be there.
func HasReserve(fsys vfs.FS, dir string) (bool, error) {
	_, err := fsys.Stat(filepath.Join(dir, ReserveName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// How large the reserve is: maxReserve, but no more than a reserveShare-th of the file system.
const (
	maxReserve   = 8 << 20
	reserveShare = 50
	reserveUnit  = 4096
)

// reserve keeps some room in a log directory for operations that have to work on a full
// disk: checkpoints, deletions, the tree of znodes, a stop and a start. When one of them
// finds no room, it gets the room of the reserve. From then on records are refused, since
// they would take the rest, until there is room for the whole reserve again.
type reserve struct {
	fs   vfs.FS
	path string
	// spent says that the reserve is not whole. Every append reads it.
	spent atomic.Bool

	mu   sync.Mutex
	size int64 // guarded by mu
}

// newReserve gives a reserve of size bytes, 0 for a size that suits the disk. It takes no
// room before fill.
func newReserve(disk vfs.FS, dir string, size int64) *reserve {
	return &reserve{fs: disk, path: filepath.Join(dir, ReserveName), size: size}
}

// fill makes the reserve whole, and says why it is not. It may be called at any time.
func (r *reserve) fill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size == 0 {
		total, _, err := r.fs.Space(filepath.Dir(r.path))
		if err != nil {
			return err
		}
		r.size = max(min(maxReserve, total/reserveShare)/reserveUnit, 4) * reserveUnit
	}
	err := r.allocateLocked()
	r.spent.Store(err != nil)
	return err
}

func (r *reserve) allocateLocked() error {
	f, err := r.fs.Open(r.path)
	if errors.Is(err, syscall.ENOENT) {
		f, err = r.fs.Create(r.path)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Allocate(r.size), f.Close())
}

// lend frees the room of the reserve, calls op, and takes back at once what op leaves. It
// serves one op at a time. It returns op's error, or errNoRoom if there is nothing to lend.
func (r *reserve) lend(op func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent.Store(true)
	f, err := r.fs.Open(r.path)
	if err != nil {
		return errNoRoom
	}
	defer f.Close()
	if size, err := f.Size(); err != nil || size == 0 || f.Truncate(0) != nil {
		return errNoRoom
	}
	err = op()
	for size := r.size; size >= reserveUnit; size /= 2 {
		if f.Allocate(size) == nil {
			break
		}
	}
	return err
}

// LendReserve retries a write outside of the logs that found no room on the first
// directory's disk, with the room that is kept there.
func (s *Store) LendReserve(op func() error) error { return s.dirs[0].reserve.lend(op) }

// Room says why no directory has room for another log, nil when one has.
func (s *Store) Room() error {
	for _, d := range s.online() {
		if !d.reserve.spent.Load() {
			return nil
		}
	}
	d := s.dirs[0]
	return &DirError{Dir: d.path, Path: d.path, Op: "make a log in", Err: errNoRoom}
}

// full says whether an error is for want of room on the disk.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// errNoRoom is what an append gets while the reserve is not whole.
var errNoRoom = fmt.Errorf("only what is kept for deleting and stopping is left: %w", syscall.ENOSPC)

// roomyFS is a log directory's disk: what finds no room on it gets the reserve and
// is tried once more. Appends are not among that: they write with WritevAt.
// Nor are syncs: after one that failed nobody knows what is on the disk.
type roomyFS struct {
	vfs.FS
	reserve *reserve
}

// twice calls op, and if it finds no room calls it again with the room of the reserve.
func (d roomyFS) twice(op func() error) error {
	err := op()
	if full(err) {
		if again := d.reserve.lend(op); again != errNoRoom {
			err = again
		}
	}
	return err
}

// spare fails if so many more bytes would leave less room on the disk than the reserve has. Work that can wait, such as
// compaction, calls it before it writes.
func (d roomyFS) spare(dir string, bytes int64) error {
	_, usable, err := d.FS.Space(dir)
	if err != nil {
		return err
	}
	d.reserve.mu.Lock()
	keep := d.reserve.size
	d.reserve.mu.Unlock()
	if usable < bytes+keep {
		return fmt.Errorf("%d bytes are free, and %d more are to stay so: %w", usable, keep, syscall.ENOSPC)
	}
	return nil
}

func (d roomyFS) open(open func(string) (vfs.File, error), path string) (f vfs.File, err error) {
	err = d.twice(func() (err error) { f, err = open(path); return err })
	if err != nil {
		return nil, err
	}
	return &roomyFile{f, d}, nil
}

// Open implements vfs.FS, with the reserve's room if there is no other.
func (d roomyFS) Open(path string) (vfs.File, error) { return d.open(d.FS.Open, path) }

// Create implements vfs.FS, with the reserve's room if there is no other.
func (d roomyFS) Create(path string) (vfs.File, error) { return d.open(d.FS.Create, path) }

// Rename implements vfs.FS, with the reserve's room if there is no other.
func (d roomyFS) Rename(from, to string) error {
	return d.twice(func() error { return d.FS.Rename(from, to) })
}

// MkdirAll implements vfs.FS, with the reserve's room if there is no other.
func (d roomyFS) MkdirAll(path string) error {
	return d.twice(func() error { return d.FS.MkdirAll(path) })
}

// roomyFile is an open file of a roomyFS.
type roomyFile struct {
	vfs.File
	disk roomyFS
}

// WriteAt implements vfs.File, with the reserve's room if there is no other.
func (f *roomyFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.disk.twice(func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

// Truncate may need room on a file system that never writes in place. It has to work: it cuts off what a failed write left.
func (f *roomyFile) Truncate(size int64) error {
	return f.disk.twice(func() error { return f.File.Truncate(size) })
}
