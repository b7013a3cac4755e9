package transport

import "os"

// Answer is what a request is owed: a place in the order of its connection's
// answers, filled when it is known. Whoever answers the request sets it, by Fill or
// by SetParts, before it calls Conn.Complete. The zero Answer is ready to be expected.
type Answer struct {
	ready bool // guarded by the connection's mu; parts and size are read only once it is set
	size  int  // bytes in all
	parts []Part
	only  [1]Part // where parts points if there is one only, as in most answers
	// What parts point into, and is given back when they are sent; nil when none.
	buffer []byte
	held   Releaser
}

// Part is a piece of an answer: bytes, or a region of a file.
type Part struct {
	Bytes  []byte
	Region Region // sent when Bytes is nil
}

// Region is a run of bytes in a file that is sent from there.
type Region interface {
	// Size is the number of bytes.
	Size() int
	// ReadAt reads from the region, as io.ReaderAt.
	ReadAt(p []byte, off int64) (int, error)
	// OSFile gives the operating system's file and where the region begins in it, for
	// sendfile; nil where there is none.
	OSFile() (f *os.File, pos int64)
	// ReadFailed is told that the file could not be read, and gives the error to report.
	ReadFailed(err error) error
}

// Releaser is what has to be given back when an answer was sent, or will not be.
type Releaser interface{ Release() }

// Fill makes one buffer of Conn.Buffer the whole answer. It is put back when the
// answer was sent.
func (a *Answer) Fill(buffer []byte) {
	a.only[0].Bytes = buffer
	a.parts, a.buffer, a.size = a.only[:], buffer, len(buffer)
}

// SetParts makes parts, of size bytes in all, the answer. held is released once, when
// the answer was sent or will not be.
func (a *Answer) SetParts(parts []Part, size int, held Releaser) {
	a.parts, a.size, a.held = parts, size, held
}

// release gives back what the answer holds: files and buffers. Once is enough,
// twice does no harm.
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
