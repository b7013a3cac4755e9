// Package metatest has the tests that every metadata tree must pass. A store's own tests call them: [Run] goes
// through a table of cases, and [Random] compares random work with a simple model (model.go).
package metatest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"klamm/cluster/meta"
)

// Run runs each case of the table on an empty tree of its own, which fresh makes.
func Run(t *testing.T, fresh func(t *testing.T) meta.Store) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := &house{t: t, store: fresh(t)}
			c.run(t, h.open(), h.open)
		})
	}
}

type opener func() *session

var cases = []struct {
	name string
	run  func(t *testing.T, tree *session, open opener)
}{
	{"create and read", func(t *testing.T, tree *session, _ opener) {
		path, err := tree.Create("/a", []byte("one"), meta.Persistent)
		ok(t, err)
		equal(t, path, "/a")
		data, stat, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(data), "one")
		equal(t, stat.Version, 0)
		equal(t, stat.Czxid, stat.Mzxid)
		equal(t, stat.EphemeralOwner, 0)
		equal(t, stat.DataLength, 3)
		equal(t, stat.Ctime > 0, true)
	}},
	{"null and empty data", func(t *testing.T, tree *session, _ opener) {
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
	{"refusals of create", func(t *testing.T, tree *session, _ opener) {
		create(t, tree, "/a", nil)
		_, err := tree.Create("/a", nil, meta.Persistent)
		refused(t, err, meta.ErrNodeExists, "/a")
		_, err = tree.Create("/b/c", nil, meta.Persistent)
		refused(t, err, meta.ErrNoNode, "/b/c")
		_, err = tree.Create("/e", nil, meta.Ephemeral)
		ok(t, err)
		_, err = tree.Create("/e/child", nil, meta.Persistent)
		refused(t, err, meta.ErrNoChildrenForEphemerals, "/e/child")
	}},
	{"paths", func(t *testing.T, tree *session, _ opener) {
		for _, path := range []string{"", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a\x00b"} {
			_, err := tree.Create(path, nil, meta.Persistent)
			refused(t, err, meta.ErrInvalidPath, path)
			_, _, err = tree.Get(path)
			refused(t, err, meta.ErrInvalidPath, path)
		}
	}},
	{"versions", func(t *testing.T, tree *session, _ opener) {
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
	{"children", func(t *testing.T, tree *session, _ opener) {
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
	{"sequential", func(t *testing.T, tree *session, _ opener) {
		create(t, tree, "/q", nil)
		create(t, tree, "/q/other", nil)
		first, err := tree.Create("/q/n_", []byte("x"), meta.PersistentSequential)
		ok(t, err)
		equal(t, first, "/q/n_0000000001")
		ok(t, tree.Delete(first, meta.AnyVersion))
		second, err := tree.Create("/q/n_", nil, meta.EphemeralSequential)
		ok(t, err)
		equal(t, second, "/q/n_0000000002")
		_, stat, err := tree.Exists(second)
		ok(t, err)
		equal(t, stat.EphemeralOwner, tree.SessionID())
		third, err := tree.Create("/q/", nil, meta.PersistentSequential)
		ok(t, err)
		equal(t, third, "/q/0000000003")
	}},
	{"multi", testMulti},
	{"ephemerals", func(t *testing.T, tree *session, open opener) {
		other := open()
		create(t, tree, "/ids", nil)
		_, err := other.Create("/ids/1", []byte("x"), meta.Ephemeral)
		ok(t, err)
		equal(t, other.SessionID() != tree.SessionID(), true)
		_, stat, err := tree.ExistsW("/ids/1")
		ok(t, err)
		equal(t, stat.EphemeralOwner, other.SessionID())
		_, _, err = tree.ChildrenW("/ids")
		ok(t, err)
		ok(t, other.Close())
		tree.sees(meta.NodeDeleted, "/ids/1")
		tree.sees(meta.NodeChildrenChanged, "/ids")
		there, _, err := tree.Exists("/ids/1")
		ok(t, err)
		equal(t, there, false)
		<-other.Done()
		_, _, err = other.Get("/ids")
		refused(t, err, meta.ErrSessionExpired, "/ids")
		_, err = other.Create("/ids/2", nil, meta.Persistent)
		refused(t, err, meta.ErrSessionExpired, "/ids/2")
		_, err = other.Multi(meta.CheckOp("/ids", 0))
		refused(t, err, meta.ErrSessionExpired, "/ids")
		ok(t, other.Close())
	}},
	{"watches fire once", testWatches},
	{"watches end with their session", func(t *testing.T, tree *session, open opener) {
		other := open()
		_, _, err := other.ExistsW("/a")
		ok(t, err)
		_, _, err = tree.ExistsW("/a")
		ok(t, err)
		ok(t, other.Close())
		create(t, tree, "/a", nil)
		tree.sees(meta.NodeCreated, "/a")
		other.seesNothing()
	}},
	{"many reads", func(t *testing.T, tree *session, _ opener) {
		create(t, tree, "/a", []byte("A"))
		create(t, tree, "/b", []byte("B"))
		nodes, err := tree.GetAll([]string{"/b", "/none", "/a"})
		ok(t, err)
		equal(t, string(nodes[0].Data)+string(nodes[2].Data), "BA")
		refused(t, nodes[1].Err, meta.ErrNoNode, "/none")
		equal(t, nodes[0].Stat.DataLength, 1)
	}},
	{"many reads with watches", func(t *testing.T, tree *session, open opener) {
		other := open()
		create(t, tree, "/a", []byte("A"))
		nodes, err := tree.GetAllW([]string{"/none", "/a"})
		ok(t, err)
		equal(t, string(nodes[1].Data), "A")
		refused(t, nodes[0].Err, meta.ErrNoNode, "/none")
		create(t, other, "/none", nil)
		tree.sees(meta.NodeCreated, "/none")
		_, err = other.Set("/a", nil, meta.AnyVersion)
		ok(t, err)
		tree.sees(meta.NodeDataChanged, "/a")
		_, err = other.Set("/none", nil, meta.AnyVersion)
		ok(t, err)
		tree.quiet()
	}},
	{"many transactions", testMultiAll},
	{"a context that has ended", func(t *testing.T, tree *session, _ opener) {
		create(t, tree, "/a", nil)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err := tree.tree.GetW(ended, "/a")
		refused(t, err, context.Canceled, "/a")
		_, err = tree.tree.Set(ended, "/a", []byte("x"), 0)
		refused(t, err, context.Canceled, "/a")
		_, err = tree.tree.Multi(ended, meta.SetOp("/a", []byte("x"), 0))
		refused(t, err, context.Canceled, "/a")
		_, stat, err := tree.Get("/a")
		ok(t, err)
		equal(t, stat.Version, 0)
	}},
	{"data belongs to who has it", func(t *testing.T, tree *session, _ opener) {
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
	{"transaction numbers grow", func(t *testing.T, tree *session, _ opener) {
		last := int64(0)
		for i := range 5 {
			path := fmt.Sprintf("/n%d", i)
			create(t, tree, path, nil)
			_, stat, err := tree.Exists(path)
			ok(t, err)
			equal(t, stat.Czxid > last, true)
			last = stat.Czxid
		}
	}},
}

func testMulti(t *testing.T, tree *session, _ opener) {
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
	equal(t, stat.Czxid, results[3].Stat.Mzxid) // one transaction
	equal(t, results[3].Stat.Czxid, results[3].Stat.Mzxid)

	_, _, err = tree.ExistsW("/u")
	ok(t, err)
	_, err = tree.Multi(
		meta.CreateOp("/u", nil, meta.Persistent),
		meta.DeleteOp("/t/p", meta.AnyVersion),
		meta.CheckOp("/epoch", 7),
	)
	refused(t, err, meta.ErrBadVersion, "/epoch")
	blamed(t, err, 2)
	for path, want := range map[string]bool{"/u": false, "/t/p": true} {
		there, _, err := tree.Exists(path)
		ok(t, err)
		equal(t, there, want)
	}
	tree.quiet() // a multi that was refused fires nothing
	_, err = tree.Multi(meta.CheckOp("/none", meta.AnyVersion))
	refused(t, err, meta.ErrNoNode, "/none")
	results, err = tree.Multi()
	ok(t, err)
	equal(t, len(results), 0)
}

func testMultiAll(t *testing.T, tree *session, open opener) {
	create(t, tree, "/a", nil)
	create(t, tree, "/epoch", nil)
	_, _, err := tree.ChildrenW("/a")
	ok(t, err)
	results := tree.MultiAll(
		[]meta.Op{meta.CreateOp("/a/1", nil, meta.Persistent), meta.SetOp("/a/1", []byte("x"), 0)},
		[]meta.Op{meta.CreateOp("/a/2", nil, meta.Persistent), meta.CheckOp("/epoch", 7)},
		[]meta.Op{meta.CreateOp("/a/3", nil, meta.Persistent), meta.CheckOp("/epoch", 0)},
	)
	equal(t, len(results), 3)
	ok(t, results[0].Err)
	equal(t, results[0].Results[1].Stat.Version, 1)
	refused(t, results[1].Err, meta.ErrBadVersion, "/epoch")
	blamed(t, results[1].Err, 1)
	ok(t, results[2].Err)
	names, _, err := tree.Children("/a")
	ok(t, err)
	equal(t, fmt.Sprint(names), "[1 3]")
	tree.sees(meta.NodeChildrenChanged, "/a")
	tree.quiet()

	var txs [][]meta.Op
	for i := range 200 {
		txs = append(txs, []meta.Op{meta.CreateOp(fmt.Sprintf("/n%d", i), nil, meta.Persistent)})
	}
	seen := map[int64]bool{}
	for i, r := range tree.MultiAll(txs...) {
		ok(t, r.Err)
		equal(t, r.Results[0].Path, fmt.Sprintf("/n%d", i))
		_, stat, err := tree.Exists(r.Results[0].Path)
		ok(t, err)
		equal(t, seen[stat.Czxid], false) // a transaction of its own
		seen[stat.Czxid] = true
	}
	equal(t, len(tree.MultiAll()), 0)
}

func testWatches(t *testing.T, tree *session, open opener) {
	other := open()
	_, _, err := tree.ExistsW("/a")
	ok(t, err)
	_, _, err = tree.GetW("/b")
	refused(t, err, meta.ErrNoNode, "/b")
	_, _, err = tree.ChildrenW("/b")
	refused(t, err, meta.ErrNoNode, "/b")
	create(t, other, "/b", nil)
	create(t, other, "/a", []byte("0"))
	tree.sees(meta.NodeCreated, "/a")

	_, _, err = tree.GetW("/a")
	ok(t, err)
	_, _, err = tree.ExistsW("/a") // the same watch
	ok(t, err)
	_, _, err = tree.ChildrenW("/a")
	ok(t, err)
	_, err = other.Set("/a", []byte("1"), 0)
	ok(t, err)
	tree.sees(meta.NodeDataChanged, "/a")
	create(t, other, "/a/b", nil)
	tree.sees(meta.NodeChildrenChanged, "/a")

	_, _, err = tree.ChildrenW("/a/b")
	ok(t, err)
	_, _, err = tree.GetW("/a/b")
	ok(t, err)
	_, _, err = tree.ChildrenW("/a")
	ok(t, err)
	ok(t, other.Delete("/a/b", meta.AnyVersion))
	tree.sees(meta.NodeDeleted, "/a/b") // once for both
	tree.sees(meta.NodeChildrenChanged, "/a")
	_, _, err = tree.ChildrenW("/a")
	ok(t, err)
	ok(t, other.Delete("/a", meta.AnyVersion))
	tree.sees(meta.NodeDeleted, "/a")
	create(t, other, "/a", nil)
	tree.quiet()
}
