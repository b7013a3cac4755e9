package replica

import (
	"container/heap"
	"sync"
	"sync/atomic"

	"klamm/logstore"
	"klamm/protocol"
)

// Partition is one partition that this broker leads. All methods may be called
// from any goroutine.
//
// The high watermark is the offset up to which consumers may read. With this broker as the
// only in-sync replica it follows the log end offset, except for records that have to
// be on the disk before they count (flush.messages): then it moves when their
// sync is done, and everything that is appended meanwhile waits for a later sync.
//
// Order of locks: mu, then the log's own. Callbacks run without mu.
type Partition struct {
	tp    protocol.TopicPartition
	id    protocol.UUID
	log   *logstore.Log
	store *logstore.Store

	config      atomic.Pointer[Config]
	leaderEpoch atomic.Int32
	hw          atomic.Int64 // the high watermark; changed under mu only, read without

	mu       sync.Mutex
	stopped  error           // guarded by mu; why the partition is no longer served, nil while it is
	end      int64           // guarded by mu; the log end offset after the last append
	syncing  bool            // guarded by mu; a goroutine is flushing the log
	syncDue  bool            // guarded by mu; records that were appended since that flush began need another one
	unsynced int64           // guarded by mu; bytes that were appended and are not in readable yet
	readable int64           // guarded by mu; bytes that came below the high watermark since the partition is led
	produces delayedProduces // guarded by mu; appends that wait for the high watermark
	fetches  watches         // guarded by mu; fetches that wait for more bytes
}

// delayedProduce waits until the high watermark reaches an offset.
type delayedProduce struct {
	offset int64
	done   func(error)
}

// TopicPartition gives the topic's name and the partition's number.
func (p *Partition) TopicPartition() protocol.TopicPartition { return p.tp }

// TopicID gives the id of the topic that the partition belongs to.
func (p *Partition) TopicID() protocol.UUID { return p.id }

// Log gives the partition's log, for what needs no leadership: offsets, times, sizes.
func (p *Partition) Log() *logstore.Log { return p.log }

// Config gives the partition's configuration at this moment.
func (p *Partition) Config() *Config { return p.config.Load() }

// LeaderEpoch gives the epoch in which this broker leads the partition.
func (p *Partition) LeaderEpoch() int32 { return p.leaderEpoch.Load() }

// HighWatermark gives the offset up to which consumers may read, exclusive.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// LastStableOffset gives the offset up to which read_committed consumers may read,
// exclusive: the high watermark as long as there are no transactions.
func (p *Partition) LastStableOffset() int64 { return p.hw.Load() }

// CheckEpoch compares the leader epoch that a client knows with the partition's; -1 is any.
// The error is an *EpochError.
func (p *Partition) CheckEpoch(requested int32) error {
	if current := p.LeaderEpoch(); requested >= 0 && requested != current {
		return &EpochError{Partition: p.tp, Requested: requested, Current: current}
	}
	return nil
}

// Append stores one validated batch, the only element of batches. It writes the offsets into
// the batch's Data and sets its Result. nowMs is the time of the
// append in ms since 1970. The batch is not committed yet on return: see AwaitCommit.
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

// appended moves the high watermark to end, the log end offset after an append of size bytes, or
// starts the flush that does.
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
	p.advanceUnlock(p.end, p.unsynced, nil)
}

// advanceUnlock sets the high watermark, below which bytes more are readable now, releases mu, and completes the produce requests
// and fetches that waited for it. With err the waiting produce requests fail instead.
//
// The high watermark may be there already: of two appends the later one may come first.
func (p *Partition) advanceUnlock(hw, bytes int64, err error) {
	var done []*delayedProduce
	var few [4]*DelayedFetch
	fire, tight := few[:0], []*DelayedFetch(nil)
	if err != nil {
		done, p.produces = p.produces, nil
	} else if was := p.hw.Load(); hw >= was {
		if hw > was {
			p.hw.Store(hw)
			p.log.SetHighWatermark(hw)
		}
		p.readable += bytes
		p.unsynced -= bytes
		fire, tight = p.completeFetchesLocked(fire, tight)
		for len(p.produces) > 0 && p.produces[0].offset <= hw {
			done = append(done, heap.Pop(&p.produces).(*delayedProduce))
		}
	}
	p.mu.Unlock()
	for _, d := range done {
		d.done(err)
	}
	for _, f := range tight {
		if f.tighten() {
			fire = append(fire, f)
		}
	}
	fireAll(fire)
}

// sync flushes the log until no record needs a flush, and moves the high
// watermark after each flush. Appends that came during a flush share the next one.
func (p *Partition) sync() {
	for {
		p.mu.Lock()
		upTo, bytes := p.end, p.unsynced
		p.syncDue = false
		p.mu.Unlock()
		err := p.log.Flush(upTo)
		p.store.ReportFailure(p.tp, err)
		p.mu.Lock()
		if err == nil && !p.syncDue {
			// The records that were appended during the flush need none of their own.
			upTo, bytes = p.end, p.unsynced
		}
		again := p.syncDue && err == nil
		p.syncing = again
		p.advanceUnlock(upTo, bytes, err)
		if !again {
			return
		}
	}
}

// ReadFailed reports an error of reading the log. An error of the disk takes the log directory offline.
func (p *Partition) ReadFailed(err error) { p.store.ReportFailure(p.tp, err) }

// AwaitCommit reports whether everything below offset is committed already. If
// not, it calls done once it is, or with an error once that has become impossible. done runs on
// any goroutine and must not block.
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
	heap.Push(&p.produces, &delayedProduce{offset, done})
	if !p.syncing { // the flush that should have committed it failed; another one may succeed
		p.syncDue, p.syncing = true, true
		go p.sync()
	}
	return false
}

// stop ends the partition's service. Produce requests that wait fail with why, and fetches are answered.
func (p *Partition) stop(why error) {
	p.mu.Lock()
	p.stopped = why
	fire := p.stopFetchesLocked()
	p.advanceUnlock(0, 0, why)
	fireAll(fire)
}
