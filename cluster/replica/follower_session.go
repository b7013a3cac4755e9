package replica

import (
	"slices"
	"sync"
	"sync/atomic"
)

// FollowerSession is what this broker's partitions tell the fetch session of one follower (KIP-227), so that a fetch costs what has changed since
// the one before and not what the session has. Each partition of the session has a FollowerWatch. The leader notes it when the end of its log, its
// high watermark, its log start offset or its role changes, and the next fetch looks at those partitions that were noted.
//
// A fetch that does not name a partition says that the follower is still where it was. Of a follower that was caught up then, and of a partition that
// was not noted since, that says that it is caught up now: all those partitions have fetchedMs for their time.
//
// Order of locks: the session's in server/data, Partition.mu, FollowerSession.mu. A fetch is woken without the first two.
type FollowerSession struct {
	fetchedMs atomic.Int64 // when the follower fetched last
	closed    atomic.Bool

	mu      sync.Mutex
	noted   []*FollowerWatch // guarded by mu; each once
	bytes   int64            // guarded by mu; how many came since Take
	urgent  bool             // guarded by mu; something came since Take that ends a wait however few bytes came
	waiting *DelayedFetch    // guarded by mu; nil while no fetch waits
}

// FollowerWatch is one partition of a FollowerSession.
type FollowerWatch struct {
	// Element is what the session's owner knows the partition by. It never changes.
	Element any

	session   *FollowerSession
	partition atomic.Pointer[Partition] // whose remote has this watch; nil for none. Changed under the mu of that partition
	caughtUp  atomic.Bool               // the follower is in the ISR, and has all that the partition has; changed under Partition.mu
	isNoted   bool                      // guarded by FollowerSession.mu
}

// NewFollowerSession makes a session without partitions.
func NewFollowerSession() *FollowerSession {
	s := &FollowerSession{}
	s.fetchedMs.Store(never)
	return s
}

// Watch makes a partition of the session. The leader notes it from the first Partition.UpdateFollower on that has it.
func (s *FollowerSession) Watch(element any) *FollowerWatch {
	return &FollowerWatch{Element: element, session: s}
}

// Fetched takes in a fetch of the session by which the follower is where it was, but for the partitions that are named: Moves was called with those.
// nowMs is the time by Manager.NowMs.
func (s *FollowerSession) Fetched(nowMs int64) { s.fetchedMs.Store(nowMs) }

// Take appends the partitions that were noted since the last call to list, in the order in which they were noted first.
func (s *FollowerSession) Take(list []*FollowerWatch) []*FollowerWatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.noted {
		w.isNoted = false
	}
	list = append(list, s.noted...)
	clear(s.noted)
	s.noted, s.bytes, s.urgent = s.noted[:0], 0, false
	return list
}

// Noted is how many partitions Take would give.
func (s *FollowerSession) Noted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.noted)
}

// Await has a fetch wait for the session's partitions as well as for those that it watches itself, before it is armed. It reports false if what came
// since Take is enough: then the caller reads again. Only one fetch waits at a time: the caller sees to it that this is the session's latest, and that
// one from before comes to its end by itself.
func (s *FollowerSession) Await(f *DelayedFetch) bool {
	f.share.Store(1) // of the partitions that the fetch watches itself: the session's bytes make the missing ones fewer at any time
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = f
	return !s.urgent && !s.Closed() && f.missing.Add(-s.bytes) > 0
}

// Unawait ends the wait of a fetch.
func (s *FollowerSession) Unawait(f *DelayedFetch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == f {
		s.waiting = nil
	}
}

// Close ends the session. The caller holds no lock, and calls Detach for each partition then.
func (s *FollowerSession) Close() {
	s.closed.Store(true)
	s.mu.Lock()
	f := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if f != nil {
		f.Wake()
	}
}

// Closed says whether the session has ended, after which no fetch of it is to wait.
func (s *FollowerSession) Closed() bool { return s.closed.Load() }

// note has the next fetch look at the partition, and completes the fetch that waits if this is what it waits for. The caller holds Partition.mu.
func (w *FollowerWatch) note(c *completions, bytes int64, urgent bool) {
	s := w.session
	s.mu.Lock()
	defer s.mu.Unlock()
	w.listLocked()
	s.bytes += bytes
	s.urgent = s.urgent || urgent
	if f := s.waiting; f != nil && (f.missing.Add(-bytes) <= 0 || urgent) {
		s.waiting = nil
		if f.complete() {
			c.fetch(f)
		}
	}
}

// list has the next fetch look at the partition, and completes nothing. The caller holds Partition.mu.
func (w *FollowerWatch) list() {
	w.session.mu.Lock()
	defer w.session.mu.Unlock()
	w.listLocked()
}

// listLocked is list under FollowerSession.mu.
func (w *FollowerWatch) listLocked() {
	if !w.isNoted {
		w.isNoted = true
		w.session.noted = append(w.session.noted, w)
	}
}

// CaughtUp says whether the follower is in the ISR and has all that the partition has, by its last fetch that named the partition or looked at it.
// What changes that later is noted.
func (w *FollowerWatch) CaughtUp() bool { return w.caughtUp.Load() }

// Watches says whether the changes of a partition are noted.
func (w *FollowerWatch) Watches(p *Partition) bool { return w.partition.Load() == p }

// Moves says that the follower has named the partition: it may be elsewhere, and this fetch and later ones do not say that it is caught up before
// UpdateFollower says so.
func (w *FollowerWatch) Moves() {
	if w.caughtUp.Load() {
		w.leave(false)
	}
}

// Detach ends the noting.
func (w *FollowerWatch) Detach() { w.leave(true) }

func (w *FollowerWatch) leave(detach bool) {
	p := w.partition.Load()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.remotes, func(r remote) bool { return r.watch == w }); i >= 0 {
		r := &p.remotes[i]
		r.unsettle()
		if detach {
			r.detach()
		}
	}
}

// lastCaughtUpMs gives when the replica was caught up last.
func (r *remote) lastCaughtUpMs() int64 {
	if r.watch != nil && r.watch.caughtUp.Load() {
		return max(r.caughtUpMs, r.watch.session.fetchedMs.Load())
	}
	return r.caughtUpMs
}

// unsettle notes what the fetches have said that did not name the partition: from now on they say nothing.
func (r *remote) unsettle() {
	if r.watch != nil && r.watch.caughtUp.Load() {
		fetchedMs := r.watch.session.fetchedMs.Load()
		r.caughtUpMs, r.fetchedMs = max(r.caughtUpMs, fetchedMs), max(r.fetchedMs, fetchedMs)
		r.watch.caughtUp.Store(false)
	}
}

// detach takes the watch away.
func (r *remote) detach() {
	r.watch.partition.Store(nil)
	r.watch = nil
}

// watchLocked has a follower's session told of what changes, from the fetch f on that was just taken in. No other session watches the partition for
// the follower.
func (p *Partition) watchLocked(c *completions, r *remote, s *State, f *FollowerFetch) {
	w := f.Watch
	if r.watch == nil {
		w.partition.Store(p)
		if w.session.closed.Load() { // it may have called Detach already
			w.partition.Store(nil)
			return
		}
		r.watch = w
	}
	sameEpoch := f.LeaderEpoch == s.LeaderEpoch // a fetch of an earlier one is looked at again, and refused
	w.caughtUp.Store(sameEpoch && f.Offset == p.end && slices.Contains(s.ISR, r.id))
	if p.end > f.LeaderEnd || !sameEpoch { // something came since it was read
		w.note(c, 0, true)
	}
}

// unwatchLocked ends the noting for a replica that may not be what its session takes it for any more.
func (p *Partition) unwatchLocked(c *completions, r *remote) {
	if w := r.watch; w != nil {
		r.unsettle()
		r.detach()
		w.note(c, 0, true)
	}
}

// unwatchAllLocked is unwatchLocked for all replicas.
func (p *Partition) unwatchAllLocked(c *completions) {
	for i := range p.remotes {
		p.unwatchLocked(c, &p.remotes[i])
	}
}

// noteLocked notes a change for the sessions of all followers but the one whose fetch makes it.
func (p *Partition) noteLocked(c *completions, bytes int64, urgent bool) {
	for i := range p.remotes {
		if w := p.remotes[i].watch; w != nil && w != c.by {
			w.note(c, bytes, urgent)
		}
	}
}

// startMoved takes in that the log start offset has moved, for which no fetch waits. Its log calls it, without locks of its own; who deletes records
// may hold fence and following.
func (p *Partition) startMoved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.remotes {
		if w := p.remotes[i].watch; w != nil {
			w.list()
		}
	}
}

// settleLocked has followers that have left the ISR say by each fetch where they are, as those do that never were in it: so they join again.
func (p *Partition) settleLocked(c *completions, s *State) {
	for i := range p.remotes {
		if r := &p.remotes[i]; r.watch != nil && !slices.Contains(s.ISR, r.id) {
			r.unsettle()
			r.watch.note(c, 0, false)
		}
	}
}
