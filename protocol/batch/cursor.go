package batch

import (
	"errors"
	"io"
	"math"
	"slices"
)

var (
	errEnds   = errors.New("the records end before their count is reached")
	errVarint = errors.New("a number in a record is longer than its type")
)

// cursor reads the records of a batch from front to back, either in place
// (r is nil and win is all there is) or out of a stream through a window that
// stays small however large a record is.
type cursor struct {
	win    []byte // next bytes
	r      io.Reader
	buf    []byte // the window's memory
	pulled int64  // bytes that were ever in win
	limit  int64  // of pulled
	most   int64  // of pulled: to how much the packed bytes can expand; 0 if that is not known
	pause  func() // called now and then so that others go first; nil for never
	paused int64  // pulled at the last pause
	// largest bounds a record that is read whole out of a stream; 0 for no bound.
	largest int64
	// copied is what win was when copying began; see copyFrom.
	copied []byte
	copyTo func([]byte)
}

// at is the number of bytes read so far.
func (c *cursor) at() int64 { return c.pulled - int64(len(c.win)) }

// fill puts more bytes into the window, and fails with errEnds if there are none.
func (c *cursor) fill() error {
	if c.r == nil {
		return errEnds
	}
	c.copyRead()
	if c.pause != nil && c.pulled-c.paused >= longPiece {
		c.paused = c.pulled
		c.pause()
	}
	n := copy(c.buf, c.win)
	for tries := 0; tries < 100; tries++ {
		m, err := c.r.Read(c.buf[n:])
		c.win = c.buf[:n+m]
		c.copied = c.win
		c.pulled += int64(m)
		if c.pulled > c.limit {
			return &TooLargeError{Size: c.pulled, Limit: c.limit, Expanded: true}
		}
		if m > 0 {
			return nil // an error comes again with the next read
		}
		if err == io.EOF {
			return errEnds
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// copyFrom passes all bytes that are read from here on to the function too, in pieces,
// until endCopy.
func (c *cursor) copyFrom(to func([]byte)) { c.copyTo, c.copied = to, c.win }

func (c *cursor) endCopy() {
	c.copyRead()
	c.copyTo = nil
}

// copyRead passes on what was read of the window.
func (c *cursor) copyRead() {
	if c.copyTo != nil {
		c.copyTo(c.copied[:len(c.copied)-len(c.win)])
		c.copied = c.win
	}
}

// claim checks a size that the stream names before anything is expanded for it. It
// refuses a size that is too large, or larger than what the stream can still give.
func (c *cursor) claim(size int64) error {
	switch end := c.at() + size; {
	case c.r == nil:
	case c.most > 0 && end > c.most:
		return errEnds
	case end > c.limit:
		return &TooLargeError{Size: end, Limit: c.limit, Expanded: true}
	}
	return nil
}

func (c *cursor) byte() (byte, error) {
	if len(c.win) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	b := c.win[0]
	c.win = c.win[1:]
	return b, nil
}

// varint reads a zigzag number of at most 32 bits in at most 5 bytes.
func (c *cursor) varint() (int32, error) {
	if len(c.win) > 0 && c.win[0] < 0x80 { // the common case
		u := uint32(c.win[0])
		c.win = c.win[1:]
		return int32(u>>1) ^ -int32(u&1), nil
	}
	var u uint32
	for shift := 0; shift < 35; shift += 7 {
		b, err := c.byte()
		if err != nil {
			return 0, err
		}
		u |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return int32(u>>1) ^ -int32(u&1), nil
		}
	}
	return 0, errVarint
}

// varlong reads a zigzag number of at most 64 bits in at most 10 bytes.
func (c *cursor) varlong() (int64, error) {
	var u uint64
	for shift := 0; shift < 70; shift += 7 {
		b, err := c.byte()
		if err != nil {
			return 0, err
		}
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, errVarint
}

// skip passes over n bytes.
func (c *cursor) skip(n int64) error {
	for n > int64(len(c.win)) {
		n -= int64(len(c.win))
		c.win = c.win[len(c.win):]
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.win = c.win[n:]
	return nil
}

// take gives the next n bytes: a part of the batch if it is read in place, else
// a copy, which grows as the bytes arrive.
func (c *cursor) take(n int64) ([]byte, error) {
	if c.r == nil {
		if n > int64(len(c.win)) {
			return nil, errEnds
		}
		b := c.win[:n:n]
		c.win = c.win[n:]
		return b, nil
	}
	all := n
	b := make([]byte, 0, min(n, windowSize))
	for {
		m := min(n, int64(len(c.win)))
		if need := len(b) + int(m); need > cap(b) { // twice as much each time, which leaves as much garbage as there is in the end
			b = slices.Grow(b, int(min(all, int64(max(need, 2*cap(b)))))-len(b))
		}
		b = append(b, c.win[:m]...)
		c.win = c.win[m:]
		if n -= m; n == 0 {
			return b, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// ended reports whether nothing is left.
func (c *cursor) ended() (bool, error) {
	if len(c.win) > 0 {
		return false, nil
	}
	err := c.fill()
	if err == errEnds {
		return true, nil
	}
	return false, err
}

// start points the cursor at the records of batch b, which h is the header of.
// For a compressed batch it gives an expander that the caller releases.
func (c *cursor) start(b []byte, h *Header, limit int64, wide wideWindow) (*expander, error) {
	if h.Codec() == None {
		*c = cursor{win: b[HeaderSize:], pulled: int64(len(b) - HeaderSize), limit: math.MaxInt64}
		return nil, nil
	}
	if !h.Codec().Known() {
		return nil, &CodecError{Codec: h.Codec()}
	}
	e, err := newExpander(h.Codec(), b[HeaderSize:], wide)
	if err != nil {
		return nil, err
	}
	*c = cursor{r: e.r, buf: e.window, win: e.window[:0], limit: limit, most: ceiling(h.Codec(), len(b)-HeaderSize)}
	return e, nil
}
