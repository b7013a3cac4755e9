package replica

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// DelayedFetch is a fetch that waits until enough bytes have become readable in the partitions that it reads: a consumer's
// for bytes below the high watermark, a follower's for bytes in the log. What makes them enough completes it; nothing else does.
//
// The caller makes it, registers it with partitions (Watch or WatchEnd), and arms it (Arm). Until then an append may complete it
// without a call of fire, and Arm reports that.
//
// An append must not look at each of ten thousand delayed fetches that need more bytes than it brings. Therefore each
// partition counts new bytes for a fetch by itself, up to the fetch's share, and only then subtracts them from missing.
// While missing is larger than all shares together, the fetch cannot be satisfied unnoticed. Before missing becomes
// smaller than that, the share is lowered in all partitions (tighten), at last to 1.
//
// Order of locks: DelayedFetch.mu, then Partition.mu.
type DelayedFetch struct {
	missing    atomic.Int64 // bytes that are needed, minus those that partitions have subtracted
	share      atomic.Int64 // how many bytes a partition counts before it subtracts them; it is only lowered
	partitions int64        // how many partitions are watched at most
	state      atomic.Int32
	fire       func()
	next       *DelayedFetch // the one whose fire is called after this one's: see completions

	mu      sync.Mutex
	watches []watch // guarded by mu; its memory does not move, since purgatories point into it
	few     [1]watch
}

// watch is a delayed fetch in a purgatory of one partition.
type watch struct {
	fetch     *DelayedFetch
	partition *Partition
	in        *purgatory
	// Guarded by Partition.mu:
	counted int64 // the value of purgatory.bytes up to which bytes have been subtracted from missing
	due     int64 // the value of purgatory.bytes at which the next bytes are subtracted
	place   int   // index in purgatory.watches; -1 when it is not in there
}

// purgatory holds the fetches that wait in one partition for bytes of one kind. The partition's mu guards it.
type purgatory struct {
	bytes   int64 // how many came since the partition is here; some may count twice, none is left out
	watches watches
}

// The states of a DelayedFetch. A state only changes to a later one.
const (
	fetchMade = iota
	fetchArmed
	fetchCompleted
)

// NewDelayedFetch makes a fetch that waits for missing bytes (at least 1) in at most the given number of partitions. Once it is
// armed, it calls fire one time: when the bytes are readable, when a watched partition stops, or on Wake. fire runs on any goroutine and
// without locks, and must not block.
func NewDelayedFetch(missing int64, partitions int, fire func()) *DelayedFetch {
	f := &DelayedFetch{partitions: int64(max(partitions, 1)), fire: fire}
	if f.watches = f.few[:0]; partitions > len(f.few) {
		f.watches = make([]watch, 0, partitions)
	}
	f.missing.Store(missing)
	f.share.Store(f.shareOf(missing))
	return f
}

// shareOf gives the share of each partition for a number of missing bytes: all shares together are at most half of it.
func (f *DelayedFetch) shareOf(missing int64) int64 { return max(missing/(2*f.partitions), 1) }

// Arm allows fire to be called from now on. It reports false when the fetch was completed before: then fire
// is never called.
func (f *DelayedFetch) Arm() bool { return f.state.CompareAndSwap(fetchMade, fetchArmed) }

// Wake completes the fetch early.
func (f *DelayedFetch) Wake() {
	if f.complete() {
		f.fire()
	}
}

// complete reports whether fire is to be called.
func (f *DelayedFetch) complete() bool { return f.state.Swap(fetchCompleted) == fetchArmed }

// Watch registers a consumer's fetch with a partition, at most as often as NewDelayedFetch was told. It reports false when the partition's
// high watermark is no longer hw, or its leader epoch is no longer epoch, those that the caller has read with: then the caller reads again.
func (f *DelayedFetch) Watch(p *Partition, epoch int32, hw int64) bool {
	return f.watch(p, &p.committed, func() bool { return p.hw.Load() == hw && p.state.Load().servesIn(epoch) })
}

// WatchEnd registers a follower's fetch with a partition, like Watch. It reports false when the log end offset is past end, and with
// Options.TellHighWatermark when the high watermark is past hw.
func (f *DelayedFetch) WatchEnd(p *Partition, epoch int32, end, hw int64) bool {
	return f.watch(p, &p.written, func() bool {
		return p.end <= end && (p.hw.Load() <= hw || !p.manager.o.TellHighWatermark) && p.state.Load().servesIn(epoch)
	})
}

func (f *DelayedFetch) watch(p *Partition, in *purgatory, unmovedLocked func() bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches = append(f.watches, watch{fetch: f, partition: p, in: in})
	w := &f.watches[len(f.watches)-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	w.counted = in.bytes
	w.due = w.counted + f.share.Load()
	heap.Push(&in.watches, w)
	return unmovedLocked()
}

// Unwatch removes the fetch from all partitions that it was registered with.
func (f *DelayedFetch) Unwatch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.watches {
		w := &f.watches[i]
		w.partition.mu.Lock()
		if w.place >= 0 {
			heap.Remove(&w.in.watches, w.place)
		}
		w.partition.mu.Unlock()
	}
	f.watches = nil
}

// subtractLocked subtracts the partition's new bytes from the fetch's missing ones; the caller holds Partition.mu. satisfied says
// that none are missing any more. tight says that the share has just been lowered: the caller then calls tighten after
// it has released the lock.
func (w *watch) subtractLocked() (satisfied, tight bool) {
	f, bytes := w.fetch, w.in.bytes-w.counted
	w.counted = w.in.bytes
	left := f.missing.Add(-bytes)
	if left <= 0 {
		return true, false
	}
	share := f.share.Load()
	tight = share > 1 && left <= f.partitions*(share-1) && f.share.CompareAndSwap(share, f.shareOf(left))
	w.due = w.counted + f.share.Load()
	return false, tight
}

// tighten makes every partition count by the fetch's share, which was lowered. It reports whether fire is to be called.
//
// Bytes that arrive in a partition before tighten has reached it are subtracted when it does; bytes that arrive later
// are counted by the new share. So none are overlooked.
func (f *DelayedFetch) tighten() (fire bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for again := true; again; {
		again = false
		for i := range f.watches {
			satisfied, tight := f.watches[i].recount()
			if satisfied {
				return f.complete()
			}
			again = again || tight
		}
	}
	return false
}

// recount is subtractLocked for a watch that may have left the purgatory.
func (w *watch) recount() (satisfied, tight bool) {
	p := w.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place < 0 { // the fetch was completed, or the partition stopped
		return false, false
	}
	satisfied, tight = w.subtractLocked()
	heap.Fix(&w.in.watches, w.place)
	return satisfied, tight
}

// completeLocked subtracts what is due, and notes the fetches whose fire is to be called, and those to tighten. The caller holds
// Partition.mu.
func (in *purgatory) completeLocked(c *completions) {
	for len(in.watches) > 0 && in.watches[0].due <= in.bytes {
		w := in.watches[0]
		satisfied, lowered := w.subtractLocked()
		if !satisfied {
			heap.Fix(&in.watches, 0)
			if lowered {
				c.tight = append(c.tight, w.fetch)
			}
			continue
		}
		heap.Pop(&in.watches)
		if w.fetch.complete() {
			c.fetch(w.fetch)
		}
	}
}

// wakeLocked completes all fetches of a partition that is not what they have read any more.
func (in *purgatory) wakeLocked(c *completions) {
	for _, w := range in.watches {
		w.place = -1
		if w.fetch.complete() {
			c.fetch(w.fetch)
		}
	}
	in.watches = nil
}
