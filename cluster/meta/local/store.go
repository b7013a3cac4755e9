package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"klamm/cluster/meta"
	"klamm/cluster/meta/notify"
)

// FileName is the name that the tree's file has at the top of the first log directory.
const FileName = "klamm-metadata"

const format = 1

var (
	nodesBucket      = []byte("nodes")
	ephemeralsBucket = []byte("ephemerals")
	countersBucket   = []byte("counters")

	formatKey  = []byte("format")
	zxidKey    = []byte("zxid")
	sessionKey = []byte("session")
)

// ErrHeld says that another process has the file open.
var ErrHeld = errors.New("held by another process")

// Options are what a Store needs.
type Options struct {
	// Path is the file. Open creates it if it is not there, but not its directory.
	Path string
	// Clock gives the time for Ctime and Mtime. Default time.Now.
	Clock func() time.Time
	// Lend runs a write that found no room on the disk once more, with space that was reserved for it. Nil: none is reserved.
	Lend func(write func() error) error
	// SyncDir makes the names in a directory durable. Default: the operating system's fsync of it.
	SyncDir func(dir string) error
	// OpenFile opens the file. Default os.OpenFile.
	OpenFile func(path string, flag int, mode os.FileMode) (*os.File, error)
	// LockTimeout is how long to wait for another process to close the file. Default 200 ms.
	LockTimeout time.Duration
}

// Store is an open tree; it implements [meta.Store]. Its methods may be called by several goroutines at once.
type Store struct {
	db     *bbolt.DB
	clock  func() time.Time
	lend   func(write func() error) error
	failed atomic.Pointer[error] // why nothing is written any more

	// mu is held over each write until its watches have fired, and over each read that sets a
	// watch, so that no change falls between the two.
	mu       sync.Mutex
	sessions map[int64]*Session
	data     watches // created, changed, deleted
	children watches // a child came or went, or deleted
	closed   bool
}

// Open opens the file or creates it, and deletes the ephemeral nodes of earlier sessions. The error wraps ErrHeld
// if another process has the file open.
func Open(o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SyncDir == nil {
		o.SyncDir = syncDir
	}
	db, err := openFile(o, &bbolt.Options{FreelistType: bbolt.FreelistMapType, OpenFile: o.OpenFile})
	if err != nil {
		return nil, err
	}
	// The file's name must outlast a power cut before a write to it is acknowledged. A file that is there already
	// may have been made by a process that was killed before this line.
	if err := o.SyncDir(filepath.Dir(o.Path)); err != nil {
		db.Close()
		return nil, fmt.Errorf("metadata file %s: sync its directory: %w", o.Path, err)
	}
	s := &Store{
		db: db, clock: o.Clock, lend: o.Lend, sessions: map[int64]*Session{},
		data: watches{}, children: watches{},
	}
	if err := s.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("metadata file %s: %w", o.Path, err)
	}
	return s, nil
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// broken turns a panic over a broken page into an error. bbolt trusts the file that it maps: without this, a file that was
// cut short would end the process. It is deferred after protect.
func broken(err *error, path string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("metadata file %s is broken: %v", path, p)
	}
}

// protect makes an access to a page past the end of the file a panic of this goroutine, which broken catches, and not a
// signal that ends the process. It holds until end is called.
func protect() (end func()) {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}

// openFile opens the file. Its error says so if another process has the file open.
func openFile(o Options, how *bbolt.Options) (db *bbolt.DB, err error) {
	defer protect()()
	defer broken(&err, o.Path)
	if how.Timeout = o.LockTimeout; how.Timeout == 0 {
		how.Timeout = 200 * time.Millisecond
	}
	db, err = bbolt.Open(o.Path, 0o644, how)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("metadata file %s is %w: is another broker running on this directory?", o.Path, ErrHeld)
	}
	if err != nil {
		return nil, fmt.Errorf("metadata file %s: %w", o.Path, err)
	}
	return db, nil
}

// prepare makes the buckets and the root of a new file, and deletes the ephemeral nodes of an old one. It writes
// nothing to a file that needs neither.
//
// prepare refuses a file that is not whole: reading past its end would kill the process later.
func (s *Store) prepare() (err error) {
	defer protect()()
	defer broken(&err, s.db.Path())
	var fresh, leftovers bool
	err = s.db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(s.db.Path())
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("is cut short: %d of %d bytes are there", info.Size(), tx.Size())
		}
		counters := tx.Bucket(countersBucket)
		if fresh = counters == nil; fresh {
			return nil
		}
		if v := number(counters.Get(formatKey)); v != format {
			return fmt.Errorf("is of format %d, and this program knows format %d only", v, format)
		}
		k, _ := tx.Bucket(ephemeralsBucket).Cursor().First()
		leftovers = k != nil
		return nil
	})
	if err != nil || !fresh && !leftovers {
		return err
	}
	return s.update(func(tx *bbolt.Tx) error {
		if fresh {
			return create(tx, s.nowMs())
		}
		w := begin(tx, s.nowMs())
		return w.removeEphemerals(nil)
	})
}

// create lays out a new file.
func create(tx *bbolt.Tx, nowMs int64) error {
	for _, name := range [][]byte{nodesBucket, ephemeralsBucket, countersBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	if err := tx.Bucket(countersBucket).Put(formatKey, bytesOf(format)); err != nil {
		return err
	}
	return tx.Bucket(nodesBucket).Put(nodeKey("/"), (&record{ctime: nowMs, mtime: nowMs}).encode())
}

// update runs f in a transaction. When update returns, the transaction is on the disk, or it has changed nothing.
// It returns an error of f as it is. f may be called twice.
//
// A write that finds no room has changed nothing. After any other error of the disk nobody knows what is on it,
// and a second try would not tell. Every later write therefore gets that error, until the file is opened again.
func (s *Store) update(f func(*bbolt.Tx) error) error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	err := s.try(f)
	if noRoom(err) && s.lend != nil {
		tried := false
		if again := s.lend(func() error { tried = true; return s.try(f) }); tried {
			err = again
		}
	}
	return err
}

func (s *Store) try(f func(*bbolt.Tx) error) error {
	refused := false
	err := s.db.Update(func(tx *bbolt.Tx) error {
		err := f(tx)
		refused = err != nil
		return err
	})
	if err == nil || refused {
		return err
	}
	err = &DiskError{Path: s.db.Path(), Err: err}
	if !noRoom(err) {
		s.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// DiskError is an error of the disk under the tree's file. The tree can still be read.
type DiskError struct {
	// Path is the tree's file.
	Path string
	// Err is the operating system's error.
	Err error
}

// Error names the file and gives the cause.
func (e *DiskError) Error() string { return "write metadata to " + e.Path + ": " + e.Err.Error() }

// Unwrap gives the operating system's error.
func (e *DiskError) Unwrap() error { return e.Err }

// noRoom says whether a write found no room. An errno outside of an fs.PathError comes from a sync, after which nobody
// knows what is on the disk.
func noRoom(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && (errors.Is(write, syscall.ENOSPC) || errors.Is(write, syscall.EDQUOT))
}

// Open implements meta.Store.
func (s *Store) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, &meta.Error{Op: "session", Path: "/", Err: meta.ErrSessionExpired}
	}
	if err := ctx.Err(); err != nil {
		return nil, &meta.Error{Op: "session", Path: "/", Err: err}
	}
	var id int64
	err := s.update(func(tx *bbolt.Tx) error {
		counters := tx.Bucket(countersBucket)
		id = number(counters.Get(sessionKey)) + 1
		return counters.Put(sessionKey, bytesOf(id))
	})
	if err != nil {
		return nil, &meta.Error{Op: "session", Path: "/", Err: err}
	}
	ses := &Session{store: s, id: id, done: make(chan struct{}), calls: notify.New(w)}
	s.sessions[id] = ses
	return ses, nil
}

// Close ends all sessions and closes the file. The error joins the errors of both.
func (s *Store) Close() error {
	s.mu.Lock()
	var open []*Session
	for _, ses := range s.sessions {
		open = append(open, ses)
	}
	s.closed = true
	s.mu.Unlock()
	var errs []error
	for _, ses := range open {
		errs = append(errs, ses.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

func (s *Store) nowMs() int64 { return s.clock().UnixMilli() }

func number(b []byte) int64 {
	if len(b) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

func bytesOf(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
