package groupcoord

import (
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
)

// Coordinator coordinates the groups whose partition of __consumer_offsets this broker leads. All methods may be called
// from any goroutine. Those of a group are for the group's clients, in the order in which they come.
//
// Order of locks: mu, shard.mu, entry.mu, and then those of the Log that it appends to. Answers are given without locks.
type Coordinator struct {
	o          Options
	begun      time.Time // where ticks count from
	bytes      atomic.Int64
	saidFullMs atomic.Int64 // the tick at which the log was told last that groups take as much as they may

	mu     sync.RWMutex
	shards map[int32]*shard // guarded by mu; by partition; nil once it is closed
}

// New makes a coordinator of no groups.
func New(o Options) *Coordinator {
	return &Coordinator{o: o, begun: o.Now(), shards: map[int32]*shard{}}
}

// event begins the effects of one.
func (c *Coordinator) event() effects {
	now := c.o.Now()
	return effects{nowMs: now.UnixMilli(), tickMs: now.Sub(c.begun).Milliseconds() + 1}
}

// PartitionOf gives the partition of __consumer_offsets that a group's records are in: the absolute of Java's
// String.hashCode of its id, with 0 for the one number that has no absolute.
func (c *Coordinator) PartitionOf(group string) int32 {
	var hash int32
	for _, r := range group {
		if r1, r2 := utf16.EncodeRune(r); r > 0xffff {
			hash = 31*(31*hash+r1) + r2
		} else {
			hash = 31*hash + r
		}
	}
	if hash = max(hash, -hash); hash < 0 {
		hash = 0
	}
	return hash % c.o.Config.Partitions()
}

// shardOf finds the shard of a group that is coordinated here, or says why it cannot be asked.
func (c *Coordinator) shardOf(group string) (*shard, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.shards == nil {
		return nil, ErrNotAvailable
	}
	s := c.shards[c.PartitionOf(group)]
	switch {
	case s == nil:
		return nil, ErrNotCoordinator
	case s.state.Load() == loading:
		return nil, ErrLoading
	}
	return s, nil
}

// full says that groups take as much memory as they may. The log is told once a minute.
func (c *Coordinator) full() bool {
	if c.bytes.Load() <= c.o.Config.MaxBytes {
		return false
	}
	now, said := c.event().tickMs, c.saidFullMs.Load()
	if (said == 0 || now-said >= 60_000) && c.saidFullMs.CompareAndSwap(said, now) {
		c.o.Logger.Warn("groups take as much memory as they may: no new group, member or offset is taken", "bytes", c.bytes.Load(), "limit", c.o.Config.MaxBytes)
	}
	return true
}

// Join has a member join (JoinGroup).
func (c *Coordinator) Join(r *JoinRequest) {
	s, err := c.shardOf(r.Group)
	switch {
	case r.Group == "":
		err = ErrInvalidGroupID
	case err == nil && (r.SessionTimeoutMs < c.o.Config.MinSessionTimeoutMs || r.SessionTimeoutMs > c.o.Config.MaxSessionTimeoutMs):
		err = ErrInvalidSessionTimeout
	}
	if err != nil {
		r.Done(refusedJoin(r.MemberID, err))
		return
	}
	full := c.full()
	e := s.find(r.Group, r.MemberID == "" && !full)
	switch {
	case e != nil:
	case r.MemberID == "":
		r.Done(refusedJoin("", ErrNotAvailable))
		return
	default:
		r.Done(refusedJoin(r.MemberID, ErrUnknownMember))
		return
	}
	s.run(e, func(out *effects) {
		if full && e.joinGrows(r) {
			out.answerJoin(r.Done, refusedJoin(r.MemberID, ErrNotAvailable))
			return
		}
		e.joinGroup(r, c.o.NewMemberID, out)
	})
}

// Sync tells a member what it has to do (SyncGroup).
func (c *Coordinator) Sync(r *SyncRequest) {
	s, err := c.shardOf(r.Group)
	var e *entry
	switch {
	case r.Group == "":
		err = ErrInvalidGroupID
	case err == ErrLoading:
		// The rebalance is forgotten. The member joins anew, without looking for a coordinator first, and older clients
		// know no other error for it.
		err = ErrRebalanceInProgress
	case err == nil:
		if e = s.find(r.Group, false); e == nil {
			err = ErrUnknownMember
		}
	}
	if err != nil {
		r.Done(SyncAnswer{Err: err})
		return
	}
	s.run(e, func(out *effects) {
		if c.full() && e.syncGrows(r) {
			out.answerSync(r.Done, SyncAnswer{Err: ErrNotAvailable})
			return
		}
		e.syncGroup(r, out)
	})
}

// Heartbeat notes that a member lives (Heartbeat). While the group is read, all do.
func (c *Coordinator) Heartbeat(r *HeartbeatRequest) (err error) {
	s, err := c.shardOf(r.Group)
	switch {
	case r.Group == "":
		return ErrInvalidGroupID
	case err == ErrLoading:
		return nil
	case err != nil:
		return err
	}
	e := s.find(r.Group, false)
	if e == nil {
		return ErrUnknownMember
	}
	s.run(e, func(out *effects) { err = e.heartbeat(r, out) })
	return err
}

// Leave takes members out (LeaveGroup): an error for each, or one about all.
func (c *Coordinator) Leave(group string, leavers []Leaver) (errs []error, err error) {
	s, err := c.shardOf(group)
	switch {
	case group == "":
		return nil, ErrInvalidGroupID
	case err != nil:
		return nil, err
	}
	e := s.find(group, false)
	if e == nil {
		errs = make([]error, len(leavers))
		for i := range errs {
			errs[i] = ErrUnknownMember
		}
		return errs, nil
	}
	s.run(e, func(out *effects) { errs, err = e.leaveGroup(leavers, out) })
	return errs, err
}

// Commit keeps offsets (OffsetCommit). A group without an id is one too.
func (c *Coordinator) Commit(r *CommitRequest) {
	s, err := c.shardOf(r.Group)
	if err != nil {
		r.Done(err)
		return
	}
	e := s.find(r.Group, false)
	if e == nil && r.Generation >= 0 {
		r.Done(ErrUnknownGroup)
		return
	}
	if e == nil {
		if c.full() {
			r.Done(ErrNotAvailable)
			return
		}
		e = s.find(r.Group, true)
	}
	s.run(e, func(out *effects) {
		if c.full() && e.adds(r.Offsets) {
			out.answers = append(out.answers, func() { r.Done(ErrNotAvailable) })
			return
		}
		e.commitOffsets(r, out)
	})
}

// FetchOffsets gives a group's offsets (OffsetFetch): those asked for, -1 for what there is none of, or all for nil.
func (c *Coordinator) FetchOffsets(group string, asked []Partitions, stable bool) (list []CommittedOffset, err error) {
	s, err := c.shardOf(group)
	if err != nil {
		return nil, err
	}
	e := s.find(group, false)
	if e == nil {
		return newGroup(nil, group, 0).fetchOffsets(asked, stable), nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fetchOffsets(asked, stable), nil
}

// DeleteOffsets forgets a group's offsets (OffsetDelete): an error for each partition in order, or one about all.
func (c *Coordinator) DeleteOffsets(group string, asked []Partitions) (errs []error, err error) {
	s, err := c.shardOf(group)
	switch {
	case group == "":
		return nil, ErrInvalidGroupID
	case err != nil:
		return nil, err
	}
	e := s.find(group, false)
	if e == nil {
		return nil, ErrUnknownGroup
	}
	s.run(e, func(out *effects) { errs, err = e.deleteOffsets(asked, out) })
	return errs, err
}

// DeleteGroup forgets an empty group and its offsets (DeleteGroups).
func (c *Coordinator) DeleteGroup(group string) (err error) {
	s, err := c.shardOf(group)
	if err != nil {
		return err
	}
	e := s.find(group, false)
	if e == nil {
		return ErrUnknownGroup
	}
	s.run(e, func(out *effects) { err = e.deleteGroup(out) })
	return err
}

// DeletedPartitions forgets all offsets of partitions that are no more.
func (c *Coordinator) DeletedPartitions(partitions []Partitions) {
	c.eachGroup(func(s *shard, e *entry) {
		s.run(e, func(out *effects) { e.forgetDeleted(partitions, out) })
	})
}

// ExpireOffsets forgets what nobody has committed for too long. It is to be called every
// offsets.retention.check.interval.ms.
func (c *Coordinator) ExpireOffsets() {
	c.eachGroup(func(s *shard, e *entry) { s.run(e, e.expire) })
}

// eachGroup calls f for each group that is coordinated here.
func (c *Coordinator) eachGroup(f func(*shard, *entry)) {
	for _, s := range c.active() {
		for _, e := range s.all() {
			f(s, e)
		}
	}
}

// active lists the shards that are read.
func (c *Coordinator) active() (list []*shard) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range c.shards {
		if s.state.Load() == active {
			list = append(list, s)
		}
	}
	return list
}
