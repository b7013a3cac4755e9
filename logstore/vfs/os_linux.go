package vfs

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// iovMax is IOV_MAX of Linux: the most buffers that one pwritev takes.
const iovMax = 1024

// control runs call with the descriptor held open: a Close that comes in
// between waits, so the call never hits a descriptor that was given to another
// file. Interrupted calls are made again.
func control(f *os.File, op string, call func(fd int) error) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = rc.Control(func(fd uintptr) {
		for {
			if callErr = call(int(fd)); callErr != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if callErr != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: callErr}
	}
	return nil
}

// dropCache is no more than advice: a file system in memory has nothing else.
func dropCache(f *os.File) {
	_ = control(f, "fadvise", func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
}

// allocate takes room on the disk for the first size bytes.
func allocate(f *os.File, size int64) error {
	return control(f, "fallocate", func(fd int) error { return unix.Fallocate(fd, 0, 0, size) })
}

func syncData(f *os.File) error { return control(f, "fdatasync", unix.Fdatasync) }

// lockFile takes an open file description lock. Unlike the classic POSIX lock
// it also excludes a second open in the same process, and it conflicts with the
// classic lock that Java takes.
func lockFile(f *os.File) (func(), error) {
	err := control(f, "lock", func(fd int) error {
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	})
	return func() {}, err // closing the file releases it
}

// lockHeld says whether lockFile would find a lock.
func lockHeld(f *os.File) (bool, error) {
	wanted := unix.Flock_t{Type: unix.F_WRLCK}
	err := control(f, "lock", func(fd int) error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &wanted) })
	return wanted.Type != unix.F_UNLCK, err
}

func writevAt(f *os.File, bufs [][]byte, off int64) (int64, error) {
	var total int64
	for len(bufs) > 0 {
		chunk := bufs[:min(len(bufs), iovMax)]
		var want int64
		for _, b := range chunk {
			want += int64(len(b))
		}
		var n int
		if want > 0 {
			err := control(f, "pwritev", func(fd int) (err error) {
				n, err = unix.Pwritev(fd, chunk, off+total)
				return err
			})
			if err != nil {
				return total, err
			}
			if n == 0 {
				return total, &fs.PathError{Op: "pwritev", Path: f.Name(), Err: io.ErrShortWrite}
			}
		}
		total += int64(n)
		if int64(n) == want {
			bufs = bufs[len(chunk):]
			continue
		}
		// Short: go on behind what was written, on a copy, since the slice is the caller's.
		for n >= len(bufs[0]) {
			n -= len(bufs[0])
			bufs = bufs[1:]
		}
		rest := append([][]byte(nil), bufs...)
		rest[0] = rest[0][n:]
		bufs = rest
	}
	return total, nil
}
