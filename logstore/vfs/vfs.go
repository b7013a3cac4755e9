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

	ReadFile(path string) ([]byte, error)
	Rename(from, to string) error
	Remove(path string) error
	RemoveAll(path string) error
	MkdirAll(path string) error
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)
	// SyncDir makes renames, creations and removals in the directory durable.
	SyncDir(path string) error
	// Space gives the size and the usable space of the file system at path, in bytes.
	Space(path string) (total, usable int64, err error)
}

// File is an open file. ReadAt and WriteAt may be called from several
// goroutines; the rest needs the owner's lock.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	// WritevAt writes the buffers one after the other from off on, with one
	// system call where the system has one.
	WritevAt(bufs [][]byte, off int64) (int64, error)
	Truncate(size int64) error
	// Allocate makes the file at least so large, with room on the disk for all of it.
	Allocate(size int64) error
	// Sync makes data and size durable (fdatasync semantics suffice).
	Sync() error
	// DropCache has reads come from the disk again, other than from memory, as far as
	// nothing waits to be written. After a Sync that failed, memory may hold what
	// the disk does not, and never will: whoever read that would take it for stored.
	DropCache()
	Size() (int64, error)
	// ModTime is when somebody last wrote into the file, as exactly as the file system says it.
	ModTime() (time.Time, error)
	Close() error
	// OSFile gives the file of the operating system for sendfile; nil where
	// there is none (Mem).
	OSFile() *os.File
}

// Lock is a held lock file.
type Lock interface {
	// Check fails with ErrMoved when the lock's path leads to another file by now, or to
	// none: the file system was unmounted, or another one mounted over it.
	Check() error
	Close() error
}

// ErrLocked says that another process holds the lock file.
var ErrLocked = errors.New("locked by another process")

// ErrMoved says that a path does not lead to the file any more that was opened by it.
var ErrMoved = errors.New("not the file system any more that was here at the start: was it unmounted?")
