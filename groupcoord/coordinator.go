package groupcoord

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
)

// Coordinator coordinates the groups whose partition of __consumer_offsets this broker leads. All methods may be called
// from any goroutine. Requests for one group take effect in the order of the calls.
//
// Order of locks: placing, mu, shard.mu, entry.mu, topicIndex.mu, and then those of the Log that it appends to. Answers are given
// without locks.
type Coordinator struct {
	o          Options
	begun      time.Time    // ticks count from here
	bytes      atomic.Int64 // of memory that all groups take, as they count it
	saidFullMs atomic.Int64 // the tick of the last warning that groups take as much memory as they may

	reads      chan []byte // a buffer for each partition that may be read at the same time
	topics     topicIndex
	background sync.WaitGroup // of goroutines that write what no request waits for
	quit       chan struct{}  // closed when nothing more begins in the background

	placing    sync.Mutex
	unfinished []*move // guarded by placing; that could not be written

	mu      sync.RWMutex
	serving bool             // guarded by mu; Serve was called
	closing bool             // guarded by mu; Close was called
	shards  map[int32]*shard // guarded by mu; by partition; nil once it is closed
}

// New makes a coordinator without groups.
func New(o Options) *Coordinator {
	c := &Coordinator{o: o, begun: o.Now(), shards: map[int32]*shard{}, quit: make(chan struct{}), reads: make(chan []byte, maxReads),
		topics: topicIndex{groups: map[string]map[*entry]struct{}{}}}
	for range maxReads {
		c.reads <- nil
	}
	return c
}

// inBackground calls f on a goroutine that Close waits for, or reports that it is too late for that.
func (c *Coordinator) inBackground(f func()) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closing {
		return false
	}
	c.background.Go(f)
	return true
}

// event makes the effects of an event that happens now.
func (c *Coordinator) event() effects {
	now := c.o.Now()
	return effects{nowMs: now.UnixMilli(), tickMs: now.Sub(c.begun).Milliseconds() + 1}
}

// PartitionOf gives the partition of __consumer_offsets that a group's records belong in.
func (c *Coordinator) PartitionOf(group string) int32 {
	return PartitionOf(group, c.o.Config.Partitions())
}

// PartitionOf gives the partition that the records of a group, or of a transactional id, belong in, in a topic with so many partitions: the
// absolute value of Java's String.hashCode of its id, modulo the number. The one hash that has no absolute value counts as 0.
func PartitionOf(id string, partitions int32) int32 {
	var hash int32
	for _, r := range id {
		if r1, r2 := utf16.EncodeRune(r); r > 0xffff {
			hash = 31*(31*hash+r1) + r2
		} else {
			hash = 31*hash + r
		}
	}
	if hash = max(hash, -hash); hash < 0 {
		hash = 0
	}
	return hash % partitions
}

// errUnread says that the records of the group's partition cannot be read.
var errUnread = fmt.Errorf("%w: its records cannot be read", ErrNotAvailable)

// shardOf finds the shard of a group. The error says why the group is not served here, or not yet.
func (c *Coordinator) shardOf(group string) (*shard, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.shards == nil {
		return nil, ErrNotAvailable
	}
	s := c.shards[c.PartitionOf(group)]
	if s == nil {
		return nil, ErrNotCoordinator
	}
	switch s.state.Load() {
	case loading:
		return nil, ErrLoading
	case unavailable:
		return nil, errUnread
	}
	return s, nil
}

// unread reports whether a partition that this broker leads has not been read. It may have records of any group (place.go), so that
// nobody may be told meanwhile that something of a group does not exist. Who asks calls it before looking: what is read later is missing.
func (c *Coordinator) unread() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range c.shards {
		if state := s.state.Load(); state == loading || state == unavailable {
			return true
		}
	}
	return false
}

// full reports whether groups take as much memory as they may. It logs that once a minute.
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

// Join handles a JoinGroup request.
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

// Sync handles a SyncGroup request.
func (c *Coordinator) Sync(r *SyncRequest) {
	s, err := c.shardOf(r.Group)
	var e *entry
	switch {
	case r.Group == "":
		err = ErrInvalidGroupID
	case err == ErrLoading:
		// The rebalance that the member is in was lost. With this error the member joins again without looking for the coordinator
		// first, and older clients know no other error for that.
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

// Heartbeat handles a Heartbeat request. While the group is being read every heartbeat is accepted.
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

// Leave handles a LeaveGroup request: it gives an error for each member, or one about all of them.
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

// Commit handles an OffsetCommit request. An empty group id is valid.
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

// FetchOffsets handles an OffsetFetch request. It gives the offsets asked for, -1 for one that does not exist; nil asks for all that do.
// With stable it gives ErrUnstableOffset for one of which a commit is pending. A consumer that is told -1 begins at auto.offset.reset:
// as long as a partition that may have the offset cannot be read, the error is ErrLoading.
func (c *Coordinator) FetchOffsets(group string, asked []Partitions, stable bool) (list []CommittedOffset, err error) {
	s, err := c.shardOf(group)
	if err == errUnread {
		// Consumers of Kafka before 3.9 ask again after this error, and fail for their users after COORDINATOR_NOT_AVAILABLE.
		err = ErrLoading
	}
	if err != nil {
		return nil, err
	}
	unread := c.unread()
	if e := s.find(group, false); e == nil {
		list = newGroup(nil, group, 0).fetchOffsets(asked, stable)
	} else {
		e.mu.Lock()
		list = e.fetchOffsets(asked, stable)
		e.mu.Unlock()
	}
	if unread && (asked == nil || slices.ContainsFunc(list, CommittedOffset.missing)) {
		return nil, ErrLoading
	}
	return list, nil
}

// DeleteOffsets handles an OffsetDelete request: it gives an error for each partition in the order asked, or one about all of them.
func (c *Coordinator) DeleteOffsets(group string, asked []Partitions) (errs []error, err error) {
	s, err := c.shardOf(group)
	switch {
	case group == "":
		return nil, ErrInvalidGroupID
	case err != nil:
		return nil, err
	case c.unread(): // it would come back from there
		return nil, ErrLoading
	}
	e := s.find(group, false)
	if e == nil {
		return nil, ErrUnknownGroup
	}
	s.run(e, func(out *effects) {
		e.deleteOffsets(asked, out, func(each []error, all error) { errs, err = each, all })
	})
	return errs, err
}

// DeleteGroup removes an empty group and its offsets (DeleteGroups). If a tombstone cannot be written it gives the error, and the group
// keeps what has no tombstone.
func (c *Coordinator) DeleteGroup(group string) (err error) {
	s, err := c.shardOf(group)
	if err != nil {
		return err
	}
	if c.unread() { // it would come back from there
		return ErrLoading
	}
	e := s.find(group, false)
	if e == nil {
		return ErrUnknownGroup
	}
	s.run(e, func(out *effects) { e.deleteGroup(out, func(failed error) { err = failed }) })
	return err
}

// DeletedPartitions drops all offsets of partitions that were deleted. On return OffsetFetch does not give them any more. Their tombstones
// are written on another goroutine, since the caller is the controller's event loop and must not wait for the disk.
func (c *Coordinator) DeletedPartitions(partitions []Partitions) {
	c.mu.Lock()
	for _, s := range c.shards {
		if state := s.state.Load(); state == loading || state == unavailable {
			s.deleted = append(s.deleted, partitions...)
		}
	}
	c.mu.Unlock()
	c.forgetDeleted(partitions, func(*entry) bool { return true })
}

// forgetDeleted drops the offsets of deleted partitions of the groups that are served, as far as they are concerned.
func (c *Coordinator) forgetDeleted(partitions []Partitions, concerned func(*entry) bool) {
	found := c.topics.having(partitions)
	maps.DeleteFunc(found, func(e *entry, _ []Partitions) bool { return !concerned(e) })
	if len(found) == 0 {
		return
	}
	for e, of := range found {
		e.s.run(e, func(*effects) { e.forgetDeleted(of) })
	}
	pay := func() {
		for e := range found {
			e.s.run(e, func(out *effects) { e.payDeleted(out) })
		}
	}
	if !c.inBackground(pay) {
		pay()
	}
}

// ExpireOffsets removes the offsets that have expired, and tries again to write what could not be written before. The broker calls it
// every offsets.retention.check.interval.ms.
func (c *Coordinator) ExpireOffsets() {
	c.retryMoves()
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

// active lists the shards whose groups are served.
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
