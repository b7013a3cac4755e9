package batch

import (
	"encoding/binary"
	"errors"
)

var errLZ4Frame = errors.New("not one lz4 frame of independent blocks")

// Bits of an lz4 frame's first descriptor byte, and of a block's size.
const (
	lz4FormMask        = 0xe3 // version, independence and what is reserved
	lz4Form            = 0x60 // version 1, independent blocks
	lz4BlockChecksum   = 0x10
	lz4ContentSize     = 0x08
	lz4ContentChecksum = 0x04
	lz4Uncompressed    = 1 << 31
)

// oneLZ4Frame reports whether src is one whole lz4 frame of the form that every
// client reads. Apache's decoder, and so every Java consumer, stops at the end of
// the first frame and knows no blocks that depend on others; the library that we
// expand with does otherwise, and what only it can read must not get into a log.
func oneLZ4Frame(src []byte) bool {
	if len(src) < 7 || string(src[:4]) != "\x04\x22\x4d\x18" || src[4]&lz4FormMask != lz4Form {
		return false
	}
	flags := src[4]
	at := 7
	if flags&lz4ContentSize != 0 {
		at += 8
	}
	for len(src)-at >= 4 {
		size := binary.LittleEndian.Uint32(src[at:])
		at += 4
		if size == 0 { // the end mark
			if flags&lz4ContentChecksum != 0 {
				at += 4
			}
			return at == len(src)
		}
		size &^= lz4Uncompressed
		if flags&lz4BlockChecksum != 0 {
			size += 4
		}
		if int64(size) > int64(len(src)-at) {
			return false
		}
		at += int(size)
	}
	return false
}
