package replica

import "sync/atomic"

// Waiter is a fetch that waits for more to read in any of several partitions.
// It is woken once, by the append that brings what it still needs, and by no
// other.
//
// Who makes one has it watch partitions and then arms it. Until then it may be woken, but fire is
// not called, and the fetch is still its maker's.
type Waiter struct {
	missing atomic.Int64
	state   atomic.Int32
	fire    func()
}

// The states of a Waiter; they only go up.
const (
	waiterSet = iota
	waiterArmed
	waiterWoken
)

// NewWaiter makes a waiter that calls fire, on any goroutine and without locks, once it is armed and
// missing bytes have become readable or a partition that it watches stops. fire must not block.
func NewWaiter(missing int64, fire func()) *Waiter {
	w := &Waiter{fire: fire}
	w.missing.Store(missing)
	return w
}

// Arm has fire called from now on. It reports false when w was woken before: then fire
// is never called.
func (w *Waiter) Arm() bool { return w.state.CompareAndSwap(waiterSet, waiterArmed) }

// Wake ends the wait early.
func (w *Waiter) Wake() {
	if w.wake() {
		w.fire()
	}
}

// wake reports whether fire is to be called.
func (w *Waiter) wake() bool { return w.state.Swap(waiterWoken) == waiterArmed }

// more is wake once there is enough.
func (w *Waiter) more(n int64) bool { return w.missing.Add(-n) <= 0 && w.wake() }

// fireAll calls whom wake reported. The last is served by the caller, who wakes no other
// thread for it where it is the only one, as it mostly is.
func fireAll(woken []*Waiter) {
	for i, w := range woken {
		if i < len(woken)-1 {
			go w.fire()
		} else {
			w.fire()
		}
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
