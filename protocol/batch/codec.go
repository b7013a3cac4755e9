package batch

import "strconv"

// Codec is how the records of a batch are compressed; the numbers are those of
// the attributes on the wire.
type Codec int8

// The codecs that exist.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Codecs lists every codec, None first.
func Codecs() []Codec { return []Codec{None, Gzip, Snappy, LZ4, Zstd} }

// Known reports whether the codec exists.
func (c Codec) Known() bool { return c >= None && c <= Zstd }

// String gives the name that configuration uses: none, gzip, snappy, lz4, zstd.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return "unknown(" + strconv.Itoa(int(c)) + ")"
}
