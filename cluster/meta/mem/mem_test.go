package mem

import (
	"errors"
	"strings"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/metatest"
)

// faulty is a store as the tests of all stores have it.
type faulty struct{ *Store }

func (f faulty) LoseAnswer(_ meta.Tree, applied bool) {
	f.Store.LoseAnswer(func(meta.Op) bool { return true }, applied)
}

func TestConformance(t *testing.T) {
	metatest.Run(t, func(*testing.T) meta.Store { return New(Options{}) })
}

func TestFaults(t *testing.T) {
	metatest.RunFaults(t, func(*testing.T) metatest.Faulty { return faulty{New(Options{})} })
}

func TestRandom(t *testing.T) {
	for seed := range uint64(8) {
		metatest.Random(t, seed, 1000, New(Options{}), func(*metatest.Model) {})
	}
}

// TestLossesWaitForTheirWrites has two answers lost, each of the write that it was asked for.
func TestLossesWaitForTheirWrites(t *testing.T) {
	store := New(Options{})
	tree, err := store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(path string) func(meta.Op) bool { return func(op meta.Op) bool { return op.Path == path } }
	store.LoseAnswer(of("/b"), false)
	store.LoseAnswer(of("/a"), true)
	for _, want := range []struct {
		path    string
		unknown bool
	}{{"/c", false}, {"/a", true}, {"/b", true}, {"/b", false}} {
		_, err := tree.Create(t.Context(), want.path, nil, meta.Persistent)
		if errors.Is(err, meta.ErrOutcomeUnknown) != want.unknown || !want.unknown && err != nil {
			t.Errorf("%s: %v", want.path, err)
		}
	}
	names, _, err := tree.Children(t.Context(), "/")
	if err != nil || strings.Join(names, "") != "abc" {
		t.Errorf("there are %v, %v", names, err)
	}
}

// TestTooLarge sends more than ZooKeeper's server takes.
func TestTooLarge(t *testing.T) {
	tree, err := New(Options{}).Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Create(t.Context(), "/a", make([]byte, meta.MaxTransactionBytes), meta.Persistent); !errors.Is(err, meta.ErrTooLarge) {
		t.Errorf("too much data: %v", err)
	}
	var ops []meta.Op
	for meta.TransactionBytes(ops) <= meta.MaxTransactionBytes {
		ops = append(ops, meta.CheckOp("/", meta.AnyVersion))
	}
	if _, err := tree.Multi(t.Context(), ops...); !errors.Is(err, meta.ErrTooLarge) {
		t.Errorf("too many operations: %v", err)
	}
	if _, err := tree.Multi(t.Context(), ops[1:]...); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
}
