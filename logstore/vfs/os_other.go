//go:build unix && !linux

package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

func syncData(f *os.File) error { return f.Sync() }

// The classic POSIX lock excludes other processes only, so a second lock in
// this process is refused by a list of our own. Brokers of one process share it: the locks are the
// process's.
var (
	lockedMu sync.Mutex
	locked   = map[string]bool{}
)

func lockFile(f *os.File) (func(), error) {
	name, err := filepath.Abs(f.Name())
	if err != nil {
		return nil, err
	}
	lockedMu.Lock()
	defer lockedMu.Unlock()
	if locked[name] {
		return nil, syscall.EAGAIN
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		return nil, err
	}
	locked[name] = true
	return func() {
		lockedMu.Lock()
		delete(locked, name)
		lockedMu.Unlock()
	}, nil
}

func lockHeld(f *os.File) (bool, error) {
	wanted := syscall.Flock_t{Type: syscall.F_WRLCK}
	err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &wanted)
	return wanted.Type != syscall.F_UNLCK, err
}

func dropCache(*os.File) {}

func allocate(*os.File, int64) error { return errors.ErrUnsupported }

func writevAt(f *os.File, bufs [][]byte, off int64) (int64, error) {
	var total int64
	for _, b := range bufs {
		n, err := f.WriteAt(b, off+total)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
