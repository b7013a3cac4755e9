package metatest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// house is a store and the sessions that a test has on it.
type house struct {
	t     *testing.T
	store meta.Store
}

// open begins a session, which ends with the test.
func (h *house) open() *session {
	h.t.Helper()
	s := &session{t: h.t, calls: make(chan call, 1<<16)}
	tree, err := h.store.Open(h.t.Context(), meta.Watcher{
		Event:        func(e meta.Event) { s.calls <- call{"event", e} },
		Disconnected: func() { s.calls <- call{kind: "disconnected"} },
		Reconnected:  func() { s.calls <- call{kind: "reconnected"} },
		Expired:      func() { s.calls <- call{kind: "expired"} },
	})
	ok(h.t, err)
	s.tree = tree
	h.t.Cleanup(func() { tree.Close() })
	return s
}

// session is a session with what its watcher was told.
type session struct {
	t     *testing.T
	tree  meta.Tree
	calls chan call
}

// call is one call of a watcher.
type call struct {
	kind  string
	event meta.Event
}

// patience only keeps a test from waiting for ever: it is long enough for any store.
const patience = 30 * time.Second

// next waits for the next call of the watcher.
func (s *session) next() call {
	s.t.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(patience):
		s.t.Fatal("the watcher was not called")
		return call{}
	}
}

// sees checks that the next call of the watcher is an event.
func (s *session) sees(kind meta.EventType, path string) {
	s.t.Helper()
	equal(s.t, s.next(), call{"event", meta.Event{Type: kind, Path: path}})
}

// tells checks that the next calls of the watcher are of these kinds.
func (s *session) tells(kinds ...string) {
	s.t.Helper()
	for _, kind := range kinds {
		equal(s.t, s.next(), call{kind: kind})
	}
}

// quiet checks that the watcher was told nothing more: what comes next is a change of the root, made now.
func (s *session) quiet() {
	s.t.Helper()
	_, _, err := s.GetW("/")
	ok(s.t, err)
	_, err = s.Set("/", nil, meta.AnyVersion)
	ok(s.t, err)
	s.sees(meta.NodeDataChanged, "/")
}

// seesNothing checks that the watcher was told nothing. It is for a session that has ended or has no connection, of
// which no call can be waited for.
func (s *session) seesNothing() {
	s.t.Helper()
	for range 100 {
		runtime.Gosched() // to who may be about to call
	}
	select {
	case c := <-s.calls:
		s.t.Fatalf("the watcher was told %+v", c)
	default:
	}
}

// The methods below are the tree's, with a context that does not end.

func (s *session) Get(path string) ([]byte, meta.Stat, error) {
	return s.tree.Get(context.Background(), path)
}

func (s *session) GetW(path string) ([]byte, meta.Stat, error) {
	return s.tree.GetW(context.Background(), path)
}

func (s *session) GetAll(paths []string) ([]meta.Node, error) {
	return s.tree.GetAll(context.Background(), paths)
}

func (s *session) GetAllW(paths []string) ([]meta.Node, error) {
	return s.tree.GetAllW(context.Background(), paths)
}

func (s *session) Exists(path string) (bool, meta.Stat, error) {
	return s.tree.Exists(context.Background(), path)
}

func (s *session) ExistsW(path string) (bool, meta.Stat, error) {
	return s.tree.ExistsW(context.Background(), path)
}

func (s *session) Children(path string) ([]string, meta.Stat, error) {
	return s.tree.Children(context.Background(), path)
}

func (s *session) ChildrenW(path string) ([]string, meta.Stat, error) {
	return s.tree.ChildrenW(context.Background(), path)
}

func (s *session) Create(path string, data []byte, mode meta.Mode) (string, error) {
	return s.tree.Create(context.Background(), path, data, mode)
}

func (s *session) Set(path string, data []byte, version int32) (meta.Stat, error) {
	return s.tree.Set(context.Background(), path, data, version)
}

func (s *session) Delete(path string, version int32) error {
	return s.tree.Delete(context.Background(), path, version)
}

func (s *session) Multi(ops ...meta.Op) ([]meta.Result, error) {
	return s.tree.Multi(context.Background(), ops...)
}

func (s *session) MultiAll(txs ...[]meta.Op) []meta.TxResult {
	return s.tree.MultiAll(context.Background(), txs)
}

func (s *session) SessionID() int64      { return s.tree.SessionID() }
func (s *session) Done() <-chan struct{} { return s.tree.Done() }
func (s *session) Close() error          { return s.tree.Close() }

func create(t *testing.T, s *session, path string, data []byte) {
	t.Helper()
	_, err := s.Create(path, data, meta.Persistent)
	ok(t, err)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
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

// blamed checks which operation of a multi an error names.
func blamed(t *testing.T, err error, index int) {
	t.Helper()
	var me *meta.MultiError
	if !errors.As(err, &me) || me.Index != index {
		t.Fatalf("want operation %d blamed, got %v", index, err)
	}
}
