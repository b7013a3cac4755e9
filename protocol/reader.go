package protocol

import (
	"encoding/binary"
	"strconv"
)

// A request that names more than this is refused: what its parts cost in memory
// is many times what they cost on the wire, and no client sends it. Only a follower's
// Fetch may name more partitions: all that the follower has from one leader.
const (
	maxTopics = 100_000
	// MaxPartitions is how many partitions a client's Produce or Fetch may name.
	MaxPartitions = 50_000
)

// reader reads a request in place. The first failure stays, and all later reads
// give zeros, so that a decoder checks once.
type reader struct {
	b      []byte
	at     int
	what   string
	reason string
	flex   bool // compact lengths and tagged fields
	most   int  // how many partitions are read at most
	total  int  // partitions so far
	scans  bool // lists keep one element, see ScanFetch
}

func (r *reader) failed() bool { return r.reason != "" }

func (r *reader) error() error {
	return &MalformedError{What: r.what, Offset: r.at, Reason: r.reason}
}

func (r *reader) fail(reason string) {
	if r.reason == "" {
		r.reason = reason
	}
}

var zeros [16]byte

// next gives the next n bytes, or zeros (for the n of fixed fields) on failure.
func (r *reader) next(n int) []byte {
	if n > len(r.b)-r.at || r.failed() {
		r.fail("it ends within a field")
		return zeros[:min(n, len(zeros))]
	}
	b := r.b[r.at : r.at+n : r.at+n]
	r.at += n
	return b
}

func (r *reader) int8() int8   { return int8(r.next(1)[0]) }
func (r *reader) int16() int16 { return int16(binary.BigEndian.Uint16(r.next(2))) }
func (r *reader) int32() int32 { return int32(binary.BigEndian.Uint32(r.next(4))) }
func (r *reader) int64() int64 { return int64(binary.BigEndian.Uint64(r.next(8))) }

func (r *reader) uuid() (u UUID) {
	copy(u[:], r.next(16))
	return u
}

// uvarint reads an unsigned number of at most 5 bytes; like Apache's reader it
// drops the bits beyond 32.
func (r *reader) uvarint() uint32 {
	var u uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.next(1)[0]
		u |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return u
		}
	}
	r.fail("a number of more than 5 bytes")
	return 0
}

// compact reads a length that is sent plus one, 0 being null.
func (r *reader) compact() int {
	u := r.uvarint()
	if u > 1<<31 { // minus one it is no int32
		r.fail("a length of " + strconv.FormatUint(uint64(u)-1, 10))
		return 0
	}
	return int(u) - 1
}

// body gives n bytes; null is true for any negative n, as it is to Apache's
// reader, whatever the number.
func (r *reader) body(n int) (b []byte, null bool) {
	if n < 0 || r.failed() {
		return nil, true
	}
	return r.next(n), false
}

// oldString reads a string with a length of two bytes.
func (r *reader) oldString() ([]byte, bool) { return r.body(int(r.int16())) }

// nullable reads a string that may be null.
func (r *reader) nullable() ([]byte, bool) {
	if r.flex {
		return r.body(r.compact())
	}
	return r.oldString()
}

// string reads a string that may not be null, and gives old if it is the same.
func (r *reader) string(old string) string {
	b, null := r.nullable()
	if null {
		r.fail("a null where a string belongs")
	}
	if r.failed() || old == string(b) {
		return old
	}
	return string(b)
}

// nullableString reads a string that may be null.
func (r *reader) nullableString() *string {
	b, null := r.nullable()
	if null || r.failed() {
		return nil
	}
	s := string(b)
	return &s
}

// bytes reads bytes that may be null, given as nil; empty ones are not nil.
func (r *reader) bytes() []byte {
	var n int
	if r.flex {
		n = r.compact()
	} else {
		n = int(r.int32())
	}
	b, null := r.body(n)
	if null || r.failed() {
		return nil
	}
	return b
}

// array reads the length of an array that may not be null, whose elements take at
// least size bytes each. It refuses a length for which too few bytes are left.
func (r *reader) array(size, most int) int {
	var n int
	if r.flex {
		n = r.compact()
	} else {
		n = int(r.int32())
	}
	switch {
	case r.failed():
		return 0
	case n < 0:
		r.fail("a null where an array belongs")
		return 0
	case n > (len(r.b)-r.at)/size:
		r.fail("an array of " + strconv.Itoa(n) + " elements with " + strconv.Itoa(len(r.b)-r.at) + " bytes left")
		return 0
	case n > most:
		r.fail("an array of " + strconv.Itoa(n) + " elements, more than are read")
		return 0
	}
	return n
}

// partitions reads the length of an array of partitions, which count together.
func (r *reader) partitions(size int) int {
	n := r.array(size, r.most-r.total)
	r.total += n
	return n
}

// tagCount reads how many tagged fields follow. A decoder that knows some of them calls
// tag for each, and reads the field or calls skip; a decoder that knows none calls skipTags.
func (r *reader) tagCount() uint32 {
	if !r.flex {
		return 0
	}
	return r.uvarint()
}

// tag reads the number and the size of a tagged field. The size of a known field does
// not matter: Apache's reader does not compare it with what the field takes.
func (r *reader) tag() (tag, size uint32) { return r.uvarint(), r.uvarint() }

// skip passes over a field.
func (r *reader) skip(size uint32) {
	if int64(size) > int64(len(r.b)-r.at) {
		r.fail("a tagged field of " + strconv.FormatUint(uint64(size), 10) + " bytes")
		return
	}
	r.at += int(size)
}

// skipTags passes over tagged fields.
func (r *reader) skipTags() {
	for n := r.tagCount(); n > 0 && !r.failed(); n-- {
		_, size := r.tag()
		r.skip(size)
	}
}

// add is grow, but for a scan, of which s keeps the last element alone.
func add[T any](r *reader, s []T) []T {
	if r.scans {
		s = s[:0]
	}
	return grow(s)
}

// grow adds an element to s. If there is room it is one that s had before, so that
// its slices and strings are reused.
func grow[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}
