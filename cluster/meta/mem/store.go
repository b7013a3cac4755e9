package mem

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/notify"
)

// Options are what a Store needs.
type Options struct {
	// Clock gives the time for Ctime and Mtime. Default time.Now.
	Clock func() time.Time
	// Committed is told each transaction that was done, in their order. The store is locked meanwhile: it must not be called.
	Committed func(session int64, ops []meta.Op, results []meta.Result)
}

// Store is a tree in memory; it implements [meta.Store]. Its methods may be called by several goroutines at once.
type Store struct {
	clock     func() time.Time
	committed func(session int64, ops []meta.Op, results []meta.Result)

	// mu guards what follows and the fields of all sessions and nodes. It is held over each operation until its watches
	// are in the queues of their sessions.
	mu       sync.Mutex
	nodes    map[string]*node
	zxid     int64
	last     int64 // the session opened last
	sessions map[int64]*Session
	losses   []loss
	closed   bool
}

// New gives a tree that has only the root.
func New(o Options) *Store {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Committed == nil {
		o.Committed = func(int64, []meta.Op, []meta.Result) {}
	}
	return &Store{
		clock: o.Clock, committed: o.Committed, sessions: map[int64]*Session{},
		nodes: map[string]*node{"/": {children: map[string]bool{}}},
	}
}

// Open implements meta.Store.
func (s *Store) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := ctx.Err()
	if s.closed {
		err = meta.ErrSessionExpired
	}
	if err != nil {
		return nil, &meta.Error{Op: "session", Path: "/", Err: err}
	}
	s.last++
	ses := &Session{
		store: s, id: s.last, done: make(chan struct{}), calls: notify.New(w), connected: closedChan(),
		data: map[string]bool{}, children: map[string]bool{},
	}
	s.sessions[ses.id] = ses
	return ses, nil
}

// Close implements meta.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Values(s.sessions))
	s.mu.Unlock()
	for _, ses := range open {
		ses.Close()
	}
	return nil
}

// commitLocked does a session's transaction, and fires the watches that wait for it.
func (s *Store) commitLocked(session int64, ops []meta.Op) (results []meta.Result, index int, err error) {
	w := &write{nodes: s.nodes, zxid: s.zxid + 1, nowMs: s.clock().UnixMilli(), session: session}
	if results, index, err = w.do(ops); err != nil {
		return nil, index, err
	}
	s.zxid++
	s.committed(session, ops, results)
	s.fireLocked(w.fired)
	return results, 0, nil
}

// fireLocked tells events to the sessions that watch for them. A session without a connection is told when it is
// connected again.
func (s *Store) fireLocked(events []fired) {
	for _, f := range events {
		path := f.event.Path
		for _, ses := range s.sessions {
			gone := f.event.Type == meta.NodeDeleted
			hit := (!f.children || gone) && ses.data[path] || (f.children || gone) && ses.children[path]
			if !hit || !ses.isConnectedLocked() {
				continue
			}
			if !f.children || gone {
				delete(ses.data, path)
			}
			if f.children || gone {
				delete(ses.children, path)
			}
			ses.calls.Event(f.event)
		}
	}
}

// endLocked takes a session off the tree: its ephemeral nodes go in one transaction.
func (s *Store) endLocked(ses *Session) {
	if s.sessions[ses.id] != ses {
		return
	}
	delete(s.sessions, ses.id)
	var ops []meta.Op
	for path, n := range s.nodes {
		if n.stat.EphemeralOwner == ses.id {
			ops = append(ops, meta.DeleteOp(path, meta.AnyVersion))
		}
	}
	if len(ops) > 0 {
		_, _, _ = s.commitLocked(ses.id, ops) // ephemeral nodes have no children: nothing refuses this
	}
}

func closedChan() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
