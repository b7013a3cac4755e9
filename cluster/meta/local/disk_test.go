package local

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"klamm/cluster/meta"
)

// swap makes writes and syncs of the tree's file go to a device: /dev/full finds no room, /dev/null takes every
// write and cannot be synced. back undoes that.
func swap(t *testing.T, s *Store, device string) (back func()) {
	t.Helper()
	var tree, dev unix.Stat_t
	if err := unix.Stat(s.db.Path(), &tree); err != nil {
		t.Fatal(err)
	}
	fd := -1
	for n := range 1024 { // bbolt does not tell
		if unix.Fstat(n, &dev) == nil && dev.Ino == tree.Ino && dev.Dev == tree.Dev {
			fd = n
		}
	}
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Dup3(int(f.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(unix.Dup3(saved, fd, unix.O_CLOEXEC), unix.Close(saved)); err != nil {
			t.Fatal(err)
		}
	}
}

func openWith(t *testing.T, o Options) (*Store, meta.Tree) {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, session(t, s)
}

// TestFullDiskRefusesWritesAndGoesOn fills the disk. A write fails and changes nothing, and reads go on. Writes
// work again once there is room, or with room that was reserved.
func TestFullDiskRefusesWritesAndGoesOn(t *testing.T) {
	kept, lend := func(write func() error) error { return nil }, false
	o := Options{Path: filepath.Join(t.TempDir(), FileName), Lend: func(write func() error) error {
		if !lend {
			return errors.New("nothing is kept")
		}
		return kept(write)
	}}
	s, ses := openWith(t, o)
	defer s.Close()
	if _, err := ses.Create(t.Context(), "/a", []byte("1"), meta.Persistent); err != nil {
		t.Fatal(err)
	}
	back := swap(t, s, "/dev/full")
	_, err := ses.Set(t.Context(), "/a", []byte("2"), meta.AnyVersion)
	if disk, ok := errors.AsType[*DiskError](err); !ok || !errors.Is(err, syscall.ENOSPC) || disk.Path != o.Path {
		t.Fatalf("on a full disk: %v", err)
	}
	if data, _, err := ses.Get(t.Context(), "/a"); err != nil || string(data) != "1" {
		t.Errorf("reads %q, %v", data, err)
	}
	lend = true
	kept = func(write func() error) error { back(); return write() }
	if _, err := ses.Set(t.Context(), "/a", []byte("3"), meta.AnyVersion); err != nil {
		t.Errorf("with room that was kept: %v", err)
	}
	if data, stat, err := ses.Get(t.Context(), "/a"); err != nil || string(data) != "3" || stat.Version != 1 {
		t.Errorf("reads %q, version %d, %v", data, stat.Version, err)
	}
}

// TestFailedSyncIsNotTriedAgain has a sync fail. Nobody knows then what is on the disk, so no write may succeed
// until the file is opened again.
func TestFailedSyncIsNotTriedAgain(t *testing.T) {
	o := Options{Path: filepath.Join(t.TempDir(), FileName)}
	s, ses := openWith(t, o)
	if _, err := ses.Create(t.Context(), "/a", []byte("1"), meta.Persistent); err != nil {
		t.Fatal(err)
	}
	back := swap(t, s, "/dev/null")
	if _, err := ses.Set(t.Context(), "/a", []byte("2"), meta.AnyVersion); !errors.Is(err, syscall.EINVAL) {
		t.Fatalf("without a sync: %v", err)
	}
	back()
	if _, err := ses.Set(t.Context(), "/a", []byte("3"), meta.AnyVersion); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("after a failed sync: %v", err)
	}
	if _, err := s.Open(t.Context(), meta.Watcher{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a session after a failed sync: %v", err)
	}
	if data, _, err := ses.Get(t.Context(), "/a"); err != nil || string(data) != "1" {
		t.Errorf("reads %q, %v", data, err)
	}
	_ = s.Close() // the session's end cannot be written either
	s, ses = openWith(t, o)
	defer s.Close()
	if _, err := ses.Set(t.Context(), "/a", []byte("4"), meta.AnyVersion); err != nil {
		t.Errorf("opened again: %v", err)
	}
	if err := s.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
