package replica

import (
	"math"
	"slices"
)

// remote is what the leader knows of another replica.
type remote struct {
	id    int32
	end   int64 // its log end offset: the offset that it fetched from last; unknown before its first fetch
	start int64 // its log start offset; unknown before it told one

	caughtUpMs int64 // when it last had all that the leader had then; never before that
	fetchedMs  int64 // when it fetched last
	fetchedEnd int64 // the leader's log end offset at that time
	barredMs   int64 // until when it is not asked to join the ISR

	watch *FollowerWatch // the partition in the replica's fetch session; nil for none
}

const (
	unknown = -1                // an offset that a follower has not told yet
	never   = math.MinInt64 / 2 // a time before all others
)

// caughtUp says whether a replica has all that the leader has, or had all of it not long ago.
func (r *remote) caughtUp(leaderEnd, nowMs, lagMaxMs int64) bool {
	return r.end == leaderEnd || nowMs-r.lastCaughtUpMs() <= lagMaxMs
}

// fetched takes in that a follower's fetch was served (Replica.updateFetchStateOrThrow). A follower that has reached, with this
// fetch, the end that the log had when it fetched last, was caught up then.
func (r *remote) fetched(f *FollowerFetch, nowMs int64) {
	switch {
	case f.Offset >= f.LeaderEnd:
		r.caughtUpMs = max(r.caughtUpMs, nowMs)
	case r.fetchedEnd != unknown && f.Offset >= r.fetchedEnd:
		r.caughtUpMs = max(r.caughtUpMs, r.fetchedMs)
	}
	r.end, r.start = f.Offset, f.LogStart
	r.fetchedMs, r.fetchedEnd = nowMs, f.LeaderEnd
}

// begin begins a leader epoch for a replica (Replica.resetReplicaState): one in the ISR counts as caught up now, another as never.
func (r *remote) begin(inSync bool, nowMs int64) {
	r.caughtUpMs, r.fetchedMs = never, never
	if inSync {
		r.caughtUpMs, r.fetchedMs = nowMs, nowMs
	}
}

// allowedLocked gives how far the replicas allow the high watermark to be: the lowest end of a replica that is in sync, or that may be so
// soon. Fewer replicas in sync than min.insync.replicas allow nothing (KAFKA-15583).
func (p *Partition) allowedLocked(s *State) int64 {
	hw := p.own.Load()
	if len(p.remotes) == 0 {
		return hw
	}
	if len(s.ISR) < s.minISR(p.config.Load()) {
		return unknown
	}
	nowMs := int64(never)
	for i := range p.remotes {
		r := &p.remotes[i]
		if r.end >= hw {
			continue
		}
		if !slices.Contains(s.MaximalISR, r.id) {
			// One that has nearly caught up is waited for: without that it would never join while records keep coming.
			if nowMs == never {
				nowMs = p.manager.NowMs()
			}
			if !r.caughtUp(p.end, nowMs, p.manager.lagMaxMs()) || !p.manager.o.Alive(r.id) {
				continue
			}
		}
		hw = r.end
	}
	return hw
}

// advanceLocked moves the high watermark to where the replicas allow it to be, never back, and collects those who waited for it.
func (p *Partition) advanceLocked(c *completions) {
	s := p.state.Load()
	hw := p.hw.Load()
	if s.Role == Leader {
		if allowed := p.allowedLocked(s); allowed > hw {
			hw = allowed
			p.hw.Store(hw)
			p.log.SetHighWatermark(hw)
			p.noteLocked(c, 0, p.manager.o.TellHighWatermark)
			if p.manager.o.TellHighWatermark {
				p.written.wakeLocked(c)
			}
		}
	}
	p.readableLocked(c, hw)
	p.completeProducesLocked(c, s, hw)
}

// readableLocked counts what is below the high watermark for the fetches that wait for it.
func (p *Partition) readableLocked(c *completions, hw int64) {
	if bytes := p.unread.take(hw); bytes > 0 {
		p.committed.bytes += bytes
		p.committed.completeLocked(c)
	}
}

// advance is advanceLocked for who does not hold mu.
func (p *Partition) advance() {
	var c completions
	p.mu.Lock()
	p.advanceLocked(&c)
	p.mu.Unlock()
	c.run()
}
