package server

import (
	"klamm/logstore"
	"klamm/protocol"
)

// answer is what a request is owed: a place in the order of its connection's
// answers, filled when it is known.
type answer struct {
	ready bool // guarded by the connection's mu; parts and size are read only once it is set
	size  int  // bytes in all
	parts []part
	only  [1]part // where parts points if there is one only, as in most answers
	// What parts point into and is given back when they are sent; nil when none.
	free    []byte
	encoder *protocol.FetchEncoder
	old     int64 // bytes of parts that are counted in oldBytes
}

// part is a piece of an answer: bytes, or a region of a log's file.
type part struct {
	bytes  []byte
	region logstore.Region // sent when bytes is nil
}

// release gives back what the answer holds: files and buffers. Once is enough,
// twice does no harm.
func (a *answer) release() {
	for i := range a.parts {
		if a.parts[i].bytes == nil {
			a.parts[i].region.Release()
		}
	}
	a.parts, a.only[0] = nil, part{}
	oldBytes.Add(-a.old)
	a.old = 0
	if a.free != nil {
		putBytes(a.free)
		a.free = nil
	}
	if a.encoder != nil {
		fetchEncoders.Put(a.encoder)
		a.encoder = nil
	}
}
