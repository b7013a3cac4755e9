package mem

import (
	"maps"
	"slices"

	"klamm/cluster/meta"
)

// loss is a write whose answer is to be lost.
type loss struct {
	match   func(meta.Op) bool
	applied bool
}

// Disconnect takes the connection from a session. Its operations wait, and it is told of no changes.
func (s *Store) Disconnect(tree meta.Tree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tree.(*Session).disconnectLocked()
}

// Reconnect gives a session its connection back. If it expired meanwhile it learns that now, and otherwise all its
// watches fire.
func (s *Store) Reconnect(tree meta.Tree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tree.(*Session).reconnectLocked()
}

// Expire ends a session as a server does that has not heard of it for too long: its ephemeral nodes go at once. The
// session itself learns it now if it is connected, and otherwise when it is connected again.
func (s *Store) Expire(tree meta.Tree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := tree.(*Session)
	s.endLocked(ses)
	if ses.isConnectedLocked() {
		ses.expiredLocked()
	}
}

// LoseAnswer has the next transaction that has a matching operation lose its answer: it ends in
// meta.ErrOutcomeUnknown, done before if applied, and otherwise not. The session loses its connection with the answer
// and is connected again at once. Losses that were asked for are used up in their order.
func (s *Store) LoseAnswer(match func(meta.Op) bool, applied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losses = append(s.losses, loss{match, applied})
}

// takeLossLocked gives the first loss that a transaction matches.
func (s *Store) takeLossLocked(ops []meta.Op) (loss, bool) {
	for i, l := range s.losses {
		if slices.ContainsFunc(ops, l.match) {
			s.losses = slices.Delete(s.losses, i, i+1)
			return l, true
		}
	}
	return loss{}, false
}

func (ses *Session) isConnectedLocked() bool {
	select {
	case <-ses.connected:
		return true
	default:
		return false
	}
}

func (ses *Session) disconnectLocked() {
	if ses.isConnectedLocked() && !ses.ended() {
		ses.connected = make(chan struct{})
		ses.calls.Disconnected()
	}
}

func (ses *Session) reconnectLocked() {
	if ses.isConnectedLocked() {
		return
	}
	close(ses.connected)
	if ses.ended() {
		return
	}
	if ses.store.sessions[ses.id] != ses {
		ses.expiredLocked()
		return
	}
	for _, path := range slices.Sorted(maps.Keys(ses.data)) {
		ses.calls.Event(meta.Event{Type: meta.NodeDataChanged, Path: path})
	}
	for _, path := range slices.Sorted(maps.Keys(ses.children)) {
		ses.calls.Event(meta.Event{Type: meta.NodeChildrenChanged, Path: path})
	}
	clear(ses.data)
	clear(ses.children)
	ses.calls.Reconnected()
}

func (ses *Session) expiredLocked() {
	if !ses.ended() {
		close(ses.done)
		ses.calls.Expired()
	}
}
