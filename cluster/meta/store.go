package meta

import "context"

// Store is a tree of nodes on which sessions can be opened. Its methods may be called by several goroutines at once.
type Store interface {
	// Open begins a session. It tries until it has one or ctx ends. ctx is for the opening alone: the session lives
	// on after it.
	Open(ctx context.Context, w Watcher) (Tree, error)
	// Close ends all sessions and gives back what the store holds.
	Close() error
}

// Watcher is told what happens to one session. A field that is nil is not called. The calls of a session come one at a
// time and in order. They must not block and must not call the session: a watcher puts what it is told into a queue of
// its own.
type Watcher struct {
	// Event says that a watch fired. Each watch fires once. If a node was deleted that had a watch on its data and
	// one on its children, both have fired, and there is one Event for the two.
	Event func(Event)
	// Disconnected says that the session has lost its connection. Its ephemeral nodes stay until the session ends.
	Disconnected func()
	// Reconnected says that the same session is connected again. Before this call an Event has come for every watch
	// that was set, whether its node changed or not, since a change may have been missed: read again.
	Reconnected func()
	// Expired says that the session has ended and cannot come back. It is the last call. It does not come for a session
	// that its owner closed.
	Expired func()
}
