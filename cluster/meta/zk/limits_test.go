package zk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// openOn opens a session whose connections go through wires.
func openOn(t *testing.T, ws *wires, o Options, w meta.Watcher) *Session {
	t.Helper()
	o.Dial = ws.dial
	ses, err := newStore(t, o).open(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return ses
}

// TestMaxInFlight sends many requests at a time.
func TestMaxInFlight(t *testing.T) {
	ws := &wires{}
	o := testOptions(t)
	o.MaxInFlight = 3
	ses := openOn(t, ws, o, meta.Watcher{})
	ws.most.Store(0)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() { _, _, _ = ses.Exists(t.Context(), "/") })
	}
	all.Wait()
	if most := ws.most.Load(); most > 3 {
		t.Errorf("%d requests were on their way", most)
	}
	// And as many go as may, before any is answered.
	sent := ws.sent.Load()
	ws.holding.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { _, err := ses.GetAll(ctx, []string{"/", "/", "/", "/", "/"}); failed <- err }()
	await(t, "three requests without an answer", func() bool { return ws.sent.Load() == sent+3 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("reads that were given up: %v", err)
	}
}

// TestTransactionSize sends as much as may be sent in one transaction, and a byte more.
func TestTransactionSize(t *testing.T) {
	ses := openSession(t, newStore(t, testOptions(t)))
	create := meta.CreateOp("/a", nil, meta.Persistent)
	data := make([]byte, meta.MaxTransactionBytes-create.Bytes())
	if _, err := ses.Create(t.Context(), "/a", append(data, 0), meta.Persistent); !errors.Is(err, meta.ErrTooLarge) {
		t.Errorf("a byte too much: %v", err)
	}
	if _, err := ses.Create(t.Context(), "/a", data, meta.Persistent); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
	if got, _, err := ses.Get(t.Context(), "/a"); err != nil || len(got) != len(data) {
		t.Errorf("read %d bytes of %d: %v", len(got), len(data), err)
	}
	var ops []meta.Op
	for i := 0; meta.TransactionBytes(ops) <= meta.MaxTransactionBytes; i++ {
		ops = append(ops, meta.CreateOp(fmt.Sprint("/", i), nil, meta.Persistent))
	}
	if _, err := ses.Multi(t.Context(), ops...); !errors.Is(err, meta.ErrTooLarge) {
		t.Errorf("an operation too much: %v", err)
	}
	if _, err := ses.Multi(t.Context(), ops[1:]...); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	if names, _, err := ses.Children(t.Context(), "/"); err != nil || len(names) != len(ops) {
		t.Errorf("there are %d nodes, should be %d: %v", len(names), len(ops), err)
	}
}

// TestReadThatBreaksItsConnection has each answer to a read end the connection. The read gives up: it may be its own
// answer that does it.
func TestReadThatBreaksItsConnection(t *testing.T) {
	ws := &wires{}
	ses := openOn(t, ws, testOptions(t), meta.Watcher{})
	const get = 4
	ws.cutting.Store(get)
	_, _, err := ses.Get(t.Context(), "/")
	if err == nil || !strings.Contains(err.Error(), "no answer after 5 tries") {
		t.Errorf("got %v", err)
	}
	if _, _, err := ses.Exists(t.Context(), "/"); err != nil {
		t.Errorf("another read: %v", err)
	}
}

// TestWatchIsSetOnce has many readers ask for the same watch: the library keeps a channel for each time that it is
// asked.
func TestWatchIsSetOnce(t *testing.T) {
	ws := &wires{}
	calls := make(told, 100)
	ses := openOn(t, ws, testOptions(t), calls.watcher())
	watch := func(want int64) {
		t.Helper()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, _, err := ses.GetW(t.Context(), "/"); err != nil {
					t.Error(err)
				}
				if _, _, err := ses.ExistsW(t.Context(), "/"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := ws.watches.Load(); got != want {
			t.Fatalf("%d requests have set a watch, should be %d", got, want)
		}
	}
	watch(1)
	if _, err := ses.Set(t.Context(), "/", nil, meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	calls.next(t, "{3 /}")
	watch(2)
	ws.cut()
	calls.next(t, "disconnected")
	calls.next(t, "{3 /}")
	calls.next(t, "reconnected")
	watch(3)
}

// TestWatchThatWasGivenUp has the caller of a read leave before the answer. The watch that the server sets is nobody's.
func TestWatchThatWasGivenUp(t *testing.T) {
	ws := &wires{}
	calls := make(told, 100)
	o := testOptions(t)
	ses := openOn(t, ws, o, calls.watcher())
	other := openSession(t, newStore(t, o))
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	ws.held.Store(&held)
	sent := ws.sent.Load()
	failed := make(chan error)
	go func() { _, _, err := ses.GetW(ctx, "/"); failed <- err }()
	await(t, "the request is sent", func() bool { return ws.sent.Load() > sent })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("a read that was given up: %v", err)
	}
	ws.held.Store(nil)
	close(held)
	for range 2 { // the first fires the watch
		if _, err := other.Set(t.Context(), "/", nil, meta.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := ses.GetW(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(t.Context(), "/a", nil, meta.Persistent); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Set(t.Context(), "/", nil, meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	calls.next(t, "{3 /}")
	select {
	case more := <-calls:
		t.Errorf("and %s", more)
	default:
	}
}

// TestWriteThatWasGivenUp has the caller of a write leave before the answer: the write is done or not.
func TestWriteThatWasGivenUp(t *testing.T) {
	ws := &wires{}
	ses := openOn(t, ws, testOptions(t), meta.Watcher{})
	ws.holding.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := ses.Set(ctx, "/", nil, meta.AnyVersion)
	if !errors.Is(err, meta.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
