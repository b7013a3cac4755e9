package batch

import (
	"encoding/binary"
	"math/bits"
)

const prime1, prime2, prime3, prime4, prime5 uint32 = 2654435761, 2246822519, 3266489917, 668265263, 374761393

// xxhash is the checksum of lz4 frames, xxHash-32 with seed 0, of what was written
// to it so far. Begin with reset.
type xxhash struct {
	v    [4]uint32
	size uint64
	part [16]byte // the last size%16 bytes
}

func xxhash32(b []byte) uint32 {
	var x xxhash
	x.reset()
	x.write(b)
	return x.sum()
}

func (x *xxhash) reset() {
	p1 := prime1 // constants may not overflow
	x.v = [4]uint32{p1 + prime2, prime2, 0, -p1}
	x.size = 0
}

func (x *xxhash) write(b []byte) {
	have := int(x.size % 16)
	x.size += uint64(len(b))
	if have > 0 {
		n := copy(x.part[have:], b)
		if have+n < 16 {
			return
		}
		x.mix(x.part[:])
		b = b[n:]
	}
	whole := len(b) &^ 15
	x.mix(b[:whole])
	copy(x.part[:], b[whole:])
}

// mix takes in a multiple of 16 bytes.
func (x *xxhash) mix(b []byte) {
	v0, v1, v2, v3 := x.v[0], x.v[1], x.v[2], x.v[3]
	for ; len(b) >= 16; b = b[16:] {
		v0 = bits.RotateLeft32(v0+binary.LittleEndian.Uint32(b)*prime2, 13) * prime1
		v1 = bits.RotateLeft32(v1+binary.LittleEndian.Uint32(b[4:])*prime2, 13) * prime1
		v2 = bits.RotateLeft32(v2+binary.LittleEndian.Uint32(b[8:])*prime2, 13) * prime1
		v3 = bits.RotateLeft32(v3+binary.LittleEndian.Uint32(b[12:])*prime2, 13) * prime1
	}
	x.v = [4]uint32{v0, v1, v2, v3}
}

func (x *xxhash) sum() uint32 {
	h := prime5
	if x.size >= 16 {
		h = bits.RotateLeft32(x.v[0], 1) + bits.RotateLeft32(x.v[1], 7) + bits.RotateLeft32(x.v[2], 12) + bits.RotateLeft32(x.v[3], 18)
	}
	h += uint32(x.size)
	b := x.part[:x.size%16]
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*prime3, 17) * prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
