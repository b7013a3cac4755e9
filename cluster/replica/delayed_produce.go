package replica

import (
	"container/heap"
	"math"
	"time"
)

// NoTimeout has an append wait for as long as it takes.
const NoTimeout int64 = math.MaxInt64

// Wait says what the producer of an append waits for.
type Wait struct {
	// Offset is the end of the append: the offset after its last record.
	Offset int64
	// LeaderEpoch is what Append gave. In a later leadership another record may stand at the offset.
	LeaderEpoch int32
	// Acks is -1 for all replicas in sync. Any other waits for the leader's own log alone, which has to be on the disk first where
	// flush.messages says so.
	Acks int16
	// TimeoutMs is how long to wait, in ms.
	TimeoutMs int64
}

// delayedProduce is an append that waits.
type delayedProduce struct {
	offset   int64
	deadline int64 // in ms of Manager.NowMs
	done     func(error)

	err  error // what done is called with; next is the one that is told after it: see completions
	next *delayedProduce
}

// Counts reports whether an append counts already.
func (p *Partition) Counts(w Wait) bool {
	// The offset comes before the state: if the state still is that of the append's leadership, then the offset was so too.
	at := p.reached(w.Acks)
	s := p.state.Load()
	return at >= w.Offset && s.ledSince(w.LeaderEpoch) && p.tooFew(s, w.Acks) == nil
}

// reached gives the offset up to which appends count.
func (p *Partition) reached(acks int16) int64 {
	if acks == -1 {
		return p.hw.Load()
	}
	return p.own.Load()
}

// AwaitCommit reports whether an append counts already. If
// not, it calls done once it does, or with an error: a *NotLeaderError when this broker does not lead any more, an
// *UnknownPartitionError when the partition was deleted, a *NotEnoughReplicasAfterAppendError when too few replicas were in sync at last,
// a *CommitTimeoutError, or an error of the disk. done runs on any goroutine and must not block.
func (p *Partition) AwaitCommit(w Wait, done func(error)) bool {
	if p.Counts(w) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state.Load()
	var err error
	if !s.ledSince(w.LeaderEpoch) {
		if err = s.refusal; err == nil { // it leads again
			err = &NotLeaderError{p.tp}
		}
	} else if p.reached(w.Acks) >= w.Offset {
		if err = p.tooFew(s, w.Acks); err == nil {
			return true
		}
	}
	if err != nil {
		go done(err)
		return false
	}
	waits := &p.syncs
	if w.Acks == -1 {
		waits = &p.commits
	}
	d := &delayedProduce{offset: w.Offset, deadline: math.MaxInt64, done: done}
	heap.Push(waits, d)
	if w.TimeoutMs < NoTimeout {
		nowMs := p.manager.NowMs()
		d.deadline = nowMs + min(max(w.TimeoutMs, 0), math.MaxInt32)
		p.expireAtLocked(d.deadline, nowMs)
	}
	if p.own.Load() < w.Offset { // the flush that should have come before failed; another one may succeed
		if !p.syncing {
			p.syncDue = true
		}
		p.startSyncLocked(s)
	}
	return false
}

// tooFew gives the error of an append with acks -1 that all replicas in sync have stored, if they are too few.
func (p *Partition) tooFew(s *State, acks int16) error {
	if acks != -1 {
		return nil
	}
	if required := s.minISR(p.config.Load()); len(s.MaximalISR) < required {
		return &NotEnoughReplicasAfterAppendError{Partition: p.tp, InSync: s.MaximalISR, Required: required}
	}
	return nil
}

// completeProducesLocked collects the appends that have reached what they wait for.
func (p *Partition) completeProducesLocked(c *completions, s *State, hw int64) {
	own := p.own.Load()
	for len(p.syncs) > 0 && p.syncs[0].offset <= own {
		c.produce(heap.Pop(&p.syncs).(*delayedProduce), nil)
	}
	if len(p.commits) == 0 || p.commits[0].offset > hw {
		return
	}
	err := p.tooFew(s, -1)
	for len(p.commits) > 0 && p.commits[0].offset <= hw {
		c.produce(heap.Pop(&p.commits).(*delayedProduce), err)
	}
}

// failProducesLocked collects all appends that wait, with an error.
func (p *Partition) failProducesLocked(c *completions, err error) {
	for _, waits := range []*delayedProduces{&p.syncs, &p.commits} {
		for _, d := range *waits {
			c.produce(d, err)
		}
		*waits = nil
	}
}

// expiry is the timer of a partition's appends. One timer serves all of them: mostly they are done long before it fires.
type expiry struct {
	dueMs int64 // when it fires; 0 while it is not set
	stop  func() bool
}

// expireAtLocked has expire called at a time, unless it will be before.
func (p *Partition) expireAtLocked(dueMs, nowMs int64) {
	if e := &p.expiry; e.dueMs == 0 || dueMs < e.dueMs {
		if e.dueMs != 0 {
			e.stop()
		}
		e.dueMs = dueMs
		e.stop = p.manager.o.After(time.Duration(dueMs-nowMs)*time.Millisecond, p.expire)
	}
}

// expire fails the appends that have waited for too long.
func (p *Partition) expire() {
	var c completions
	p.mu.Lock()
	nowMs := p.manager.NowMs()
	p.expiry.dueMs = 0
	next := int64(math.MaxInt64)
	for _, waits := range []*delayedProduces{&p.syncs, &p.commits} {
		kept := (*waits)[:0]
		for _, d := range *waits {
			if d.deadline <= nowMs {
				c.produce(d, &CommitTimeoutError{Partition: p.tp, Offset: d.offset})
			} else {
				kept = append(kept, d)
				next = min(next, d.deadline)
			}
		}
		clear((*waits)[len(kept):])
		*waits = kept
		heap.Init(waits)
	}
	if next < math.MaxInt64 {
		p.expireAtLocked(next, nowMs)
	}
	p.mu.Unlock()
	c.run()
}
