package metatest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"klamm/cluster/meta"
)

// random is one random walk.
type random struct {
	t       *testing.T
	rng     *rand.Rand
	open    func() *session
	model   *Model
	trees   []*session
	watches map[watched]bool
}

// watched is a watch that waits for its event.
type watched struct {
	tree     *session
	path     string
	children bool
}

// Random does random operations through several sessions, on a tree and on a model. It fails the test unless both
// give the same answers, the same events and the same tree. Random calls check now and then with the model. A
// failure names the seed.
func Random(t *testing.T, seed uint64, steps int, store meta.Store, check func(*Model)) {
	t.Logf("seed %d", seed)
	h := &house{t: t, store: store}
	r := &random{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), open: h.open, model: NewModel(), watches: map[watched]bool{},
	}
	for range 3 {
		r.trees = append(r.trees, r.open())
	}
	for i := range steps {
		r.step()
		if i%20 == 0 || i == steps-1 {
			for _, tree := range r.trees {
				tree.quiet()
				r.model.nodes["/"].version++
			}
			if got, want := DumpSorted(t, r.trees[0].tree), r.model.Dump(true); got != want {
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
		maps.DeleteFunc(r.watches, func(w watched, _ bool) bool { return w.tree == tree })
		r.expect(changes)
		tree.seesNothing()
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

func (r *random) single(tree *session, op meta.Op) {
	changes, _, want := r.model.do(tree.SessionID(), []meta.Op{op})
	var err error
	switch op.Kind {
	case meta.OpCreate:
		_, err = tree.Create(op.Path, op.Data, op.Mode)
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

func (r *random) multi(tree *session, ops []meta.Op) {
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

func (r *random) watch(tree *session) {
	w := watched{tree: tree, path: r.path(), children: r.rng.IntN(2) == 0}
	there := r.model.nodes[w.path] != nil
	var err error
	switch kind := r.rng.IntN(2); {
	case w.children:
		_, _, err = tree.ChildrenW(w.path)
	case kind == 0:
		_, _, err = tree.GetW(w.path)
	default:
		_, _, err = tree.ExistsW(w.path)
		there = true
	}
	if !there {
		r.same(err, meta.ErrNoNode, w.path)
		return
	}
	ok(r.t, err)
	r.watches[w] = true
}

// expect fails the test unless each session is told the first change that each of its watches saw, once for the
// deletion of a node.
func (r *random) expect(changes []change) {
	for _, tree := range r.trees {
		var want []string
		for _, c := range changes {
			w := watched{tree, c.event.Path, c.children}
			if !r.watches[w] {
				continue
			}
			delete(r.watches, w)
			if e := fmt.Sprint(c.event); c.event.Type != meta.NodeDeleted || !slices.Contains(want, e) {
				want = append(want, e)
			}
		}
		got := make([]string, len(want))
		for i := range got {
			got[i] = fmt.Sprint(tree.next().event)
		}
		slices.Sort(want) // a session that ends deletes its nodes in no particular order
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.t.Fatalf("a session was told %v, should be %v", got, want)
		}
	}
}
