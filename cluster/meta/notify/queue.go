package notify

import (
	"sync"

	"klamm/cluster/meta"
)

// Queue has the calls of one session's watcher that are still to come. Its methods may be called by several
// goroutines at once, and wait for nothing: a store calls them while it holds its locks, so that the order of the calls
// is that of the changes.
type Queue struct {
	watcher meta.Watcher

	mu      sync.Mutex
	pending []func() // guarded by mu; in order
	running bool     // guarded by mu; a goroutine calls the watcher
	closed  bool     // guarded by mu; nothing is taken or called any more
}

// New gives an empty queue for a watcher.
func New(w meta.Watcher) *Queue { return &Queue{watcher: w} }

// Event tells that a watch fired.
func (q *Queue) Event(e meta.Event) {
	if q.watcher.Event != nil {
		q.add(func() { q.watcher.Event(e) })
	}
}

// Disconnected tells that the connection was lost.
func (q *Queue) Disconnected() { q.add(q.watcher.Disconnected) }

// Reconnected tells that the session is connected again, after the Event of each watch that was set.
func (q *Queue) Reconnected() { q.add(q.watcher.Reconnected) }

// Expired tells that the session has ended. The queue takes nothing after it.
func (q *Queue) Expired() {
	q.add(func() {
		q.Close()
		if q.watcher.Expired != nil {
			q.watcher.Expired()
		}
	})
}

// Close drops what is still to come. A call that has begun goes on.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.pending = true, nil
}

// add takes a call, and starts a goroutine for it if none runs: a session that nothing happens to needs none.
func (q *Queue) add(call func()) {
	if call == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.pending = append(q.pending, call)
	if !q.running {
		q.running = true
		go q.run()
	}
}

// run calls the watcher until nothing is pending.
func (q *Queue) run() {
	for {
		q.mu.Lock()
		if len(q.pending) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		call := q.pending[0]
		q.pending = q.pending[1:]
		q.mu.Unlock()
		call()
	}
}
