package batch

import "encoding/binary"

// glance is what Validate wants of a record.
type glance struct {
	timestampDelta int64
	offsetDelta    int32
	nullKey        bool
}

// usual reads what most records are: 16 bytes or more with numbers of one or two bytes and no
// headers. Like quick it gives 0 for any other, and it sees the same. What comes before the key
// is looked at in a register: a batch of many small records takes as long for that as for its checksum.
func usual(w []byte) (g glance, size int) {
	if len(w) < 16 {
		return g, 0
	}
	x := binary.LittleEndian.Uint64(w)
	n, x, at, ok := two(x, 0)
	if !ok {
		return g, 0
	}
	end := at + zigzag(n)
	x >>= 8 // the attributes
	timestampDelta, x, at, ok := two(x, at+1)
	if !ok {
		return g, 0
	}
	offsetDelta, _, at, ok := two(x, at)
	if !ok || end > len(w) || at+2 > end {
		return g, 0
	}
	w = w[:end]
	g.timestampDelta, g.offsetDelta = int64(zigzag(timestampDelta)), int32(zigzag(offsetDelta))
	for field := range 2 {
		if at < 0 || at+2 > len(w) {
			return g, 0
		}
		n, _, at, ok = two(uint64(w[at])|uint64(w[at+1])<<8, at)
		if !ok {
			return g, 0
		}
		length := zigzag(n)
		if length < 0 {
			g.nullKey = g.nullKey || field == 0
			length = 0
		}
		at += length
	}
	if at != end-1 || at < 0 || at >= len(w) || w[at] != 0 { // no headers
		return g, 0
	}
	return g, end
}

// two takes a number of one or two bytes from the low end of x, and gives it as it is
// written, what is left of x, and where in the record that is.
func two(x uint64, at int) (n, rest uint64, end int, ok bool) {
	if x&0x80 == 0 {
		return x & 0x7f, x >> 8, at + 1, true
	}
	return x&0x7f | x>>1&0x3f80, x >> 16, at + 2, x&0x8000 == 0
}

// zigzag is the signed number that is written so.
func zigzag(u uint64) int { return int(u>>1) ^ -int(u&1) }

// quick reads a record that lies whole at the start of w, with numbers of at most
// 4 bytes: nearly every record there is. It gives the record's size, or 0 for any
// other record, good or bad, which the cursor then reads or refuses. What quick
// takes the cursor takes too, and sees the same in it.
func quick(w []byte) (g glance, size int) {
	n, i := short(w, 0)
	if i < 0 || n < minRecordSize-1 || n > len(w)-i {
		return g, 0
	}
	w = w[:i+n]
	n, i = short(w, i+1) // past the attributes
	g.timestampDelta = int64(n)
	n, i = short(w, i)
	g.offsetDelta = int32(n)
	n, i = short(w, i) // key
	if n < 0 {
		g.nullKey = true
		n = 0
	}
	if i < 0 {
		return g, 0
	}
	n, i = short(w, i+n) // value
	if i < 0 {
		return g, 0
	}
	headers, i := short(w, i+max(n, 0))
	if i < 0 || headers < 0 {
		return g, 0
	}
	for range headers {
		n, i = short(w, i) // key
		if i < 0 || n < 0 {
			return g, 0
		}
		n, i = short(w, i+n) // value
		if i < 0 {
			return g, 0
		}
		i += max(n, 0)
	}
	if i != len(w) {
		return g, 0
	}
	return g, i
}

// short reads a zigzag number of at most 4 bytes at w[i] and gives where it ends,
// or -1. An i outside w gives -1 too.
func short(w []byte, i int) (n, end int) {
	if uint(i) < uint(len(w)) && w[i] < 0x80 {
		u := int(w[i])
		return u>>1 ^ -(u & 1), i + 1
	}
	return notSoShort(w, i)
}

func notSoShort(w []byte, i int) (n, end int) {
	u := 0
	for shift := 0; shift < 28; shift += 7 {
		if uint(i) >= uint(len(w)) {
			return 0, -1
		}
		b := w[i]
		i++
		u |= int(b&0x7f) << shift
		if b < 0x80 {
			return u>>1 ^ -(u & 1), i
		}
	}
	return 0, -1
}
