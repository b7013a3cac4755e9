package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// MountMemory mounts a file system in memory of so many bytes at a directory until the test ends. It is for [MainInNamespaces].
func MountMemory(t testing.TB, dir string, bytes int64) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", bytes)); err != nil {
		t.Fatalf("a tmpfs cannot be mounted, which this test needs: %v", err)
	}
	t.Cleanup(func() { UnmountAll(dir) })
}

// UnmountAll unmounts all that is mounted at a directory, one over the other.
func UnmountAll(dir string) {
	for unix.Unmount(dir, unix.MNT_DETACH) == nil {
	}
}

// MountReadOnly has a directory be read-only for who opens files in it from now on, until [UnmountTop].
func MountReadOnly(t testing.TB, dir string) {
	t.Helper()
	err := unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if err == nil {
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// UnmountTop takes back one mount at a directory.
func UnmountTop(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
}

// FillDisk takes all the room that a file system has left, and [FreeDisk] gives it back.
func FillDisk(t testing.TB, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, os.Getpagesize())
	for {
		if _, err := f.Write(page); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// FreeDisk gives back what [FillDisk] took.
func FreeDisk(t testing.TB, dir string) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, "ballast"), 0); err != nil {
		t.Fatal(err)
	}
}
