package broker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/logstore"
)

// startOn starts a broker on log directories and stops it again; the error is the start's.
func startOn(t *testing.T, dirs ...string) error {
	t.Helper()
	b, err := startIn(t, strings.Join(dirs, ","))
	if err != nil {
		return err
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	return nil
}

// A first log directory that is new gets no new tree while klamm has run on another, and one that
// is named second does not lose its tree. What the refusal says to do helps, and a directory of
// Apache's broker may be named behind a new one.
func TestNewFirstDirectoryLosesNoTree(t *testing.T) {
	top := t.TempDir()
	first, second, empty := filepath.Join(top, "first"), filepath.Join(top, "second"), filepath.Join(top, "empty")
	if err := startOn(t, first, second); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][]string{{empty, second}, {empty, second, first}, {second, first}} {
		err := startOn(t, dirs...)
		if err == nil || !strings.HasPrefix(err.Error(), dirs[0]+": the first log directory") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", dirs, err)
		}
		if _, err := os.Stat(empty); err == nil {
			t.Fatalf("%v: the new directory was made", dirs)
		}
	}
	if err := startOn(t, first, second, empty); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(first); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(empty); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(second, logstore.ReserveName)); err != nil {
		t.Fatal(err)
	}
	if err := startOn(t, first, second); err != nil {
		t.Error(err)
	}
}
