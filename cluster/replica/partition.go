package replica

import (
	"errors"
	"sync"
	"sync/atomic"

	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol"
)

// Partition is one partition that this broker has a replica of. All methods may be called
// from any goroutine.
//
// The high watermark is the offset up to which consumers may read. The leader moves it to where all replicas in sync are
// (watermark.go), and the followers learn it from the leader (follower.go). Of its own log the leader counts what was appended, except
// for records that have to be on the disk first (flush.messages): those count when their sync is done, and everything that is
// appended meanwhile waits for a later sync.
//
// Order of locks: changing, fence, following, mu, then the log's own, FollowerSession.mu and those of the Manager's queue of alterations. Callbacks
// run without fence and mu.
type Partition struct {
	tp      protocol.TopicPartition
	log     *logstore.Log
	store   *logstore.Store
	manager *Manager
	counts  *observe.Topic // what clients do with the topic; nil where nobody observes

	config atomic.Pointer[Config]
	state  atomic.Pointer[State] // replaced under mu, and another role or leader epoch under fence as well
	hw     atomic.Int64          // the high watermark; changed under mu only, read without
	// leaderHW is the leader's high watermark, while this broker follows; for metrics.
	leaderHW atomic.Int64
	own      atomic.Int64 // how far the leader's own log counts; changed under mu only, read without

	// configuring is held while the log and config get the topic's newest configuration.
	configuring sync.Mutex
	// changing is held from before a change of role until those know it who are told of it, so that they learn of changes in order.
	changing sync.Mutex
	// fence is held shared while records are written, and exclusively while the role or the leader epoch changes. So no record of an
	// old role is written after the change, in the new epoch or in its own.
	fence sync.RWMutex
	// following is held while a fetcher changes the log, so that a truncation does not come between the check of an append and its write.
	following sync.Mutex

	mu        sync.Mutex
	end       int64              // guarded by mu; the log end offset after the last append
	syncing   bool               // guarded by mu; a goroutine is flushing the log
	syncDue   bool               // guarded by mu; records that were appended since that flush began need another one
	unread    unread             // guarded by mu; the sizes of what is past the high watermark
	remotes   []remote           // guarded by mu; the other replicas, while this broker leads
	asked     *alteration        // guarded by mu; what the controller was asked for, nil for nothing
	commits   delayedProduces    // guarded by mu; appends that wait for the high watermark
	syncs     delayedProduces    // guarded by mu; appends that wait for own
	expiry    expiry             // guarded by mu; when an append has waited for too long
	deletions []*delayedDeletion // guarded by mu; deletions of records that wait for the followers
	appends   observe.Progress   // guarded by mu; when this leader appended what
	committed purgatory          // guarded by mu; fetches that wait for bytes below the high watermark
	written   purgatory          // guarded by mu; fetches that wait for bytes in the log
}

// newPartition makes a partition with its log, in which nobody has said yet who leads. The high watermark is what the log's checkpoint
// says.
func (m *Manager) newPartition(tp protocol.TopicPartition, id protocol.UUID, log *logstore.Log) *Partition {
	p := &Partition{tp: tp, log: log, store: m.store, manager: m, end: log.EndOffset()}
	p.hw.Store(log.HighWatermark())
	log.NotifyStart(p.startMoved)
	p.state.Store(&State{TopicID: id, Leader: -1, LeaderEpoch: -1, since: -1, refusal: &NotLeaderError{tp}})
	return p
}

// TopicPartition gives the topic's name and the partition's number.
func (p *Partition) TopicPartition() protocol.TopicPartition { return p.tp }

// TopicID gives the id of the topic that the partition belongs to.
func (p *Partition) TopicID() protocol.UUID { return p.state.Load().TopicID }

// Log gives the partition's log, for what needs no leadership: offsets, times, sizes.
func (p *Partition) Log() *logstore.Log { return p.log }

// TopicCounts counts what clients do with the partition's topic; nil where nobody observes.
func (p *Partition) TopicCounts() *observe.Topic { return p.counts }

// Config gives the partition's configuration at this moment.
func (p *Partition) Config() *Config { return p.config.Load() }

// State gives what this broker is in the partition. The call is cheap, and what it gives never changes.
func (p *Partition) State() *State { return p.state.Load() }

// LeaderEpoch gives the leader epoch that this broker has learned of last, -1 before the first.
func (p *Partition) LeaderEpoch() int32 { return p.state.Load().LeaderEpoch }

// Leading is nil if this broker leads the partition: see State.Leading.
func (p *Partition) Leading() error { return p.state.Load().Leading() }

// HighWatermark gives the offset up to which consumers may read, exclusive.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// CatchingUp says whether this leader does not know yet that all records of earlier leader epochs are committed (KIP-207). Its high
// watermark may be below one that an earlier leader told clients.
func (p *Partition) CatchingUp() bool {
	s := p.state.Load()
	return s.Role == Leader && s.EpochStart > p.hw.Load()
}

// LastStableOffset gives the offset up to which read_committed consumers may read,
// exclusive: the high watermark as long as there are no transactions.
func (p *Partition) LastStableOffset() int64 { return p.hw.Load() }

// Bounds are offsets of a partition that go together: each is at most the next.
type Bounds struct{ LogStart, LastStable, HighWatermark, LogEnd int64 }

// Bounds gives the partition's offsets. An answer to a follower has to be made of these: with a log start past the high watermark Apache
// Kafka's broker would stop to follow.
func (p *Partition) Bounds() (b Bounds) {
	b.LogStart = p.log.StartOffset() // first, since it never passes the high watermark, and both only grow
	b.LastStable = p.LastStableOffset()
	b.HighWatermark = p.hw.Load()
	b.LogEnd = p.log.EndOffset()
	return b
}

// CheckEpoch compares the leader epoch that a client knows with that of one of the partition's states; -1 is any.
// The error is an *EpochError.
func (p *Partition) CheckEpoch(s *State, requested int32) error {
	if requested >= 0 && requested != s.LeaderEpoch {
		return &EpochError{Partition: p.tp, Requested: requested, Current: s.LeaderEpoch}
	}
	return nil
}

// CheckReplica says whether a broker may fetch as a follower, by one of the partition's states. The error is an *UnknownReplicaError if it is
// none of the replicas.
func (p *Partition) CheckReplica(s *State, id int32) error {
	if !s.HasReplica(id) {
		return &UnknownReplicaError{Partition: p.tp, Replica: id}
	}
	return nil
}

// Append stores one validated batch, the only element of batches. It writes the offsets into
// the batch's Data and sets its Result. nowMs is the time of the
// append in ms since 1970. The batch is not committed yet on return: see AwaitCommit, which needs the leader epoch that Append gives.
//
// With acks -1 a *NotEnoughReplicasError refuses the batch if too few replicas are in sync.
func (p *Partition) Append(batches []logstore.Append, acks int16, nowMs int64) (leaderEpoch int32, err error) {
	p.fence.RLock()
	s := p.state.Load()
	if err := p.refuses(s, acks); err != nil {
		p.fence.RUnlock()
		return s.LeaderEpoch, err
	}
	p.log.Append(batches, s.LeaderEpoch, nowMs)
	p.fence.RUnlock()
	res := &batches[0].Result
	if res.Err != nil {
		p.store.ReportFailure(p.tp, res.Err)
		return s.LeaderEpoch, p.Certain(res.Err)
	}
	if !res.Duplicate {
		p.appended(s.LeaderEpoch, res.BaseOffset, res.LastOffset+1, nowMs, int64(res.Size), p.log.FlushWanted())
	}
	return s.LeaderEpoch, nil
}

// refuses says why a batch is not taken.
func (p *Partition) refuses(s *State, acks int16) error {
	if s.refusal != nil {
		return s.refusal
	}
	if acks == -1 {
		if required := s.minISR(p.config.Load()); len(s.ISR) < required {
			return &NotEnoughReplicasError{Partition: p.tp, InSync: s.ISR, Required: required}
		}
	}
	return nil
}

// appended takes in that size bytes were appended in a leader epoch at a time, from base on, with which the log ends at end. It moves the high watermark as
// far as the other replicas allow, or starts the flush that has to come before.
func (p *Partition) appended(leaderEpoch int32, base, end, nowMs, size int64, flushDue bool) {
	var c completions
	p.mu.Lock()
	s := p.state.Load()
	if !s.ledSince(leaderEpoch) { // the change of role has counted the records
		p.mu.Unlock()
		return
	}
	if base >= p.end { // two appends may come here in another order
		p.appends.Add(base, nowMs)
	}
	p.end = max(p.end, end)
	if flushDue {
		p.syncDue = true
		p.startSyncLocked(s)
	}
	if !p.syncing {
		p.own.Store(p.end)
		p.advanceLocked(&c)
	}
	p.writtenLocked(&c, end, size)
	p.mu.Unlock()
	c.run()
}

// writtenLocked counts bytes that were appended for the fetches that wait for them: those that lie above the high watermark for when it moves.
func (p *Partition) writtenLocked(c *completions, end, size int64) {
	for i := range p.remotes {
		p.remotes[i].unsettle()
	}
	p.noteLocked(c, size, false)
	p.written.bytes += size
	p.written.completeLocked(c)
	if hw := p.hw.Load(); end > hw {
		p.unread.add(hw, end, size)
		return
	}
	p.committed.bytes += size
	p.committed.completeLocked(c)
}

// Waiting counts the fetches and the appends that wait in the partition.
func (p *Partition) Waiting() (fetches, produces int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.committed.watches) + len(p.written.watches), len(p.commits) + len(p.syncs)
}

// Certain gives an error of the log as a client may be told of it. That records are missing which the client has written or read is true only of a leader
// that leads still; one that may be deposed may lack what its successor has, and its client gives up, or reads from elsewhere. It says then that it does
// not lead, so that the client asks again. Apache's broker gives the error all the same.
func (p *Partition) Certain(err error) error {
	var offset *logstore.OffsetOutOfRangeError
	beyond := errors.As(err, &offset) && offset.Requested > offset.End
	if (beyond || errors.Is(err, logstore.ErrOutOfOrderSequence)) && len(p.state.Load().Replicas) > 1 && p.manager.o.MayBeDeposed() {
		return &NotLeaderError{p.tp}
	}
	return err
}

// ReadFailed reports an error of reading the log. An error of the disk takes the log directory offline.
func (p *Partition) ReadFailed(err error) { p.store.ReportFailure(p.tp, err) }
