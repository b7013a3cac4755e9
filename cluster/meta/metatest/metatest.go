// Package metatest has the tests that every metadata tree must pass. A store's own tests call them: [Run] goes
// through a table of cases, and [Random] compares random work with a simple model (model.go).
package metatest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// Opener begins a session on an empty tree that all sessions of one opener share. The test closes the sessions.
type Opener func() meta.Tree

// Run runs each case of the table on an empty tree of its own, which fresh makes.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			open := fresh(t)
			tree := open()
			defer tree.Close()
			c.run(t, tree, open)
		})
	}
}

var cases = []struct {
	name string
	run  func(t *testing.T, tree meta.Tree, open Opener)
}{
	{"create and read", func(t *testing.T, tree meta.Tree, _ Opener) {
		path, stat, err := tree.Create("/a", []byte("one"), meta.Persistent)
		ok(t, err)
		equal(t, path, "/a")
		equal(t, stat.Version, 0)
		equal(t, stat.Czxid, stat.Mzxid)
		equal(t, stat.EphemeralOwner, 0)
		data, got, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(data), "one")
		equal(t, got.Czxid, stat.Czxid)
		equal(t, got.Ctime, stat.Ctime)
		equal(t, got.DataLength, 3)
		equal(t, got.Ctime > 0, true)
	}},
	{"null and empty data", func(t *testing.T, tree meta.Tree, _ Opener) {
		create(t, tree, "/null", nil)
		data, _, err := tree.Get("/null")
		ok(t, err)
		equal(t, data == nil, true)
		_, err = tree.Set("/null", []byte{}, 0)
		ok(t, err)
		data, _, err = tree.Get("/null")
		ok(t, err)
		equal(t, len(data), 0)
	}},
	{"refusals of create", func(t *testing.T, tree meta.Tree, _ Opener) {
		create(t, tree, "/a", nil)
		_, _, err := tree.Create("/a", nil, meta.Persistent)
		refused(t, err, meta.ErrNodeExists, "/a")
		_, _, err = tree.Create("/b/c", nil, meta.Persistent)
		refused(t, err, meta.ErrNoNode, "/b/c")
		_, _, err = tree.Create("/e", nil, meta.Ephemeral)
		ok(t, err)
		_, _, err = tree.Create("/e/child", nil, meta.Persistent)
		refused(t, err, meta.ErrNoChildrenForEphemerals, "/e/child")
	}},
	{"paths", func(t *testing.T, tree meta.Tree, _ Opener) {
		for _, path := range []string{"", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a\x00b"} {
			_, _, err := tree.Create(path, nil, meta.Persistent)
			refused(t, err, meta.ErrInvalidPath, path)
			_, _, err = tree.Get(path)
			refused(t, err, meta.ErrInvalidPath, path)
		}
	}},
	{"versions", func(t *testing.T, tree meta.Tree, _ Opener) {
		create(t, tree, "/a", []byte("0"))
		stat, err := tree.Set("/a", []byte("1"), 0)
		ok(t, err)
		equal(t, stat.Version, 1)
		equal(t, stat.Mzxid > stat.Czxid, true)
		_, err = tree.Set("/a", []byte("x"), 0)
		refused(t, err, meta.ErrBadVersion, "/a")
		stat, err = tree.Set("/a", []byte("2"), meta.AnyVersion)
		ok(t, err)
		equal(t, stat.Version, 2)
		refused(t, tree.Delete("/a", 1), meta.ErrBadVersion, "/a")
		ok(t, tree.Delete("/a", 2))
		_, err = tree.Set("/a", nil, meta.AnyVersion)
		refused(t, err, meta.ErrNoNode, "/a")
		refused(t, tree.Delete("/a", meta.AnyVersion), meta.ErrNoNode, "/a")
		_, _, err = tree.Get("/a")
		refused(t, err, meta.ErrNoNode, "/a")
	}},
	{"children", func(t *testing.T, tree meta.Tree, _ Opener) {
		for _, path := range []string{"/a", "/a/c", "/a/b", "/a-b", "/a/b/d", "/a.b"} {
			create(t, tree, path, nil)
		}
		names, stat, err := tree.Children("/a")
		ok(t, err)
		equal(t, fmt.Sprint(names), "[b c]")
		equal(t, stat.NumChildren, 2)
		equal(t, stat.ChildVersion, 2)
		refused(t, tree.Delete("/a/b", meta.AnyVersion), meta.ErrNotEmpty, "/a/b")
		ok(t, tree.Delete("/a/b/d", meta.AnyVersion))
		ok(t, tree.Delete("/a/b", meta.AnyVersion))
		names, stat, err = tree.Children("/a")
		ok(t, err)
		equal(t, fmt.Sprint(names), "[c]")
		equal(t, stat.NumChildren, 1)
		equal(t, stat.ChildVersion, 3)
		equal(t, stat.Version, 0)
		names, _, err = tree.Children("/a/c")
		ok(t, err)
		equal(t, len(names), 0)
		_, _, err = tree.Children("/z")
		refused(t, err, meta.ErrNoNode, "/z")
		names, _, err = tree.Children("/")
		ok(t, err)
		equal(t, slices.Contains(names, "a") && slices.Contains(names, "a-b"), true)
	}},
	{"sequential", func(t *testing.T, tree meta.Tree, _ Opener) {
		create(t, tree, "/q", nil)
		create(t, tree, "/q/other", nil)
		first, _, err := tree.Create("/q/n_", []byte("x"), meta.PersistentSequential)
		ok(t, err)
		equal(t, first, "/q/n_0000000001")
		ok(t, tree.Delete(first, meta.AnyVersion))
		second, stat, err := tree.Create("/q/n_", nil, meta.EphemeralSequential)
		ok(t, err)
		equal(t, second, "/q/n_0000000002")
		equal(t, stat.EphemeralOwner, tree.SessionID())
		third, _, err := tree.Create("/q/", nil, meta.PersistentSequential)
		ok(t, err)
		equal(t, third, "/q/0000000003")
	}},
	{"multi", testMulti},
	{"ephemerals", func(t *testing.T, tree meta.Tree, open Opener) {
		other := open()
		create(t, tree, "/ids", nil)
		_, stat, err := other.Create("/ids/1", []byte("x"), meta.Ephemeral)
		ok(t, err)
		equal(t, stat.EphemeralOwner, other.SessionID())
		equal(t, other.SessionID() != tree.SessionID(), true)
		_, _, mine, err := tree.ExistsW("/ids/1")
		ok(t, err)
		_, _, kids, err := tree.ChildrenW("/ids")
		ok(t, err)
		ok(t, other.Close())
		equal(t, next(t, mine), meta.Event{Type: meta.NodeDeleted, Path: "/ids/1"})
		equal(t, next(t, kids), meta.Event{Type: meta.NodeChildrenChanged, Path: "/ids"})
		there, _, err := tree.Exists("/ids/1")
		ok(t, err)
		equal(t, there, false)
		<-other.Done()
		_, _, err = other.Get("/ids")
		refused(t, err, meta.ErrSessionExpired, "/ids")
		_, _, err = other.Create("/ids/2", nil, meta.Persistent)
		refused(t, err, meta.ErrSessionExpired, "/ids/2")
		_, err = other.Multi(meta.CheckOp("/ids", 0))
		refused(t, err, meta.ErrSessionExpired, "/ids")
		ok(t, other.Close())
	}},
	{"watches fire once", testWatches},
	{"watches end with their session", func(t *testing.T, tree meta.Tree, open Opener) {
		other := open()
		_, _, watch, err := other.ExistsW("/a")
		ok(t, err)
		_, _, kept, err := tree.ExistsW("/a")
		ok(t, err)
		ok(t, other.Close())
		_, more := <-watch
		equal(t, more, false)
		create(t, tree, "/a", nil)
		equal(t, next(t, kept), meta.Event{Type: meta.NodeCreated, Path: "/a"})
	}},
	{"many reads", func(t *testing.T, tree meta.Tree, _ Opener) {
		create(t, tree, "/a", []byte("A"))
		create(t, tree, "/b", []byte("B"))
		nodes, err := tree.GetAll([]string{"/b", "/none", "/a"})
		ok(t, err)
		equal(t, string(nodes[0].Data)+string(nodes[2].Data), "BA")
		refused(t, nodes[1].Err, meta.ErrNoNode, "/none")
		equal(t, nodes[0].Stat.DataLength, 1)
	}},
	{"data belongs to who has it", func(t *testing.T, tree meta.Tree, _ Opener) {
		mine := []byte("abc")
		create(t, tree, "/a", mine)
		mine[0] = 'X'
		got, _, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(got), "abc")
		got[0] = 'Y'
		again, _, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(again), "abc")
	}},
	{"transaction numbers grow", func(t *testing.T, tree meta.Tree, _ Opener) {
		last := int64(0)
		for i := range 5 {
			_, stat, err := tree.Create(fmt.Sprintf("/n%d", i), nil, meta.Persistent)
			ok(t, err)
			equal(t, stat.Czxid > last, true)
			last = stat.Czxid
		}
	}},
}

func testMulti(t *testing.T, tree meta.Tree, _ Opener) {
	create(t, tree, "/epoch", []byte("1"))
	results, err := tree.Multi(
		meta.CheckOp("/epoch", 0),
		meta.CreateOp("/t", nil, meta.Persistent),
		meta.CreateOp("/t/p", []byte("x"), meta.Persistent),
		meta.SetOp("/t/p", []byte("y"), 0),
		meta.CreateOp("/t/s-", nil, meta.PersistentSequential),
		meta.CreateOp("/gone", nil, meta.Persistent),
		meta.DeleteOp("/gone", 0),
	)
	ok(t, err)
	equal(t, len(results), 7)
	equal(t, results[3].Stat.Version, 1)
	equal(t, results[4].Path, "/t/s-0000000001")
	data, stat, err := tree.Get("/t/p")
	ok(t, err)
	equal(t, string(data), "y")
	equal(t, stat.Czxid, results[1].Stat.Czxid) // one transaction

	_, _, watch, err := tree.ExistsW("/u")
	ok(t, err)
	_, err = tree.Multi(
		meta.CreateOp("/u", nil, meta.Persistent),
		meta.DeleteOp("/t/p", meta.AnyVersion),
		meta.CheckOp("/epoch", 7),
	)
	refused(t, err, meta.ErrBadVersion, "/epoch")
	var me *meta.MultiError
	if !errors.As(err, &me) || me.Index != 2 {
		t.Fatalf("want the third operation blamed, got %v", err)
	}
	for path, want := range map[string]bool{"/u": false, "/t/p": true} {
		there, _, err := tree.Exists(path)
		ok(t, err)
		equal(t, there, want)
	}
	select {
	case e := <-watch:
		t.Fatalf("a multi that was refused fired %v", e)
	default:
	}
	_, err = tree.Multi(meta.CheckOp("/none", meta.AnyVersion))
	refused(t, err, meta.ErrNoNode, "/none")
	results, err = tree.Multi()
	ok(t, err)
	equal(t, len(results), 0)
}

func testWatches(t *testing.T, tree meta.Tree, open Opener) {
	other := open()
	defer other.Close()
	_, _, created, err := tree.ExistsW("/a")
	ok(t, err)
	_, _, _, err = tree.GetW("/a")
	refused(t, err, meta.ErrNoNode, "/a")
	_, _, _, err = tree.ChildrenW("/a")
	refused(t, err, meta.ErrNoNode, "/a")

	create(t, other, "/a", []byte("0"))
	equal(t, next(t, created), meta.Event{Type: meta.NodeCreated, Path: "/a"})
	_, more := <-created
	equal(t, more, false)

	_, _, data, err := tree.GetW("/a")
	ok(t, err)
	_, _, exists, err := tree.ExistsW("/a")
	ok(t, err)
	_, _, children, err := tree.ChildrenW("/a")
	ok(t, err)
	_, err = other.Set("/a", []byte("1"), 0)
	ok(t, err)
	equal(t, next(t, data), meta.Event{Type: meta.NodeDataChanged, Path: "/a"})
	equal(t, next(t, exists), meta.Event{Type: meta.NodeDataChanged, Path: "/a"})
	create(t, other, "/a/b", nil)
	equal(t, next(t, children), meta.Event{Type: meta.NodeChildrenChanged, Path: "/a"})

	_, _, children, err = tree.ChildrenW("/a/b")
	ok(t, err)
	_, _, data, err = tree.GetW("/a/b")
	ok(t, err)
	_, _, parent, err := tree.ChildrenW("/a")
	ok(t, err)
	ok(t, other.Delete("/a/b", meta.AnyVersion))
	equal(t, next(t, children), meta.Event{Type: meta.NodeDeleted, Path: "/a/b"})
	equal(t, next(t, data), meta.Event{Type: meta.NodeDeleted, Path: "/a/b"})
	equal(t, next(t, parent), meta.Event{Type: meta.NodeChildrenChanged, Path: "/a"})
}

func create(t *testing.T, tree meta.Tree, path string, data []byte) {
	t.Helper()
	_, _, err := tree.Create(path, data, meta.Persistent)
	ok(t, err)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// next waits for a watch's event. The timeout only keeps a test from waiting for ever: it is long enough for any
// store.
func next(t *testing.T, w meta.Watch) meta.Event {
	t.Helper()
	select {
	case e := <-w:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("a watch was not told")
		return meta.Event{}
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// refused checks that an error wraps want and names the path.
func refused(t *testing.T, err, want error, path string) {
	t.Helper()
	var e *meta.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Path != path || !strings.Contains(err.Error(), path) {
		t.Fatalf("got error %v, want %v of %q", err, want, path)
	}
}
