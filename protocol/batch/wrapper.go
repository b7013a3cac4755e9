package batch

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// wrapper reads the messages that stand packed in another one, as a stream: one
// message after the other, and of a message what is asked for, through a window
// that stays small however large a message is. Not safe for concurrent use.
type wrapper struct {
	cursor
	outer *message
	e     *expander

	// The message that is being read.
	offset    int64 // as it stands there
	timestamp int64
	keySize   int32 // negative for a null
	valueSize int32 // negative for a null; known before the value is read only
	size      int64 // of the message, without offset and size
	crc       uint32
	sum       uint32  // CRC so far
	number    [8]byte // what is summed next
}

// openWrapper begins to read the messages inside outer, which may expand to
// limit bytes together. The caller calls close.
func openWrapper(outer *message, limit int64) (*wrapper, error) {
	switch {
	case outer.codec() == Zstd:
		return nil, errZstdMessage
	case outer.value == nil:
		return nil, &InvalidError{Message: "a compressed message has a null value"}
	}
	e, err := newMessageExpander(outer.codec(), outer.value, outer.magic)
	if err != nil {
		return nil, invalid(err)
	}
	w := &wrapper{outer: outer, e: e}
	w.cursor = cursor{r: e.r, buf: e.window, win: e.window[:0], limit: limit, most: ceiling(outer.codec(), len(outer.value))}
	return w, nil
}

var errZstdMessage = &InvalidError{Message: "messages before magic 2 are not compressed with zstd"}

func (w *wrapper) close() { w.e.release() }

// newMessageExpander is newExpander, but that it reads the frames of lz4 in
// messages of magic 0, whose header has a wrong checksum.
func newMessageExpander(codec Codec, src []byte, magic int8) (*expander, error) {
	return openExpander(codec, src, wideAny, magic == 0)
}

// next begins the next message. It is io.EOF when there is none.
func (w *wrapper) next() error {
	if ended, err := w.ended(); err != nil || ended {
		if err == nil {
			err = io.EOF
		}
		return err
	}
	offset, err := w.uint64()
	if err != nil {
		return err
	}
	size, err := w.uint32()
	if err != nil {
		return err
	}
	if int32(size) < messageOverhead0 {
		return &CorruptError{Reason: "a message inside another one claims " + itoa(int64(int32(size))) + " bytes"}
	}
	if err := w.claim(int64(size)); err != nil {
		return err
	}
	w.offset, w.size, w.sum, w.timestamp = int64(offset), int64(size), 0, NoTimestamp
	if w.crc, err = w.uint32(); err != nil {
		return err
	}
	if err := w.header(); err != nil {
		return err
	}
	key, err := w.summed32()
	if err != nil {
		return err
	}
	w.keySize = int32(key)
	if int64(w.keySize) > w.size-messageOverhead(w.outer.magic) {
		return errMessageSize
	}
	return nil
}

// header reads what stands between a message's CRC and its key.
func (w *wrapper) header() error {
	magic, err := w.summedByte()
	if err != nil {
		return err
	}
	attributes, err := w.summedByte()
	if err != nil {
		return err
	}
	switch {
	case int8(magic) != w.outer.magic:
		return &InvalidError{Message: "a message of magic " + itoa(int64(int8(magic))) + " stands in one of magic " + itoa(int64(w.outer.magic))}
	case attributes&codecMask != 0:
		return &InvalidError{Message: "a compressed message stands in another one"}
	case w.size < messageOverhead(w.outer.magic):
		return errMessageSize
	}
	if magic == 0 {
		return nil
	}
	timestamp, err := w.uint64()
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint64(w.number[:], timestamp)
	w.sum = crc32.Update(w.sum, crc32.IEEETable, w.number[:])
	w.timestamp = int64(timestamp)
	if w.outer.logAppendTime() {
		w.timestamp = w.outer.timestamp
	}
	return nil
}

// fieldsSize is the number of bytes of the key and the value together.
func (w *wrapper) fieldsSize() int64 { return w.size - messageOverhead(w.outer.magic) }

// key passes the key on to the given function, in pieces.
func (w *wrapper) key(to func([]byte) error) error { return w.pass(int64(w.keySize), to) }

// valueHead reads the size of the value, once the key was read.
func (w *wrapper) valueHead() error {
	n, err := w.summed32()
	if err != nil {
		return err
	}
	w.valueSize = int32(n)
	if int64(max(w.valueSize, 0)) != w.fieldsSize()-int64(max(w.keySize, 0)) {
		return errMessageSize
	}
	return nil
}

// value passes the value on and ends the message: its CRC is checked.
func (w *wrapper) value(to func([]byte) error) error {
	if err := w.pass(int64(w.valueSize), to); err != nil {
		return err
	}
	if w.sum != w.crc {
		return messageCRC(w.crc, w.sum)
	}
	return nil
}

// pass gives the next n bytes away, in pieces.
func (w *wrapper) pass(n int64, to func([]byte) error) error {
	for n > 0 {
		if len(w.win) == 0 {
			if err := w.fill(); err != nil {
				return err
			}
		}
		piece := w.win[:min(n, int64(len(w.win)))]
		w.win = w.win[len(piece):]
		n -= int64(len(piece))
		w.sum = crc32.Update(w.sum, crc32.IEEETable, piece)
		if err := to(piece); err != nil {
			return err
		}
	}
	return nil
}

func (w *wrapper) summedByte() (byte, error) {
	b, err := w.byte()
	w.number[0] = b
	w.sum = crc32.Update(w.sum, crc32.IEEETable, w.number[:1])
	return b, err
}

func (w *wrapper) summed32() (uint32, error) {
	n, err := w.uint32()
	binary.BigEndian.PutUint32(w.number[:], n)
	w.sum = crc32.Update(w.sum, crc32.IEEETable, w.number[:4])
	return n, err
}

func (c *cursor) uint32() (n uint32, err error) {
	for range 4 {
		b, err := c.byte()
		if err != nil {
			return 0, err
		}
		n = n<<8 | uint32(b)
	}
	return n, nil
}

func (c *cursor) uint64() (uint64, error) {
	high, err := c.uint32()
	if err != nil {
		return 0, err
	}
	low, err := c.uint32()
	return uint64(high)<<32 | uint64(low), err
}
