package transport

import "sync"

// byteBudget bounds the bytes of the requests that the broker reads or handles, over all
// connections (queued.max.request.bytes). As Apache Kafka's SimpleMemoryPool does, it lets
// a request of any size in as soon as a byte is left. So one request at most exceeds the
// bound, and a large request does not wait behind small ones for ever.
type byteBudget struct {
	unbounded bool
	total     int64

	mu   sync.Mutex
	left int64         // guarded by mu; below 0 when the last request was larger than what was left
	more chan struct{} // guarded by mu; closed when left becomes positive
}

// newByteBudget makes a budget; 0 or less means no bound.
func newByteBudget(bytes int64) *byteBudget {
	return &byteBudget{unbounded: bytes <= 0, total: bytes, left: bytes, more: make(chan struct{})}
}

// take waits until a byte is left, and takes n bytes. If it has to wait, it first calls
// held. If quit is closed first, it takes nothing and reports false.
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

// giveBack gives back n bytes that take took.
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
