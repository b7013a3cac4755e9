package transport

import "sync"

// encodeBytes is the size that a pooled buffer for answers starts with;
// maxPooled is the size above which one is left to the garbage collector.
const (
	encodeBytes = 4 << 10
	maxPooled   = 1 << 20
)

// buffers are what answers are encoded into, used again. The zero value is ready.
type buffers struct {
	// encode has buffers, as pointers to their slices; slices has the pointers whose
	// buffers are in use, so that giving one back allocates nothing.
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

// put gives a buffer back; nothing may use it afterwards.
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
