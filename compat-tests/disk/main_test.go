package disk

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"klamm/compat-tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainInNamespaces(m)) }

// mount mounts a file system in memory of so many bytes and gives the directory.
func mount(t *testing.T, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	harness.MountMemory(t, dir, bytes)
	return dir
}

// bind shows one directory's file system at another as well.
func bind(t *testing.T, from, to string, readOnly bool) {
	t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if readOnly {
		if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	}
}
