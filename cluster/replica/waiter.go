package replica

import "sync/atomic"

// Waiter is a fetch that waits for more to read in any of several partitions.
// It is woken once, by the append that brings what it still needs, and by no
// other.
type Waiter struct {
	missing atomic.Int64
	fired   atomic.Bool
	fire    func()
}

// NewWaiter makes a waiter that calls fire, on any goroutine, once missing
// bytes have become readable or a partition it watches stops. fire must not block.
func NewWaiter(missing int64, fire func()) *Waiter {
	w := &Waiter{fire: fire}
	w.missing.Store(missing)
	return w
}

func (w *Waiter) more(n int64) {
	if w.missing.Add(-n) <= 0 {
		w.wake()
	}
}

func (w *Waiter) wake() {
	if !w.fired.Swap(true) {
		w.fire()
	}
}

// Watch makes w wait for the partition too. It reports false when the
// partition no longer stands at high watermark hw, where the caller has read
// it: then there is something new already.
func (p *Partition) Watch(w *Waiter, hw int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fetches == nil {
		p.fetches = make(map[*Waiter]struct{})
	}
	p.fetches[w] = struct{}{}
	return p.stopped == nil && p.hw.Load() == hw
}

// Unwatch ends what Watch began.
func (p *Partition) Unwatch(w *Waiter) {
	p.mu.Lock()
	delete(p.fetches, w)
	p.mu.Unlock()
}
