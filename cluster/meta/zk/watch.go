package zk

import (
	"cmp"
	"context"
	"slices"

	"klamm/cluster/meta"
)

// watchKey is a watch of a session: on the data of a node or on its children.
type watchKey struct {
	path     string
	children bool
}

// watch is a watch that has not fired. The library keeps a channel for each time that it is asked for a watch, so it is
// asked once.
type watch struct {
	done  chan struct{} // closed when the read that sets it is over
	isSet bool          // guarded by Session.mu; the read went well
	fired bool          // guarded by Session.mu; before the read was over, so that the watch is used up
}

// watchKeysLocked are the watches that are set or being set, in order.
func (s *Session) watchKeysLocked() []watchKey {
	keys := make([]watchKey, 0, len(s.watches))
	for key := range s.watches {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b watchKey) int {
		return cmp.Or(cmp.Compare(a.path, b.path), boolOrder(a.children)-boolOrder(b.children))
	})
	return keys
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fired takes an event. It is dropped if the watch is not known: it was of a read that its caller gave up.
func (s *Session) fired(e meta.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := e.Type != meta.NodeChildrenChanged && s.useUpLocked(watchKey{e.Path, false})
	children := (e.Type == meta.NodeChildrenChanged || e.Type == meta.NodeDeleted) && s.useUpLocked(watchKey{e.Path, true})
	if data || children {
		s.calls.Event(e)
	}
}

// useUpLocked takes a watch off the table that has fired, and says whether it was there.
func (s *Session) useUpLocked(key watchKey) bool {
	w := s.watches[key]
	switch {
	case w == nil:
		return false
	case w.isSet:
		delete(s.watches, key)
	default:
		// The event may be of this read's watch, and then it is used up, or of an earlier one. Either way the caller
		// reads again.
		w.fired = true
	}
	return true
}

// watching does a read that sets a watch, or the same read without one if the watch is set already: an event that
// comes in between is told, and its receiver reads again.
func watching[T any](ctx context.Context, s *Session, key watchKey, read func(watch bool) (T, error)) (T, error) {
	w := s.claim(ctx, key)
	if w == nil {
		return read(false)
	}
	got, err := read(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.isSet = err == nil && !w.fired; !w.isSet {
		delete(s.watches, key)
	}
	close(w.done)
	return got, err
}

// claim gives a new watch for the caller to set, or nil if it is set already. It gives nil as well if ctx ends: the read
// that follows then fails.
func (s *Session) claim(ctx context.Context, key watchKey) *watch {
	for {
		s.mu.Lock()
		w := s.watches[key]
		if w == nil {
			w = &watch{done: make(chan struct{})}
			s.watches[key] = w
			s.mu.Unlock()
			return w
		}
		isSet := w.isSet
		s.mu.Unlock()
		if isSet {
			return nil
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			return nil
		}
	}
}
