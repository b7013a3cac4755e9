package server

import "sync"

// encodeBytes is the size that a pooled buffer for answers starts with;
// maxPooled is the size above which one is left to the garbage collector.
const (
	encodeBytes = 4 << 10
	maxPooled   = 1 << 20
)

// encodePool has buffers, as pointers to their slices; slicePool has the
// pointers whose buffers are in use, so that giving one back allocates nothing.
var encodePool, slicePool sync.Pool

// getBytes gives an empty buffer with room for n bytes.
func getBytes(n int) []byte {
	p, _ := encodePool.Get().(*[]byte)
	if p == nil {
		return make([]byte, 0, max(n, encodeBytes))
	}
	b := *p
	*p = nil
	slicePool.Put(p)
	if cap(b) < n {
		b = make([]byte, 0, n)
	}
	return b[:0]
}

// putBytes gives a buffer back; nothing may use it afterwards.
func putBytes(b []byte) {
	if cap(b) == 0 || cap(b) > maxPooled {
		return
	}
	p, _ := slicePool.Get().(*[]byte)
	if p == nil {
		p = new([]byte)
	}
	*p = b[:0]
	encodePool.Put(p)
}
