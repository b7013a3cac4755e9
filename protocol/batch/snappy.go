package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/snappy"
)

// Java producers and librdkafka write snappy in the frames of the xerial
// library: this header, two version numbers of 4 bytes, and then blocks, each
// behind its length in 4 bytes. Others write one bare block.
const (
	xerialMagic      = "\x82SNAPPY\x00"
	xerialHeaderSize = len(xerialMagic) + 8
	xerialBlockSize  = 32 << 10 // what our own frames hold per block
	keptSnappyBuffer = 1 << 20
)

// snappyRatio bounds what a block of snappy can expand to: its best element
// makes 64 bytes of 3. A block that announces more lies, and what it announces
// is not believed.
const snappyRatio = 22

var errSnappy = errors.New("corrupt snappy data")

// snappyReader expands either form, a block at a time.
type snappyReader struct {
	src    []byte
	framed bool
	bare   bool   // src is one block, not read yet
	block  []byte // expanded and not read yet
	buf    []byte
}

func (s *snappyReader) reset(src []byte) {
	s.src, s.block = src, nil
	s.framed = len(src) >= xerialHeaderSize && strings.HasPrefix(string(src[:len(xerialMagic)]), xerialMagic)
	s.bare = !s.framed && len(src) > 0
	if s.framed {
		s.src = src[xerialHeaderSize:]
	}
	if cap(s.buf) > keptSnappyBuffer {
		s.buf = nil
	}
}

// Read implements io.Reader.
func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.block) == 0 {
		block, err := s.next()
		if err != nil {
			return 0, err
		}
		n, err := snappy.DecodedLen(block)
		if err != nil || n > snappyRatio*len(block) || !plainSnappy(block) {
			return 0, errSnappy
		}
		if cap(s.buf) < n {
			s.buf = make([]byte, n)
		}
		if s.block, err = snappy.Decode(s.buf[:cap(s.buf)], block); err != nil {
			return 0, errSnappy
		}
	}
	n := copy(p, s.block)
	s.block = s.block[n:]
	return n, nil
}

// next gives the next compressed block. Frames written one after the other are
// read as one, as the xerial library does.
func (s *snappyReader) next() ([]byte, error) {
	if s.bare {
		s.bare = false
		return s.src, nil
	}
	for {
		if !s.framed || len(s.src) == 0 {
			return nil, io.EOF
		}
		if len(s.src) < 4 {
			return nil, errSnappy
		}
		n := binary.BigEndian.Uint32(s.src)
		if n == binary.BigEndian.Uint32([]byte(xerialMagic)) && len(s.src) >= xerialHeaderSize {
			s.src = s.src[xerialHeaderSize:]
			continue
		}
		if uint64(n) > uint64(len(s.src)-4) {
			return nil, errSnappy
		}
		block := s.src[4 : 4+n]
		s.src = s.src[4+n:]
		return block, nil
	}
}

// plainSnappy reports whether a block keeps to snappy. The decoder reads its
// successor S2 too, whose repeated offsets no other client can read: such a batch
// must not get into a log. Its mark is a short copy from offset 0. Anything else
// that is wrong is left to the decoder.
func plainSnappy(block []byte) bool {
	_, n := binary.Uvarint(block)
	for block = block[max(n, 0):]; len(block) > 0; {
		tag, size := block[0], 0
		switch tag & 3 {
		case 0: // literal
			size = 2 + int(tag>>2)
			if extra := int(tag>>2) - 59; extra > 0 {
				if len(block) <= extra {
					return true
				}
				size = 0
				for i := extra; i > 0; i-- {
					size = size<<8 | int(block[i])
				}
				size += 2 + extra
			}
		case 1: // copy of 4 to 11 bytes, offset of 11 bits
			if len(block) > 1 && tag>>5 == 0 && block[1] == 0 {
				return false
			}
			size = 2
		case 2:
			size = 3
		case 3:
			size = 5
		}
		block = block[min(size, len(block)):]
	}
	return true
}
