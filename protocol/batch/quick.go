package batch

import "encoding/binary"

// run is a sequence of records at the start of a window.
type run struct {
	records      int32
	size         int // bytes
	maxTimestamp int64
	maxAt        int32 // the number of the first record with it
}

// allowed is what a record must keep to be passed over without another look.
type allowed struct {
	base, from, to int64 // the batch's base timestamp, and the lowest and highest of a record
	keyRequired    bool
}

// usual passes over records that are what most are and that there is nothing to say about: of 16 bytes or
// more with numbers of one or two bytes, no headers, the offset deltas from first on in order, and allowed. It
// stops at any other, good or bad, for the cursor to look at, and sees in a record what that sees.
//
// It is one loop since a batch of many small records takes as long for this as for its checksum: what comes
// before a key is loaded once, as x, and each number taken out of its low end: seven bits, or fourteen where the
// highest bit of the first byte says so. The lowest bit of a number is its sign.
func usual(w []byte, first, below int32, ok allowed, r run) run {
	at, number := 0, first
	for ; at+16 <= len(w) && number < below; number++ {
		x := binary.LittleEndian.Uint64(w[at:])
		i, n := at+1, x&0x7f // the record's length
		if x&0x80 != 0 {
			i, n, x = at+2, n|x>>1&0x3f80, x>>8
			if x&0x80 != 0 {
				break
			}
		}
		end := i + int(n>>1)
		if n&1 != 0 || end > len(w) {
			break
		}
		x >>= 16 // the attributes are passed over
		delta := x & 0x7f
		if x&0x80 != 0 {
			i, delta, x = i+1, delta|x>>1&0x3f80, x>>8
			if x&0x80 != 0 {
				break
			}
		}
		timestamp := ok.base + (int64(delta>>1) ^ -int64(delta&1))
		if timestamp < ok.from || timestamp > ok.to {
			break
		}
		x >>= 8
		n = x & 0x7f
		if x&0x80 != 0 {
			i, n, x = i+1, n|x>>1&0x3f80, x>>8
			if x&0x80 != 0 {
				break
			}
		}
		if n != uint64(number)<<1 { // the offset delta
			break
		}
		i, x = i+4, x>>8
		n = x & 0x7f // the key's length, whose second byte may be behind what was loaded
		if x&0x80 != 0 {
			if n |= uint64(w[i]) << 7 & 0x3f80; w[i]&0x80 != 0 {
				break
			}
			i++
		}
		if n&1 == 0 {
			i += int(n >> 1)
		} else if ok.keyRequired {
			break
		}
		if i+2 > end {
			break
		}
		n = uint64(w[i]) // the value's length
		if i++; n&0x80 != 0 {
			n = n&0x7f | uint64(w[i])<<7
			if i++; n&0x4000 != 0 {
				break
			}
		}
		if n&1 == 0 {
			i += int(n >> 1)
		}
		if i+1 != end || w[i] != 0 { // no headers
			break
		}
		if timestamp > r.maxTimestamp {
			r.maxTimestamp, r.maxAt = timestamp, number
		}
		at = end
	}
	r.records, r.size = number-first, at
	return r
}

// glance is what Validate wants of a record.
type glance struct {
	timestampDelta int64
	offsetDelta    int32
	nullKey        bool
}

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
