package migrate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAccess asks the system about files of another user. A thread that root runs becomes nobody for files: open is what nobody may write as well.
func TestAccess(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(access(dir), access(file)); err != nil {
		t.Error(err)
	}
	if err := access(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.WriteFile(open, nil, 0o600), os.Chmod(open, 0o666)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer unix.Setfsuid(0)
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chmod(closed, 0o755), unix.Setfsuid(65534)); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := access(open); err != nil {
		t.Errorf("a file that everybody may write, below directories that everybody may search: %v", err)
	}
	for _, path := range []string{file, closed} {
		if err := access(path); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s may be written: %v", path, err)
		}
	}
}
