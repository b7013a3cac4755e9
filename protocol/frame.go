package protocol

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// A client may announce a large request and send nothing. Ten thousand connections that
// announce 100 MB each must cost little more than ten thousand others. So a request's buffer
// has room for the bytes that have arrived, those in the kernel included, or for growth times
// the bytes that were read, and never for more than was announced. A small request grows by
// firstGrowth, since its first bytes are as many as the reader's small buffer holds.
// A request is decoded from one piece, so a larger buffer is a copy, and both are there for a moment: with
// largeGrowth that is three times what has come.
const (
	growth      = 4
	firstGrowth = 8
	firstRead   = 64 << 10 // below it firstGrowth counts
	largeGrowth = 2
	largeRead   = 1 << 20 // from it on largeGrowth counts
)

// Buffers are kept in classes of powers of two between these; larger ones are
// made and dropped.
const (
	minClass = 9  // 512 bytes
	maxClass = 23 // 8 MiB

	// Buffers of class minShelf and above are kept on a shelf, of shelfBytes in all, and
	// not in a sync.Pool. A pool drops buffers only when the garbage collector runs, which
	// is seldom since a broker's heap is small. Until then it would keep every buffer that
	// a burst of large requests took.
	minShelf   = 16 // 64 KiB
	shelfBytes = 16 << 20
)

// Buffers that nobody uses. Brokers of one process share it: a buffer in it holds nothing of who used it, and the shelf bounds
// what all of them keep.
var (
	classes [minShelf]sync.Pool
	large   shelf
)

// shelf keeps large buffers that nobody uses.
type shelf struct {
	mu    sync.Mutex
	free  [maxClass + 1][]*Buffer // guarded by mu; by class
	bytes int                     // guarded by mu; of all of them
}

// take gives a buffer, or nil if there is none.
func (s *shelf) take(class int) *Buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free[class]) == 0 {
		return nil
	}
	return s.popLocked(class)
}

// keep puts a buffer back. What is too much is dropped, from the class that has
// the most.
func (s *shelf) keep(b *Buffer, class int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free[class] = append(s.free[class], b)
	s.bytes += 1 << class
	for s.bytes > shelfBytes {
		most := class
		for c, free := range s.free {
			if len(free)<<c > len(s.free[most])<<most {
				most = c
			}
		}
		s.popLocked(most)
	}
}

func (s *shelf) popLocked(class int) *Buffer {
	free := s.free[class]
	n := len(free) - 1
	b := free[n]
	free[n] = nil
	s.free[class] = free[:n]
	s.bytes -= 1 << class
	return b
}

// Buffer holds bytes from a pool, counted by who uses them. B and every part of
// it may be read until the last Release.
type Buffer struct {
	B    []byte
	refs atomic.Int32
}

// NewBuffer gives a buffer with len(B) = 0 and room for size bytes, used once.
func NewBuffer(size int) *Buffer {
	c := classOf(size)
	if c > maxClass {
		b := &Buffer{B: make([]byte, 0, size)}
		b.refs.Store(1)
		return b
	}
	var b *Buffer
	if c < minShelf {
		b, _ = classes[c].Get().(*Buffer)
	} else {
		b = large.take(c)
	}
	if b == nil {
		b = &Buffer{B: make([]byte, 0, 1<<c)}
	}
	b.B = b.B[:0]
	b.refs.Store(1)
	return b
}

// classOf is the exponent of the smallest class with room for size bytes.
func classOf(size int) int {
	if size <= 1<<minClass {
		return minClass
	}
	return bits.Len(uint(size - 1))
}

// Retain counts one more user, who calls Release too.
func (b *Buffer) Retain() { b.refs.Add(1) }

// Release counts one user less. The last one gives the bytes back, and nobody
// may look at them any more.
func (b *Buffer) Release() {
	if b.refs.Add(-1) != 0 {
		return
	}
	// B may have been cut or grown by its user: what counts is its room now.
	switch c := bits.Len(uint(cap(b.B))) - 1; {
	case c < minClass || c > maxClass:
	case c < minShelf:
		classes[c].Put(b)
	default:
		large.keep(b, c)
	}
}

// FrameSizeError says that a length prefix is negative or above the limit
// (socket.request.max.bytes). The connection cannot be used any more.
type FrameSizeError struct {
	Size, Max int32
	LooksLike string // what the bytes are instead of a request, as LooksLike says
}

func (e *FrameSizeError) Error() string {
	if e.LooksLike != "" {
		return "what came looks like " + e.LooksLike + ", and is no Kafka request"
	}
	return fmt.Sprintf("a request of %d bytes was announced, the limit is %d", e.Size, e.Max)
}

// ReadFrame reads one request, without its length prefix. The buffer grows as
// bytes arrive. The caller releases it.
//
// It fails with io.EOF if the client has gone between requests, with
// io.ErrUnexpectedEOF in the middle of one, with a *FrameSizeError, and with
// what r fails with.
func ReadFrame(r *bufio.Reader, max int32) (*Buffer, error) {
	n, err := ReadFrameSize(r, max)
	if err != nil {
		return nil, err
	}
	return ReadFrameBody(r, n, nil)
}

// ReadFrameSize reads the length prefix of a request, for callers that wait
// until there is room for that many bytes and then call ReadFrameBody.
func ReadFrameSize(r *bufio.Reader, max int32) (int32, error) {
	p, err := r.Peek(4)
	if err != nil {
		if err == io.EOF && len(p) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	n := int32(uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]))
	if n < 0 || n > max {
		first, _ := r.Peek(min(r.Buffered(), lookalikeBytes)) // those are there
		return 0, &FrameSizeError{Size: n, Max: max, LooksLike: LooksLike(first)}
	}
	_, err = r.Discard(4)
	return n, err
}

// CheckFrameSize waits for the key of the request that follows a length prefix of n, and says whether a request of that
// API may be so large, before there is a buffer for it. peers says that brokers use the listener among themselves. It fails with
// an *UnknownAPIError and with a *TooLargeError.
func CheckFrameSize(r *bufio.Reader, n int32, peers bool) error {
	const keyAndVersion = 4
	if n <= smallFrame {
		return nil // what cannot be read in it costs nothing to find out
	}
	p, err := r.Peek(keyAndVersion)
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	key, version := int16(uint16(p[0])<<8|uint16(p[1])), int16(uint16(p[2])<<8|uint16(p[3]))
	api, ok := Lookup(key)
	if !ok {
		return &UnknownAPIError{Key: key, Version: version}
	}
	if most := api.MaxBytes(peers); n > most {
		return &TooLargeError{API: api.Name, Version: version, Size: n, Max: most}
	}
	return nil
}

// smallFrame is what a request of any API may have.
const smallFrame = 64 << 10

// MaxRequestBytes bounds a request of every API but Produce, which carries records, and Fetch, which names partitions
// by the ten thousand. In memory it can take a hundred times what it takes on the wire, as a list of
// empty names does. What an administrator asks for is far below.
const MaxRequestBytes = 8 << 20

const maxFetchBytes = 32 << 20

// MaxPeerBytes bounds a request between brokers on a listener that is for them. The controller tells a broker that has just
// started all partitions of the cluster in one request: 200,000 of them with three replicas take 12 MB.
const MaxPeerBytes = 64 << 20

// MaxBytes is how large a request of the API may be, header included; socket.request.max.bytes bounds it too. peers says that
// brokers use the listener among themselves.
func (a *API) MaxBytes(peers bool) int32 {
	switch {
	case a.Key == KeyProduce:
		return math.MaxInt32
	case a.Key == KeyFetch:
		return maxFetchBytes
	case peers && a.Sender == Brokers:
		return MaxPeerBytes
	}
	return MaxRequestBytes
}

// TooLargeError says that a request is larger than one of its API may be.
type TooLargeError struct {
	API       string
	Version   int16
	Size, Max int32
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s v%d: a request of %d bytes was announced, the limit of this API is %d", e.API, e.Version, e.Size, e.Max)
}

// ReadFrameBody reads the n bytes that follow a length prefix, see ReadFrame.
//
// arrived, unless it is nil, says how many bytes r can read without waiting beside those that it has
// buffered. It may wait until there are as many as it is asked for. Until then the request has no buffer.
func ReadFrameBody(r *bufio.Reader, n int32, arrived func(want int) int) (*Buffer, error) {
	size := int(n)
	if size > 0 && r.Buffered() == 0 {
		if _, err := r.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	room := growth * r.Buffered()
	if room < size && arrived != nil {
		room = max(room, r.Buffered()+arrived(size-r.Buffered()))
	}
	b := NewBuffer(min(size, room))
	for {
		have := len(b.B)
		b.B = b.B[:min(size, cap(b.B))]
		if _, err := io.ReadFull(r, b.B[have:]); err != nil {
			b.Release()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if len(b.B) == size {
			return b, nil
		}
		times := growth
		switch {
		case len(b.B) < firstRead:
			times = firstGrowth
		case len(b.B) >= largeRead:
			times = largeGrowth
		}
		next := NewBuffer(min(size, times*len(b.B)))
		next.B = append(next.B, b.B...)
		b.Release()
		b = next
	}
}
