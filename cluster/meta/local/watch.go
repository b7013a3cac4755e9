package local

import (
	"errors"

	"klamm/cluster/meta"
)

// watcher waits for one event.
type watcher struct {
	session *Session
	ch      chan meta.Event
}

// watchLocked sets a watch on a node.
func (s *Session) watchLocked(table map[string][]watcher, path string) meta.Watch {
	ch := make(chan meta.Event, 1)
	table[path] = append(table[path], watcher{s, ch})
	return ch
}

// fireLocked sends events to their watchers. Each channel has room for its one event, so that sending waits for nobody.
func (s *Store) fireLocked(events []fired) {
	for _, f := range events {
		table := s.data
		if f.children {
			table = s.children
		}
		for _, w := range table[f.event.Path] {
			w.ch <- f.event
			close(w.ch)
		}
		delete(table, f.event.Path)
	}
}

// dropWatchesLocked closes a session's watches without an event.
func (s *Store) dropWatchesLocked(ses *Session) {
	for _, table := range []map[string][]watcher{s.data, s.children} {
		for path, all := range table {
			kept := all[:0]
			for _, w := range all {
				if w.session == ses {
					close(w.ch)
				} else {
					kept = append(kept, w)
				}
			}
			if len(kept) == 0 {
				delete(table, path)
			} else {
				table[path] = kept
			}
		}
	}
}

// present turns the result of a read into an answer of Exists: a missing node is no error.
func present(r record, err error) (bool, meta.Stat, error) {
	if errors.Is(err, meta.ErrNoNode) {
		return false, meta.Stat{}, nil
	}
	if err != nil {
		return false, meta.Stat{}, err
	}
	return true, r.stat(), nil
}
