// Package vfs is the seam between logstore and the disk. Every file operation
// of the log goes through FS, so that a test can crash the disk at any point
// and can make any single operation fail. OS is the real disk; Mem is the
// double.
//
// It is deliberately small: what a log needs and nothing else. It never
// retries, never caches and never hides an error.
package vfs

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// FS is a disk. Paths are as package os takes them. Errors wrap the operating
// system's (*fs.PathError), so errors.Is with fs.ErrNotExist, syscall.ENOSPC
// and the like works on all of them.
type FS interface {
	// Open opens for reading and writing; the file must exist.
	Open(path string) (File, error)
	// OpenRead opens for reading only; the file must exist.
	OpenRead(path string) (File, error)
	// Create makes the file, or truncates it, and opens it for reading and writing.
	Create(path string) (File, error)
	// Lock takes an exclusive, advisory lock on the file (made when missing) and
	// holds it until Close. It fails at once with ErrLocked when another process holds it.
	Lock(path string) (Lock, error)

	// ReadFile reads a whole file.
	ReadFile(path string) ([]byte, error)
	// Rename renames a file or directory. It replaces a file of the new name.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(path string) error
	// RemoveAll removes a file, or a directory with all that is in it. That nothing is there is no error.
	RemoveAll(path string) error
	// MkdirAll makes a directory and its missing parents. Each is durable once its own parent was synced.
	MkdirAll(path string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Stat describes a file or directory.
	Stat(path string) (fs.FileInfo, error)
	// SyncDir makes renames, creations and removals in the directory durable.
	SyncDir(path string) error
	// Space gives the size and the usable space of the file system at path, in bytes.
	Space(path string) (total, usable int64, err error)
}

// File is an open file. ReadAt and WriteAt may be called from several
// goroutines; the rest needs the owner's lock.
type File interface {
	// ReadAt reads len(p) bytes from off on, as io.ReaderAt.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes p at off, as io.WriterAt. It makes the file larger where that is needed.
	WriteAt(p []byte, off int64) (int, error)
	// WritevAt writes the buffers one after the other from off on, with one
	// system call where the system has one.
	WritevAt(bufs [][]byte, off int64) (int64, error)
	// Truncate gives the file this size. It adds zeros, which take no room, or cuts off its end.
	Truncate(size int64) error
	// Allocate makes the file at least so large, with room on the disk for all of it.
	Allocate(size int64) error
	// Sync makes data and size durable (fdatasync semantics suffice).
	Sync() error
	// DropCache has the next reads come from the disk and not from the page cache, but
	// for pages that wait to be written. After a Sync that failed the page cache may hold
	// what the disk never will, and a reader would take that for stored.
	DropCache()
	// Size gives the file's size in bytes.
	Size() (int64, error)
	// ModTime gives the time of the last write, as exactly as the file system keeps it.
	ModTime() (time.Time, error)
	// Close closes the file. It syncs nothing.
	Close() error
	// OSFile gives the file of the operating system for sendfile; nil where
	// there is none (Mem).
	OSFile() *os.File
}

// Lock is a held lock file.
type Lock interface {
	// Check fails with ErrMoved if the lock's path leads to another file now, or to
	// none: the file system was unmounted, or another one was mounted over it.
	Check() error
	// Close gives the lock up. The file stays.
	Close() error
}

// ErrLocked says that another process holds the lock file.
var ErrLocked = errors.New("locked by another process")

// ErrMoved says that a path no longer leads to the file that was opened by it.
var ErrMoved = errors.New("not the file system any more that was here at the start: was it unmounted?")
