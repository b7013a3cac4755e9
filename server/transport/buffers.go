package transport

import "sync"

// encodeBytes is the smallest size of a new buffer for answers, in bytes. The pool does not
// keep a buffer larger than maxPooled bytes.
const (
	encodeBytes = 4 << 10
	maxPooled   = 1 << 20
)

// buffers is a pool of the buffers that answers are encoded into. The zero value is ready.
// Any goroutine may use it.
type buffers struct {
	// encode holds free buffers, as pointers to slices. slices holds the pointers whose
	// buffers are in use, so that put allocates nothing.
	encode, slices sync.Pool
}

// get gives an empty buffer with room for n bytes.
func (p *buffers) get(n int) []byte {
	s, _ := p.encode.Get().(*[]byte)
	if s == nil {
		return make([]byte, 0, max(n, encodeBytes))
	}
	b := *s
	*s = nil
	p.slices.Put(s)
	if cap(b) < n {
		b = make([]byte, 0, n)
	}
	return b[:0]
}

// put gives a buffer back. Nobody may use the buffer afterwards.
func (p *buffers) put(b []byte) {
	if cap(b) == 0 || cap(b) > maxPooled {
		return
	}
	s, _ := p.slices.Get().(*[]byte)
	if s == nil {
		s = new([]byte)
	}
	*s = b[:0]
	p.encode.Put(s)
}
