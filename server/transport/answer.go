package transport

import (
	"os"

	"klamm/observe"
)

// Answer is the answer of one request, with its place in the order of the connection's
// answers. The code that answers the request sets the content, with Fill or SetParts,
// before it calls Conn.Complete. The zero Answer may be passed to Conn.Expect.
type Answer struct {
	// Greeting is set before the answer is expected, for one that a client library takes for a part of connecting (ApiVersions).
	Greeting bool

	ready bool // guarded by the connection's mu; parts and size may be read only once ready is set
	size  int  // bytes of all parts
	parts []Part
	only  [1]Part // the memory of parts when there is one part, as in most answers
	seen  observed
	// buffer and held are the memory and the files that parts point into; nil for none.
	// release gives them back after the answer was sent.
	buffer []byte
	held   Releaser
}

// observed is what is known of the life of a request, for who observes. The goroutine that serves the request writes it before it completes the answer.
type observed struct {
	stats   [2]*observe.Request // of the API, and of a kind of its requests; nil for none
	times   observe.Times
	version int16
	bytes   int // of the request
}

// Count has the request counted by stats when its answer is sent, besides those it was to be counted by before. The code that serves the request
// calls it before it completes the answer, at most twice.
func (a *Answer) Count(stats *observe.Request) {
	if a.seen.stats[0] == nil {
		a.seen.stats[0] = stats
		return
	}
	a.seen.stats[1] = stats
}

// counted takes in that the answer was sent.
func (a *Answer) counted(writing, written int64) {
	if a.seen.stats[0] == nil {
		return
	}
	a.seen.times.Writing, a.seen.times.Written = writing, written
	for _, stats := range a.seen.stats {
		stats.Answered(&a.seen.times, a.seen.version, a.seen.bytes)
	}
}

// Part is a piece of an answer: bytes, or a region of a file.
type Part struct {
	Bytes  []byte
	Region Region // used when Bytes is nil
}

// Region is a run of bytes in a file, which the connection sends from the file.
type Region interface {
	// Size gives the number of bytes.
	Size() int
	// ReadAt reads from the region, as io.ReaderAt does.
	ReadAt(p []byte, off int64) (int, error)
	// OSFile gives, for sendfile, the operating system's file and the position at which the
	// region begins in it; nil when there is no such file.
	OSFile() (f *os.File, pos int64)
	// ReadFailed takes the error of a read of the file, and gives the error to report.
	ReadFailed(err error) error
}

// Releaser holds what an answer uses until the answer was sent, or dropped. The connection
// calls Release once.
type Releaser interface{ Release() }

// Fill makes a buffer that came from Conn.Buffer the whole answer. The connection takes
// the buffer back after it has sent or dropped the answer.
func (a *Answer) Fill(buffer []byte) {
	a.only[0].Bytes = buffer
	a.parts, a.buffer, a.size = a.only[:], buffer, len(buffer)
}

// FillAround makes the answer of a buffer that came from Conn.Buffer, as Fill does, and of shared, which goes between the first at bytes
// of the buffer and the others. Other answers may have the same shared bytes, which nobody may change.
func (a *Answer) FillAround(buffer []byte, at int, shared []byte) {
	a.parts = []Part{{Bytes: buffer[:at:at]}, {Bytes: shared}, {Bytes: buffer[at:]}}
	a.buffer, a.size = buffer, len(buffer)+len(shared)
}

// SetParts makes parts, which have size bytes together, the answer. The connection
// releases held once, after it has sent or dropped the answer.
func (a *Answer) SetParts(parts []Part, size int, held Releaser) {
	a.parts, a.size, a.held = parts, size, held
}

// release gives back the files and the buffer of the answer. A second call does nothing.
func (a *Answer) release(pool *buffers) {
	a.parts, a.only[0] = nil, Part{}
	if a.buffer != nil {
		pool.put(a.buffer)
		a.buffer = nil
	}
	if a.held != nil {
		held := a.held
		a.held = nil
		held.Release()
	}
}
