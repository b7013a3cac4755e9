package batch

// glance is what Validate wants of a record.
type glance struct {
	timestampDelta int64
	offsetDelta    int32
	nullKey        bool
}

// usual reads what most records are: numbers of one or two bytes, no headers, and a byte
// behind the record in w, so that two bytes may be looked at wherever one is. Like quick it
// gives 0 for any other, and it sees the same. It takes half of quick's time, which is most of what
// a batch of many small records takes beside its checksum.
func usual(w []byte) (g glance, size int) {
	n, i := two(w, 0)
	end := i + n
	if i < 0 || n < minRecordSize-1 || end >= len(w) {
		return g, 0
	}
	w = w[:end+1]
	n, i = two(w, i+1) // past the attributes
	g.timestampDelta = int64(n)
	n, i = two(w, i)
	g.offsetDelta = int32(n)
	n, i = two(w, i) // key
	if n < 0 {
		g.nullKey = true
		n = 0
	}
	n, i = two(w, i+n) // value
	i += max(n, 0)
	if i != end-1 || w[i] != 0 { // no headers
		return g, 0
	}
	return g, end
}

// two reads a zigzag number of one or two bytes at w[i], which are both there, and
// gives where it ends, or -1. An i outside of w gives -1 too.
func two(w []byte, i int) (n, end int) {
	if i < 0 || i+1 >= len(w) {
		return 0, -1
	}
	u := int(w[i])
	if u < 0x80 {
		return u>>1 ^ -(u & 1), i + 1
	}
	v := int(w[i+1])
	if v >= 0x80 {
		return 0, -1
	}
	u = u&0x7f | v<<7
	return u>>1 ^ -(u & 1), i + 2
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
