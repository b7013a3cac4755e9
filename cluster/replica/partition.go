package replica

import (
	"sync"
	"sync/atomic"

	"klamm/logstore"
	"klamm/protocol"
)

// Partition is one partition that this broker leads. All methods may be called
// from any goroutine.
//
// The high watermark is what consumers may read up to. With this broker as the
// only in-sync replica it follows the log's end, but for records that have to
// be on the disk before they count (flush.messages): then it moves when their
// sync is done, and everything appended meanwhile waits for a later one.
//
// Order of locks: mu, then the log's own. Callbacks run without mu.
type Partition struct {
	tp    protocol.TopicPartition
	id    protocol.UUID
	log   *logstore.Log
	store *logstore.Store

	config      atomic.Pointer[Config]
	leaderEpoch atomic.Int32
	hw          atomic.Int64 // moves under mu only, is read without

	mu       sync.Mutex
	stopped  error                // guarded by mu; why the partition serves nobody any more
	end      int64                // guarded by mu; the end of what has been appended here
	syncing  bool                 // guarded by mu; a goroutine is flushing the log
	syncDue  bool                 // guarded by mu; something appended since the flush began needs one too
	unsynced int64                // guarded by mu; bytes appended behind the high watermark
	commits  []commit             // guarded by mu; who waits for the high watermark
	fetches  map[*Waiter]struct{} // guarded by mu; who waits for more to read
}

// commit waits for the high watermark to pass an offset.
type commit struct {
	offset int64 // the first high watermark that will do
	done   func(error)
}

// Topic and partition, and the topic's id.
func (p *Partition) TopicPartition() protocol.TopicPartition { return p.tp }

// TopicID is the id of the topic that the partition belongs to.
func (p *Partition) TopicID() protocol.UUID { return p.id }

// Log is the partition's log, for what needs no leadership: offsets, times, sizes.
func (p *Partition) Log() *logstore.Log { return p.log }

// Config is the partition's configuration as it stands now.
func (p *Partition) Config() *Config { return p.config.Load() }

// LeaderEpoch is the epoch that this broker leads the partition in.
func (p *Partition) LeaderEpoch() int32 { return p.leaderEpoch.Load() }

// HighWatermark is the offset that consumers may read up to, exclusive.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// LastStableOffset is the offset that read_committed consumers may read up to,
// exclusive: the high watermark as long as there are no transactions.
func (p *Partition) LastStableOffset() int64 { return p.hw.Load() }

// CheckEpoch compares the epoch that a client believes in with ours; -1 is any.
// The error is an *EpochError.
func (p *Partition) CheckEpoch(requested int32) error {
	if current := p.LeaderEpoch(); requested >= 0 && requested != current {
		return &EpochError{Partition: p.tp, Requested: requested, Current: current}
	}
	return nil
}

// Append stores one validated batch, the only element of batches, in whose Data
// the offsets are written and whose Result is set. nowMs is the time of the
// append in ms since 1970. What is stored is not committed yet: see AwaitCommit.
func (p *Partition) Append(batches []logstore.Append, nowMs int64) error {
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	if stopped != nil {
		return stopped
	}
	p.log.Append(batches, p.LeaderEpoch(), nowMs)
	res := &batches[0].Result
	if res.Err != nil {
		p.store.ReportFailure(p.tp, res.Err)
		return res.Err
	}
	if !res.Duplicate {
		p.appended(res.LastOffset+1, int64(res.Size), p.log.FlushWanted())
	}
	return nil
}

// appended moves the high watermark behind what has just been appended, or
// sees to it that a flush does.
func (p *Partition) appended(end, size int64, flushDue bool) {
	p.mu.Lock()
	p.end = max(p.end, end)
	p.unsynced += size
	if flushDue {
		p.syncDue = true
		if !p.syncing {
			p.syncing = true
			go p.sync()
		}
	}
	if p.syncing {
		p.mu.Unlock()
		return
	}
	p.advanceUnlock(p.end, nil)
}

// advanceUnlock sets the high watermark, gives up mu and calls whom that
// concerns. With err the partition's commits fail instead.
func (p *Partition) advanceUnlock(hw int64, err error) {
	var done []commit
	var few [4]*Waiter
	woken := few[:0]
	if err != nil {
		done, p.commits = p.commits, nil
	} else if hw > p.hw.Load() {
		p.hw.Store(hw)
		p.log.SetHighWatermark(hw)
		for w := range p.fetches {
			if w.more(p.unsynced) {
				woken = append(woken, w)
			}
		}
		p.unsynced = 0
		kept := p.commits[:0]
		for _, c := range p.commits {
			if c.offset <= hw {
				done = append(done, c)
			} else {
				kept = append(kept, c)
			}
		}
		clear(p.commits[len(kept):])
		p.commits = kept
	}
	p.mu.Unlock()
	for _, c := range done {
		c.done(err)
	}
	fireAll(woken)
}

// sync flushes the log until nothing that needs it is left, and moves the high
// watermark after each flush. Producers that came during a flush share the next.
func (p *Partition) sync() {
	for {
		p.mu.Lock()
		upTo := p.end
		p.syncDue = false
		p.mu.Unlock()
		err := p.log.Flush(upTo)
		p.store.ReportFailure(p.tp, err)
		p.mu.Lock()
		if err == nil && !p.syncDue {
			// What came since needs no flush of its own.
			upTo = p.end
		}
		again := p.syncDue && err == nil
		p.syncing = again
		p.advanceUnlock(upTo, err)
		if !again {
			return
		}
	}
}

// ReadFailed is told of an error of reading the log: one of the disk takes its directory offline.
func (p *Partition) ReadFailed(err error) { p.store.ReportFailure(p.tp, err) }

// AwaitCommit reports whether everything below offset is committed already. If
// not, done is called once it is, or once it is known that it will not be, on
// any goroutine; it must not block.
func (p *Partition) AwaitCommit(offset int64, done func(error)) bool {
	if p.hw.Load() >= offset {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hw.Load() >= offset {
		return true
	}
	if p.stopped != nil {
		go done(p.stopped)
		return false
	}
	p.commits = append(p.commits, commit{offset, done})
	if !p.syncing { // the flush that should have committed it failed: perhaps another one does not
		p.syncDue, p.syncing = true, true
		go p.sync()
	}
	return false
}

// stop ends the partition's service: whoever waits is told why.
func (p *Partition) stop(why error) {
	p.mu.Lock()
	p.stopped = why
	var woken []*Waiter
	for w := range p.fetches {
		if w.wake() {
			woken = append(woken, w)
		}
	}
	p.advanceUnlock(0, why)
	fireAll(woken)
}
