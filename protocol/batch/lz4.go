package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/pierrec/lz4/v4"
)

var (
	errLZ4Frame = errors.New("not one lz4 frame of independent blocks")
	errLZ4      = errors.New("corrupt lz4 data")
)

// Bits of an lz4 frame's first two descriptor bytes, and of a block's size.
const (
	lz4FormMask        = 0xe3 // version, independence and what is reserved
	lz4Form            = 0x60 // version 1, independent blocks
	lz4BlockChecksum   = 0x10
	lz4ContentSize     = 0x08
	lz4ContentChecksum = 0x04
	lz4SizeReserved    = 0x8f // of the second byte; the rest says how large blocks are
	lz4Uncompressed    = 1 << 31
)

// lz4Header begins our own frames: independent blocks of up to 64 KB, no checksums of them.
const (
	lz4Header     = "\x04\x22\x4d\x18\x60\x40\x82"
	lz4HeaderSize = len(lz4Header) // of all frames that do not tell the content's size
	lz4BlockSize  = 64 << 10
)

const (
	lz4Ratio      = 255       // the most that a byte of a block can expand to
	smallLZ4Block = 256 << 10 // what a reader keeps room for
	largeLZ4Block = 4 << 20   // the largest that there is
)

// lz4Blocks has room for blocks that may be large. Java's producers and librdkafka say
// 64 KB, clients in Go 4 MB, whatever they send. Brokers of one process share it: a buffer in it holds nothing of who used it.
var lz4Blocks = sync.Pool{New: func() any { return new([largeLZ4Block]byte) }}

// lz4Reader expands one whole lz4 frame of the form that every client reads, a
// block at a time. Apache's decoder (Lz4BlockInputStream), and so every Java consumer,
// stops at the end of the first frame and knows no blocks that depend on others: what
// only others can read must not get into a log. It does not look at the content's
// checksum, but librdkafka does.
type lz4Reader struct {
	src     []byte // blocks, and what ends them
	flags   byte
	largest int    // what a block may expand to
	block   []byte // expanded and not read yet
	content xxhash // of what was expanded

	small []byte
	large *[largeLZ4Block]byte // of lz4Blocks, once a block needs it
}

// reset begins with a frame, whose header's checksum counts unless broken says that
// it is one that clients of magic 0 get wrong (KAFKA-3160).
func (z *lz4Reader) reset(src []byte, broken bool) error {
	z.release()
	if len(src) < lz4HeaderSize || string(src[:4]) != "\x04\x22\x4d\x18" || src[4]&lz4FormMask != lz4Form || src[5]&lz4SizeReserved != 0 {
		return errLZ4Frame
	}
	size := int(src[5]>>4) - 4 // 64 KB, times four, ...
	if size < 0 {
		return errLZ4Frame
	}
	z.flags, z.largest = src[4], 64<<10<<(2*size)
	at := lz4HeaderSize - 1
	if z.flags&lz4ContentSize != 0 {
		at += 8
	}
	if at >= len(src) || !broken && src[at] != byte(xxhash32(src[4:at])>>8) {
		return errLZ4Frame
	}
	z.src = src[at+1:]
	z.content.reset()
	return nil
}

// release gives what is pooled back, and forgets the frame.
func (z *lz4Reader) release() {
	z.src, z.block = nil, nil
	if z.large != nil {
		lz4Blocks.Put(z.large)
		z.large = nil
	}
}

// Read implements io.Reader.
func (z *lz4Reader) Read(p []byte) (int, error) {
	for len(z.block) == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.block)
	z.block = z.block[n:]
	return n, nil
}

// next expands the next block.
func (z *lz4Reader) next() error {
	size, err := z.uint32()
	if err != nil {
		return err
	}
	if size == 0 {
		return z.end()
	}
	stored := size&lz4Uncompressed != 0
	size &^= lz4Uncompressed
	if int64(size) > int64(min(len(z.src), z.largest)) {
		return errLZ4
	}
	packed := z.src[:size]
	z.src = z.src[size:]
	if z.flags&lz4BlockChecksum != 0 {
		if sum, err := z.uint32(); err != nil || sum != xxhash32(packed) {
			return errLZ4
		}
	}
	if stored {
		z.block = packed
	} else if err := z.expand(packed); err != nil {
		return err
	}
	if z.flags&lz4ContentChecksum != 0 {
		z.content.write(z.block)
	}
	return nil
}

// expand expands a block, into little room if that is likely to do.
func (z *lz4Reader) expand(packed []byte) error {
	most := min(z.largest, len(packed)*lz4Ratio)
	if most <= smallLZ4Block || z.large == nil && len(packed) <= smallLZ4Block/8 {
		if z.small == nil {
			z.small = make([]byte, smallLZ4Block)
		}
		into := z.small[:min(most, smallLZ4Block)]
		if n, err := lz4.UncompressBlock(packed, into); err == nil {
			z.block = into[:n]
			return nil
		} else if most <= smallLZ4Block {
			return errLZ4
		}
	}
	if z.large == nil {
		z.large = lz4Blocks.Get().(*[largeLZ4Block]byte)
	}
	n, err := lz4.UncompressBlock(packed, z.large[:most])
	if err != nil {
		return errLZ4
	}
	z.block = z.large[:n]
	return nil
}

// end reads what is behind the last block.
func (z *lz4Reader) end() error {
	if z.flags&lz4ContentChecksum != 0 {
		if sum, err := z.uint32(); err != nil || sum != z.content.sum() {
			return errLZ4
		}
	}
	if len(z.src) > 0 {
		return errLZ4Frame
	}
	z.flags, z.src = 0, lz4Ended
	return io.EOF
}

// lz4Ended is an end that is read again.
var lz4Ended = []byte{0, 0, 0, 0}

func (z *lz4Reader) uint32() (uint32, error) {
	if len(z.src) < 4 {
		return 0, errLZ4Frame
	}
	n := binary.LittleEndian.Uint32(z.src)
	z.src = z.src[4:]
	return n, nil
}

// lz4Packer packs blocks as Apache Kafka's producers and brokers do (Lz4BlockOutputStream), byte for byte where
// nobody asks for a level.
type lz4Packer struct {
	packBlock func(src, dst []byte) (int, error)
	room      [lz4BlockSize + lz4BlockSize/255 + 16]byte // the most that a block can become
}

// pack packs a block. It gives what stands before it, and the block's bytes, which are good until the next call.
func (z *lz4Packer) pack(block []byte) (size uint32, packed []byte) {
	n, err := z.packBlock(block, z.room[:])
	if err != nil || n == 0 || n >= len(block) {
		return uint32(len(block)) | lz4Uncompressed, block
	}
	return uint32(n), z.room[:n]
}

// breakLZ4Header gives the frame at the start of b the header checksum that
// clients of magic 0 write and know: it covers the frame's magic number too
// (KAFKA-3160, KIP-57).
func breakLZ4Header(b []byte) {
	if len(b) >= lz4HeaderSize {
		b[lz4HeaderSize-1] = byte(xxhash32(b[:lz4HeaderSize-1]) >> 8)
	}
}
