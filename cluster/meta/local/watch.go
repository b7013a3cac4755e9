package local

import (
	"errors"

	"klamm/cluster/meta"
)

// watches has, by node, the sessions that wait for one event there.
type watches map[string]map[*Session]bool

// watchLocked sets a watch on a node.
func (s *Session) watchLocked(table watches, path string) {
	if table[path] == nil {
		table[path] = map[*Session]bool{}
	}
	table[path][s] = true
}

// fireLocked tells events to the sessions that watch for them. It waits for nobody.
func (s *Store) fireLocked(events []fired) {
	for _, f := range events {
		path := f.event.Path
		if f.event.Type == meta.NodeDeleted {
			for session := range s.children[path] {
				if !s.data[path][session] { // who watches both is told once
					session.calls.Event(f.event)
				}
			}
			delete(s.children, path)
		}
		table := s.data
		if f.children {
			table = s.children
		}
		for session := range table[path] {
			session.calls.Event(f.event)
		}
		delete(table, path)
	}
}

// dropWatchesLocked forgets a session's watches.
func (s *Store) dropWatchesLocked(ses *Session) {
	for _, table := range []watches{s.data, s.children} {
		for path, sessions := range table {
			if delete(sessions, ses); len(sessions) == 0 {
				delete(table, path)
			}
		}
	}
}

// present turns the result of a read into an answer of Exists: a missing node is no error.
func present(r record, err error) (bool, meta.Stat, error) {
	if isNoNode(err) {
		return false, meta.Stat{}, nil
	}
	if err != nil {
		return false, meta.Stat{}, err
	}
	return true, r.stat(), nil
}

func isNoNode(err error) bool { return errors.Is(err, meta.ErrNoNode) }
