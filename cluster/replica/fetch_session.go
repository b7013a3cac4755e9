package replica

import "math"

// fetchSession is the follower's side of a fetch session (KIP-227): the leader remembers which partitions are fetched, and from where, so that
// a request has only those that changed.
//
// A request with epoch 0 is full: it has all partitions and asks for a new session; with the id of an earlier session it also ends that one.
// Later requests count on from epoch 1.
type fetchSession struct{ id, epoch int32 }

// sessionless is the epoch of a full request that asks for no session.
const sessionless int32 = -1

// full says whether the next request is a full one.
func (s *fetchSession) full() bool { return s.epoch == 0 }

// reset has the next request begin a session. The leader does not know the present one.
func (s *fetchSession) reset() { *s = fetchSession{} }

// endExisting has the next request end the present session and begin another one.
func (s *fetchSession) endExisting() { s.epoch = 0 }

// answered takes in the id of a good answer: that of the new session or of the present one; 0 if the leader has none, or has ended it.
func (s *fetchSession) answered(id int32) {
	switch {
	case id == 0:
		s.reset()
	case s.full():
		*s = fetchSession{id: id, epoch: 1}
	case s.epoch == math.MaxInt32:
		s.epoch = 1
	default:
		s.epoch++
	}
}
