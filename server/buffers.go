package server

import "sync"

// encodeBytes is the size that a pooled buffer for answers starts with;
// maxPooled is the size above which one is left to the garbage collector.
const (
	encodeBytes = 4 << 10
	maxPooled   = 1 << 20
)

var encodePool = sync.Pool{New: func() any { b := make([]byte, 0, encodeBytes); return &b }}

// getBytes gives an empty buffer with room for n bytes.
func getBytes(n int) []byte {
	b := *encodePool.Get().(*[]byte)
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
	b = b[:0]
	encodePool.Put(&b)
}
