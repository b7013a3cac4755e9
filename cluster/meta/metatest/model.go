package metatest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"klamm/cluster/meta"
)

// Model is a tree as a map. It shows what a tree must look like after the same operations.
type Model struct {
	nodes map[string]*modelNode
}

type modelNode struct {
	data          []byte
	version, made int32
	owner         int64
}

// NewModel gives an empty tree.
func NewModel() *Model { return &Model{nodes: map[string]*modelNode{"/": {}}} }

// Dump lists the persistent nodes, one a line. With ephemerals it lists the ephemeral nodes too.
func (m *Model) Dump(ephemerals bool) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
		n := m.nodes[path]
		if n.owner == 0 || ephemerals {
			fmt.Fprintf(&b, "%s %q v%d made %d ephemeral %v\n", path, n.data, n.version, n.made, n.owner != 0)
		}
	}
	return b.String()
}

// DumpSorted lists a tree as Dump lists a model, without ZooKeeper's own node /zookeeper.
func DumpSorted(t *testing.T, tree meta.Tree) string { return sorted(dumpTree(t, tree, "/")) }

func dumpTree(t *testing.T, tree meta.Tree, path string) string {
	t.Helper()
	data, stat, err := tree.Get(path)
	ok(t, err)
	names, childStat, err := tree.Children(path)
	ok(t, err)
	equal(t, childStat, stat)
	equal(t, int(stat.NumChildren), len(names))
	if path == "/" {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "zookeeper" })
	}
	made := (stat.ChildVersion + stat.NumChildren) / 2
	lines := fmt.Sprintf("%s %q v%d made %d ephemeral %v\n", path, data, stat.Version, made, stat.EphemeralOwner != 0)
	for _, name := range names {
		lines += dumpTree(t, tree, strings.TrimSuffix(path, "/")+"/"+name)
	}
	return lines
}

// sorted orders a dump's lines by path, as Dump has them.
func sorted(dump string) string {
	lines := strings.SplitAfter(dump, "\n")
	slices.SortFunc(lines, func(a, b string) int {
		pa, _, _ := strings.Cut(a, " ")
		pb, _, _ := strings.Cut(b, " ")
		return strings.Compare(pa, pb)
	})
	return strings.Join(lines, "")
}

// change is a change that a watch may report.
type change struct {
	event    meta.Event
	children bool
}

// do does all operations or none. failed is the index of the first operation that fails.
func (m *Model) do(session int64, ops []meta.Op) (changes []change, failed int, err error) {
	next := &Model{nodes: map[string]*modelNode{}}
	for path, n := range m.nodes {
		copied := *n
		next.nodes[path] = &copied
	}
	for i, op := range ops {
		more, err := next.one(session, op)
		if err != nil {
			return nil, i, err
		}
		changes = append(changes, more...)
	}
	m.nodes = next.nodes
	return changes, 0, nil
}

func (m *Model) one(session int64, op meta.Op) ([]change, error) {
	parent, _ := meta.Split(op.Path)
	n, up := m.nodes[op.Path], m.nodes[parent]
	if op.Kind == meta.OpCreate {
		path := op.Path
		switch {
		case up == nil:
			return nil, meta.ErrNoNode
		case op.Mode.IsSequential():
			path += fmt.Sprintf("%010d", up.made)
			n = m.nodes[path]
		}
		if n != nil {
			return nil, meta.ErrNodeExists
		}
		if up.owner != 0 {
			return nil, meta.ErrNoChildrenForEphemerals
		}
		up.made++
		n = &modelNode{data: bytes.Clone(op.Data)}
		if op.Mode.IsEphemeral() {
			n.owner = session
		}
		m.nodes[path] = n
		return []change{{meta.Event{Type: meta.NodeCreated, Path: path}, false}, {meta.Event{Type: meta.NodeChildrenChanged, Path: parent}, true}}, nil
	}
	if n == nil {
		return nil, meta.ErrNoNode
	}
	if op.Version != meta.AnyVersion && op.Version != n.version {
		return nil, meta.ErrBadVersion
	}
	switch op.Kind {
	case meta.OpSet:
		n.version++
		n.data = bytes.Clone(op.Data)
		return []change{{meta.Event{Type: meta.NodeDataChanged, Path: op.Path}, false}}, nil
	case meta.OpDelete:
		for path := range m.nodes {
			if strings.HasPrefix(path, op.Path+"/") {
				return nil, meta.ErrNotEmpty
			}
		}
		return m.drop(op.Path), nil
	}
	return nil, nil
}

func (m *Model) drop(path string) []change {
	delete(m.nodes, path)
	parent, _ := meta.Split(path)
	gone := meta.Event{Type: meta.NodeDeleted, Path: path}
	return []change{{gone, false}, {gone, true}, {meta.Event{Type: meta.NodeChildrenChanged, Path: parent}, true}}
}

// end deletes the ephemeral nodes of a session.
func (m *Model) end(session int64) (changes []change) {
	for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
		if m.nodes[path].owner == session {
			changes = append(changes, m.drop(path)...)
		}
	}
	return changes
}

// random is one random walk.
type random struct {
	t       *testing.T
	rng     *rand.Rand
	open    Opener
	model   *Model
	trees   []meta.Tree
	watches []watched
}

// watched is a watch that waits for its event.
type watched struct {
	tree     meta.Tree
	path     string
	children bool
	ch       meta.Watch
}

// Random does random operations through several sessions, on a tree and on a model. It fails the test unless both
// give the same answers, the same events and the same tree. Random calls check now and then with the model. A
// failure names the seed.
func Random(t *testing.T, seed uint64, steps int, open Opener, check func(*Model)) {
	t.Logf("seed %d", seed)
	r := &random{t: t, rng: rand.New(rand.NewPCG(seed, 0)), open: open, model: NewModel()}
	for range 3 {
		r.trees = append(r.trees, open())
	}
	for i := range steps {
		r.step()
		if i%20 == 0 || i == steps-1 {
			if got, want := DumpSorted(t, r.trees[0]), r.model.Dump(true); got != want {
				t.Fatalf("seed %d step %d: the tree is\n%sand should be\n%s", seed, i, got, want)
			}
			check(r.model)
		}
	}
	for _, tree := range r.trees {
		ok(t, tree.Close())
	}
}

func (r *random) step() {
	i := r.rng.IntN(len(r.trees))
	tree := r.trees[i]
	switch k := r.rng.IntN(20); {
	case k < 4:
		r.watch(tree)
	case k == 4:
		changes := r.model.end(tree.SessionID())
		ok(r.t, tree.Close())
		r.watches = slices.DeleteFunc(r.watches, func(w watched) bool {
			if w.tree != tree {
				return false
			}
			if e, more := <-w.ch; more {
				r.t.Fatalf("a watch of a session that ended saw %v", e)
			}
			return true
		})
		r.expect(changes)
		r.trees[i] = r.open()
	case k < 10:
		ops := make([]meta.Op, 1+r.rng.IntN(4))
		for j := range ops {
			ops[j] = r.op()
		}
		r.multi(tree, ops)
	default:
		r.single(tree, r.op())
	}
}

// path gives one of few paths, so that operations meet on the same node.
func (r *random) path() string {
	path := ""
	for range 1 + r.rng.IntN(3) {
		path += "/" + string(rune('a'+r.rng.IntN(3)))
	}
	return path
}

func (r *random) op() meta.Op {
	data := []byte(fmt.Sprint(r.rng.IntN(1000)))
	version := int32(r.rng.IntN(4)) - 1
	switch r.rng.IntN(8) {
	case 0, 1, 2:
		return meta.CreateOp(r.path(), data, meta.Persistent)
	case 3:
		return meta.CreateOp(r.path(), data, meta.Mode(r.rng.IntN(4)))
	case 4:
		return meta.SetOp(r.path(), data, version)
	case 5, 6:
		return meta.DeleteOp(r.path(), version)
	}
	return meta.CheckOp(r.path(), version)
}

func (r *random) single(tree meta.Tree, op meta.Op) {
	changes, _, want := r.model.do(tree.SessionID(), []meta.Op{op})
	var err error
	switch op.Kind {
	case meta.OpCreate:
		_, _, err = tree.Create(op.Path, op.Data, op.Mode)
	case meta.OpSet:
		_, err = tree.Set(op.Path, op.Data, op.Version)
	case meta.OpDelete:
		err = tree.Delete(op.Path, op.Version)
	default:
		_, err = tree.Multi(op)
	}
	r.same(err, want, op)
	r.expect(changes)
}

func (r *random) multi(tree meta.Tree, ops []meta.Op) {
	changes, failed, want := r.model.do(tree.SessionID(), ops)
	_, err := tree.Multi(ops...)
	r.same(err, want, ops)
	var me *meta.MultiError
	if errors.As(err, &me) && me.Index != failed {
		r.t.Fatalf("operation %d blamed of %v, should be %d: %v", me.Index, ops, failed, err)
	}
	r.expect(changes)
}

func (r *random) same(err, want error, of any) {
	if want == nil && err != nil || !errors.Is(err, want) {
		r.t.Fatalf("%+v gave %v, should be %v", of, err, want)
	}
}

func (r *random) watch(tree meta.Tree) {
	w := watched{tree: tree, path: r.path()}
	var err error
	if w.children = r.rng.IntN(2) == 0; w.children {
		_, _, w.ch, err = tree.ChildrenW(w.path)
		if r.model.nodes[w.path] == nil {
			r.same(err, meta.ErrNoNode, w.path)
			return
		}
	} else {
		_, _, w.ch, err = tree.ExistsW(w.path)
	}
	ok(r.t, err)
	r.watches = append(r.watches, w)
}

// expect fails the test unless each watch on what changed has reported the first change, and no other watch has
// reported anything.
func (r *random) expect(changes []change) {
	r.watches = slices.DeleteFunc(r.watches, func(w watched) bool {
		for _, c := range changes {
			if c.event.Path == w.path && c.children == w.children {
				if got := next(r.t, w.ch); got != c.event {
					r.t.Fatalf("a watch on %s saw %v, should be %v", w.path, got, c.event)
				}
				return true
			}
		}
		select {
		case e := <-w.ch:
			r.t.Fatalf("a watch on %s saw %v, and nothing happened there", w.path, e)
		default:
		}
		return false
	})
}
