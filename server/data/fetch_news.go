package data

import "klamm/cluster/replica"

// lookLocked makes the listed partitions of the session targets, but for those that are targets.
func (f *fetchContext) lookLocked(fs *fetchSession) {
	fs.listLocked()
	for p := fs.head.next; p != &fs.head; p = p.next {
		if p.epoch == f.req.SessionEpoch {
			continue
		}
		p.epoch = f.req.SessionEpoch
		f.nameTopic(&p.target)
		f.targets = append(f.targets, p.target)
		f.toldHW = append(f.toldHW, p.hw)
	}
	f.quiet = len(fs.partitions) > len(f.targets)
	f.grew()
}

// lookAgain makes the partitions of a follower's session targets that have changed since the last look.
func (f *fetchContext) lookAgain() {
	if !f.follows() {
		return
	}
	fs := f.session
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.isNewestLocked() {
		f.lookLocked(fs)
	}
}

// isNewestLocked reports whether no later request has used the session, so that its news is this one's.
func (f *fetchContext) isNewestLocked() bool { return f.session.epoch == nextEpoch(f.req.SessionEpoch) }

// watch makes w wait for every partition that was read. It returns false if the high
// watermark of one has moved since it was read, or for a follower the end of its log. The
// partitions of a follower's session wait together, and those that are not listed with them.
func (f *fetchContext) watch(w *replica.DelayedFetch) bool {
	unmoved := !f.follows() || f.awaitNews(w)
	for i := range f.results {
		switch r := &f.results[i]; {
		case !f.watches(i):
		case f.fromReplica():
			unmoved = w.WatchEnd(r.partition, r.epoch, r.end, r.hw) && unmoved
		default:
			unmoved = w.Watch(r.partition, r.epoch, r.hw) && unmoved
		}
	}
	return unmoved
}

// awaitNews makes w wait for what is noted in the follower's session. It returns false if there is enough already, or if a later request has used the
// session: that one waits.
func (f *fetchContext) awaitNews(w *replica.DelayedFetch) bool {
	f.session.mu.Lock()
	defer f.session.mu.Unlock()
	return f.isNewestLocked() && f.session.follower.Await(w)
}

// unwatch ends what watch began.
func (f *fetchContext) unwatch() {
	f.delayed.Unwatch()
	if f.follows() {
		f.session.follower.Unawait(f.delayed)
	}
}

// watches reports whether the delayed fetch has to watch a partition by itself: it was read, and no session watches it.
func (f *fetchContext) watches(i int) bool {
	p, w := f.results[i].partition, f.targets[i].watch
	return p != nil && (w == nil || !w.Watches(p))
}

// follows reports whether this is a request of a follower's session.
func (f *fetchContext) follows() bool { return f.session != nil && f.session.follower != nil }

// ended reports whether the follower's session would not wake the request any more: it has ended, or a later request has used it.
func (f *fetchContext) ended() bool {
	if !f.follows() {
		return false
	}
	f.session.mu.Lock()
	defer f.session.mu.Unlock()
	return !f.isNewestLocked() || f.session.follower.Closed()
}

// noted is how many partitions lookAgain will find.
func (f *fetchContext) noted() int {
	if f.follows() {
		return f.session.follower.Noted()
	}
	return 0
}
