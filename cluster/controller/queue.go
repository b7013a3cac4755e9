package controller

import (
	"context"
	"slices"
	"sync"
)

// queued is an event on its way to the controller's goroutine.
type queued struct {
	event Event // nil if only the task is concerned
	task  *task
	// answers is the queue of the broker of whose message it says what became, if the task waits for that; nil if it does not.
	answers *brokerQueue
}

// eventQueue has no bound: whoever puts an event into it must not wait. What may come in is bounded where it comes from: a watch
// fires once, and whoever asks for something waits for the answer, or withdraws what has not begun. While the tree does not answer nothing
// begins, and brokers and clients ask again and again.
type eventQueue struct {
	mu    sync.Mutex
	list  []queued      // guarded by mu
	ready chan struct{} // has an element when the list is not empty
}

func newEventQueue() *eventQueue { return &eventQueue{ready: make(chan struct{}, 1)} }

func (q *eventQueue) put(e queued) {
	q.mu.Lock()
	q.list = append(q.list, e)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// withdraw takes the event of a task out, unless it has been taken by next.
func (q *eventQueue) withdraw(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, func(e queued) bool { return e.task == t && e.event == t.event })
}

// next waits for an event. It gives false when ctx ends.
func (q *eventQueue) next(ctx context.Context) (queued, bool) {
	for {
		if ctx.Err() != nil {
			return queued{}, false
		}
		q.mu.Lock()
		if len(q.list) > 0 {
			e := q.list[0]
			q.list = q.list[1:]
			if changed, ok := e.event.(*NodeChanged); ok {
				q.mergeLocked(changed)
			}
			q.mu.Unlock()
			return e, true
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
		}
	}
}

// mergeLocked adds all watches that fired to one event: after a connection was lost that is every watch.
func (q *eventQueue) mergeLocked(into *NodeChanged) {
	q.list = slices.DeleteFunc(q.list, func(e queued) bool {
		more, ok := e.event.(*NodeChanged)
		if ok {
			into.Paths = append(into.Paths, more.Paths...)
		}
		return ok
	})
}
