package replica

import (
	"slices"

	"klamm/cluster/order"
	"klamm/logstore"
)

// changeLocked replaces what the broker is in the partition. What waits for the old role is collected: produce requests fail with why, unless it is
// nil for a leader that goes on to lead, and fetches are read again. Such a leader has called unwatchAllLocked. The caller holds fence and mu.
func (p *Partition) changeLocked(c *completions, next *State, why error) {
	p.state.Store(next)
	p.asked = nil
	p.committed.wakeLocked(c)
	p.written.wakeLocked(c)
	if why == nil {
		return
	}
	p.unwatchAllLocked(c)
	p.failProducesLocked(c, why)
	for _, d := range p.deletions {
		d.err = why
	}
	c.deletions = append(c.deletions, p.deletions...)
	p.deletions, p.remotes = nil, nil
	p.syncing, p.syncDue = false, false
}

// becomeLeader carries out an order to lead (Partition.makeLeader), and says whether it is news: whether this broker did not lead before. The
// caller holds changing, has stopped the fetching, and has flushed what must be on the disk before it counts.
func (p *Partition) becomeLeader(o *order.LeaderAndISR, nowMs int64) (isNew bool, err error) {
	var c completions
	p.fence.Lock()
	p.mu.Lock()
	s := p.state.Load()
	if err = p.log.Err(); err == nil && o.LeaderEpoch > s.LeaderEpoch { // again, for a request that names the partition twice
		isNew = s.Role != Leader
		p.log.AssignLeaderEpoch(o.LeaderEpoch)
		next := s.ordered(o)
		next.Role, next.since, next.unbroken = Leader, s.since, s.unbroken
		next.ISR, next.MaximalISR = o.ISR, o.ISR
		next.EpochStart = p.log.EndOffset()
		p.unwatchAllLocked(&c)
		if isNew || o.LeaderEpoch > s.LeaderEpoch+1 {
			// In an epoch between, another broker may have led, and followers may have truncated their logs.
			next.unbroken, p.remotes = o.LeaderEpoch, nil
		}
		if isNew {
			next.since = o.LeaderEpoch
			p.restartLocked(next.EpochStart)
			p.own.Store(next.EpochStart)
		}
		p.setRemotesLocked(next, nowMs)
		p.changeLocked(&c, next, nil)
		p.advanceLocked(&c)
		p.completeDeletionsLocked(&c) // those that waited for a replica that has left
	}
	p.mu.Unlock()
	p.fence.Unlock()
	c.run()
	return isNew, err
}

// restartLocked counts the whole log up to its end, in a role in which it was not counted batch by batch.
func (p *Partition) restartLocked(end int64) {
	p.end = end
	p.appends.Forget()
	p.unread.reset(p.hw.Load(), end, p.log.SizeBytes())
}

// setRemotesLocked begins a leader epoch with the other replicas. If this broker has led on, those that were known keep their positions. Those of
// an earlier leadership were forgotten when it ended (KAFKA-7128).
func (p *Partition) setRemotesLocked(s *State, nowMs int64) {
	remotes := make([]remote, 0, len(s.Replicas))
	for _, id := range s.Replicas {
		if id == p.manager.o.BrokerID {
			continue
		}
		r := remote{id: id, end: unknown, start: unknown, fetchedEnd: unknown}
		if i := slices.IndexFunc(p.remotes, func(r remote) bool { return r.id == id }); i >= 0 {
			r = p.remotes[i]
			r.fetchedEnd = s.EpochStart
		}
		r.begin(slices.Contains(s.ISR, id), nowMs)
		remotes = append(remotes, r)
	}
	p.remotes = remotes
}

// becomeFollower carries out an order to follow (Partition.makeFollower), and says whether it is news and whether this broker led before. The
// caller holds changing and has stopped the fetching.
func (p *Partition) becomeFollower(o *order.LeaderAndISR) (isNew, led bool, err error) {
	var c completions
	p.fence.Lock()
	p.mu.Lock()
	s := p.state.Load()
	if err = p.log.Err(); err == nil && o.LeaderEpoch > s.LeaderEpoch {
		isNew, led = true, s.Role == Leader
		next := s.ordered(o)
		next.Role, next.refusal = Follower, &NotLeaderError{p.tp}
		p.restartLocked(p.log.EndOffset())
		p.changeLocked(&c, next, next.refusal)
	}
	p.mu.Unlock()
	p.fence.Unlock()
	c.run()
	return isNew, led, err
}

// becomeNothing ends the present role, and says whether this broker led. The epochs stay known. The caller holds changing.
func (p *Partition) becomeNothing(role Role, why error) (led bool) {
	var c completions
	p.fence.Lock()
	p.mu.Lock()
	next := *p.state.Load()
	led = next.Role == Leader
	next.Role, next.refusal, next.Leader, next.since = role, why, -1, -1
	next.ISR, next.MaximalISR = nil, nil
	p.changeLocked(&c, &next, why)
	p.mu.Unlock()
	p.fence.Unlock()
	c.run()
	return led
}

// assignTopicID gives a partition the id of its topic, which a controller of before topic ids did not tell (KAFKA-12835).
func (p *Partition) assignTopicID(o *order.LeaderAndISR) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := *p.state.Load()
	next.TopicID = o.TopicID
	p.state.Store(&next)
}

// followed is what a fetcher has to know. It is taken after the fetching has stopped, so that the position does not move (KAFKA-13266).
func (p *Partition) followed() Followed {
	s := p.state.Load()
	f := Followed{Partition: p, TopicID: s.TopicID, Leader: s.Leader, LeaderEpoch: s.LeaderEpoch, StartOffset: p.log.EndOffset()}
	if p.log.LatestEpoch() < 0 {
		f.StartOffset, f.Truncating = p.hw.Load(), true
	}
	return f
}

// offline is why a partition whose log directory failed is not served.
func (p *Partition) offline() error {
	if err := p.log.Err(); err != nil {
		return err
	}
	return &logstore.DirError{Dir: p.log.Dir(), Path: p.log.Dir(), Op: "use", Err: logstore.ErrClosed}
}
