package transport

import "sync"

// byteBudget bounds the bytes of the requests that are being read or served,
// over all connections (queued.max.request.bytes). As with the reference's
// SimpleMemoryPool, a request is let in as soon as anything is left, however
// large it is: the bound is exceeded by one request at most, and a large one
// does not wait behind small ones for ever.
type byteBudget struct {
	unbounded bool

	mu   sync.Mutex
	left int64         // guarded by mu; below 0 when the last one was larger than the rest
	more chan struct{} // guarded by mu; closed when left becomes positive
}

// newByteBudget makes a budget; 0 and less stand for no bound.
func newByteBudget(bytes int64) *byteBudget {
	return &byteBudget{unbounded: bytes <= 0, left: bytes, more: make(chan struct{})}
}

// take waits until something is left and takes n bytes; held is called if it has
// to wait. It reports false, and takes nothing, if quit ends first.
func (b *byteBudget) take(n int64, quit <-chan struct{}, held func()) bool {
	if b.unbounded {
		return true
	}
	for first := true; ; first = false {
		b.mu.Lock()
		if b.left > 0 {
			b.left -= n
			b.mu.Unlock()
			return true
		}
		more := b.more
		b.mu.Unlock()
		if first {
			held()
		}
		select {
		case <-more:
		case <-quit:
			return false
		}
	}
}

// giveBack returns n bytes that were taken.
func (b *byteBudget) giveBack(n int64) {
	if b.unbounded || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	empty := b.left <= 0
	b.left += n
	if empty && b.left > 0 {
		close(b.more)
		b.more = make(chan struct{})
	}
}
