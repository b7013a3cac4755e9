package local

import (
	"errors"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"klamm/cluster/meta"
)

// failing calls f on a thread on which a system call fails, and gives f's error. The thread ends with f.
func failing(t *testing.T, call uint32, errno syscall.Errno, f func() error) error {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	done := make(chan error)
	var setUp error
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		setUp = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if setUp == nil {
			setUp = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
		}
		if setUp != nil {
			done <- nil
			return
		}
		done <- f()
	}()
	err := <-done
	if setUp != nil {
		t.Fatal(setUp)
	}
	return err
}

// TestDiskThatRefusesWritesIsReadOn has the tree's disk fail or become read-only. A write fails and changes
// nothing, later writes fail too, and reads go on. Everything is there when the file is opened again.
func TestDiskThatRefusesWritesIsReadOn(t *testing.T) {
	for _, c := range []struct {
		call  uint32
		errno syscall.Errno
	}{{unix.SYS_PWRITE64, unix.EIO}, {unix.SYS_PWRITE64, unix.EROFS}, {unix.SYS_FDATASYNC, unix.EIO}, {unix.SYS_FDATASYNC, unix.EROFS}} {
		o := Options{Path: filepath.Join(t.TempDir(), FileName), Lend: func(func() error) error {
			t.Error("room was lent to a disk that fails")
			return errors.New("nothing is kept")
		}}
		s, ses := openWith(t, o)
		if _, err := ses.Create(t.Context(), "/a", []byte("1"), meta.Persistent); err != nil {
			t.Fatal(err)
		}
		err := failing(t, c.call, c.errno, func() error {
			_, err := ses.Set(t.Context(), "/a", []byte("2"), meta.AnyVersion)
			return err
		})
		if disk, ok := errors.AsType[*DiskError](err); !ok || !errors.Is(err, c.errno) || disk.Path != o.Path {
			t.Fatalf("%d, %v: %v", c.call, c.errno, err)
		}
		if _, err := ses.Set(t.Context(), "/a", []byte("3"), meta.AnyVersion); !errors.Is(err, c.errno) {
			t.Errorf("after %v: %v", c.errno, err)
		}
		if data, _, err := ses.Get(t.Context(), "/a"); err != nil || string(data) != "1" {
			t.Errorf("reads %q, %v", data, err)
		}
		_ = s.Close() // the session's end cannot be written either
		s, ses = openWith(t, o)
		if data, _, err := ses.Get(t.Context(), "/a"); err != nil || string(data) != "1" && string(data) != "2" {
			t.Errorf("opened again it reads %q, %v", data, err)
		}
		if _, err := ses.Set(t.Context(), "/a", []byte("4"), meta.AnyVersion); err != nil {
			t.Errorf("opened again: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
