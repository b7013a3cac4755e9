package broker

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/cluster/meta/local"
	"klamm/cluster/meta/mem"
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

// A broker whose tree went to ZooKeeper does not start alone: it would make a new tree of its log directories, without the properties of the topics.
func TestJoinedBrokerDoesNotStartAlone(t *testing.T) {
	dir := t.TempDir()
	if err := startOn(t, dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, local.FileName), filepath.Join(dir, joinedName)); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][]string{{dir}, {t.TempDir(), dir}} { // and where another directory is named first now
		if err := startOn(t, dirs...); err == nil || !strings.Contains(err.Error(), dir+": this broker has joined a cluster") || !strings.Contains(err.Error(), "klamm cluster leave") {
			t.Errorf("%v: %v", dirs, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, local.FileName)); err == nil {
		t.Error("there is a new tree")
	}
}

// TestBrokerThatLeftDoesNotStartInTheCluster: who forgot to remove zookeeper.connect after klamm cluster leave had a broker that went on in ZooKeeper, and was
// told to delete that.
func TestBrokerThatLeftDoesNotStartInTheCluster(t *testing.T) {
	store, dir := mem.New(mem.Options{}), t.TempDir()
	start := func() error {
		b, err := startShared(t, store, dir, "broker.id=1")
		if err != nil {
			return err
		}
		return b.Stop(context.Background())
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, local.FileName)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	if err := start(); err == nil || !strings.HasPrefix(err.Error(), file+": this broker has left its cluster") || !strings.Contains(err.Error(), "remove zookeeper.connect") {
		t.Errorf("%v", err)
	}
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("the directory was changed")
	}
	if err := os.Rename(file, file+".joined"); err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Error(err)
	}
}
