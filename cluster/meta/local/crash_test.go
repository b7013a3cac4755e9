package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"klamm/cluster/meta"
	"klamm/logstore/vfs"
)

// namesOn gives options that keep the directory twice: the real one, which bbolt needs, and one on a double of
// the disk, which knows the names that a power cut would leave.
func namesOn(t *testing.T, disk *vfs.Mem) Options {
	t.Helper()
	dir := t.TempDir()
	if err := disk.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for at := dir; at != "/"; at = filepath.Dir(at) { // logstore makes the directory, durably
		if err := disk.SyncDir(filepath.Dir(at)); err != nil {
			t.Fatal(err)
		}
	}
	return Options{
		Path:    filepath.Join(dir, FileName),
		SyncDir: func(path string) error { return errors.Join(syncDir(path), disk.SyncDir(path)) },
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag, mode)
			if err != nil {
				return nil, err
			}
			if _, err := disk.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				return f, err
			}
			made, err := disk.Create(path)
			if err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, made.Close()
		},
	}
}

// wantName fails the test if a power cut at this moment could leave the directory without the file.
func wantName(t *testing.T, disk *vfs.Mem, path string) {
	t.Helper()
	for seed := range uint64(32) {
		if _, err := disk.CrashClone(seed).Stat(path); err != nil {
			t.Fatalf("after a power cut (seed %d): %v", seed, err)
		}
	}
}

// TestNewTreeSurvivesAPowerCut checks that Open syncs the directory of a new file. It did not, and a power cut
// could take the file with writes that were acknowledged.
func TestNewTreeSurvivesAPowerCut(t *testing.T) {
	disk := vfs.NewMem()
	o := namesOn(t, disk)
	s, ses := openWith(t, o)
	defer s.Close()
	if _, err := ses.Create(t.Context(), "/topic", nil, meta.Persistent); err != nil {
		t.Fatal(err)
	}
	wantName(t, disk, o.Path)
}

// TestTreeOfAKilledProcessSurvivesAPowerCut has a process die after it has made the file and before it has synced
// the directory.
func TestTreeOfAKilledProcessSurvivesAPowerCut(t *testing.T) {
	disk := vfs.NewMem()
	o := namesOn(t, disk)
	killed := o
	killed.SyncDir = func(string) error { return errors.New("killed") }
	if s, err := Open(killed); err == nil {
		s.Close()
		t.Fatal("opened without a sync of its directory")
	}
	s, ses := openWith(t, o)
	defer s.Close()
	if _, err := ses.Create(t.Context(), "/topic", nil, meta.Persistent); err != nil {
		t.Fatal(err)
	}
	wantName(t, disk, o.Path)
}
