package replica

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// DelayedFetch is a fetch that waits until enough bytes have become readable in the partitions that it reads.
// The append that makes them enough completes it; no other append does.
//
// The caller makes it, registers it with partitions (Watch), and arms it (Arm). Until then an append may complete it
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

	mu      sync.Mutex
	watches []*watch // guarded by mu
	// one and few hold the first watch, so that a fetch of one partition allocates once.
	one watch
	few [1]*watch
}

// watch is a delayed fetch in the purgatory of one partition.
type watch struct {
	fetch     *DelayedFetch
	partition *Partition
	// Guarded by Partition.mu:
	counted int64 // the value of Partition.readable up to which bytes have been subtracted from missing
	due     int64 // the value of Partition.readable at which the next bytes are subtracted
	place   int   // index in Partition.fetches; -1 when it is not in there
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
		f.watches = make([]*watch, 0, partitions)
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

// Watch registers the fetch with a partition. It reports false when the
// partition's high watermark is no longer hw, the one that the caller has read up to,
// or the partition has stopped: then the caller reads again.
func (f *DelayedFetch) Watch(p *Partition, hw int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &f.one
	if len(f.watches) > 0 {
		w = new(watch)
	}
	w.fetch, w.partition = f, p
	f.watches = append(f.watches, w)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.counted = p.readable
	w.due = w.counted + f.share.Load()
	heap.Push(&p.fetches, w)
	return p.stopped == nil && p.hw.Load() == hw
}

// Unwatch removes the fetch from all partitions that it was registered with.
func (f *DelayedFetch) Unwatch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.watches {
		w.partition.mu.Lock()
		if w.place >= 0 {
			heap.Remove(&w.partition.fetches, w.place)
		}
		w.partition.mu.Unlock()
	}
	f.watches = nil
}

// subtractLocked subtracts the partition's new bytes from the fetch's missing ones; the caller holds Partition.mu. satisfied says
// that none are missing any more. tight says that the share has just been lowered: the caller then calls tighten after
// it has released the lock.
func (w *watch) subtractLocked() (satisfied, tight bool) {
	f, bytes := w.fetch, w.partition.readable-w.counted
	w.counted = w.partition.readable
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
		for _, w := range f.watches {
			satisfied, tight := w.recount()
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
	heap.Fix(&p.fetches, w.place)
	return satisfied, tight
}

// completeFetchesLocked subtracts what is due, and appends the fetches whose fire is to be called to fire, and those to tighten to tight. The
// caller holds mu.
func (p *Partition) completeFetchesLocked(fire, tight []*DelayedFetch) (_, _ []*DelayedFetch) {
	for len(p.fetches) > 0 && p.fetches[0].due <= p.readable {
		w := p.fetches[0]
		satisfied, lowered := w.subtractLocked()
		if !satisfied {
			heap.Fix(&p.fetches, 0)
			if lowered {
				tight = append(tight, w.fetch)
			}
			continue
		}
		heap.Pop(&p.fetches)
		if w.fetch.complete() {
			fire = append(fire, w.fetch)
		}
	}
	return fire, tight
}

// stopFetchesLocked completes all fetches of a partition that stops, and gives those whose fire is to be called.
func (p *Partition) stopFetchesLocked() (fire []*DelayedFetch) {
	for _, w := range p.fetches {
		w.place = -1
		if w.fetch.complete() {
			fire = append(fire, w.fetch)
		}
	}
	p.fetches = nil
	return fire
}

// fireAll calls fire of each fetch. The caller's goroutine serves the last one: mostly it is the only one, and no other thread
// has to be woken for it.
func fireAll(fetches []*DelayedFetch) {
	for i, f := range fetches {
		if i < len(fetches)-1 {
			go f.fire()
		} else {
			f.fire()
		}
	}
}
