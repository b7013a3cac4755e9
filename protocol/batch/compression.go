package batch

import (
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression says how a topic's batches are compressed: compression.type, and the
// level of its codec (compression.gzip.level, .lz4.level, .zstd.level; KIP-390).
// The zero value is compression.type=producer: batches keep their codec.
type Compression struct {
	// Recompress says that batches in another codec are recompressed in Codec.
	Recompress bool
	Codec      Codec
	// Level is Kafka's level, as configured. Codecs without levels ignore it.
	Level int
}

// Kafka's levels where nobody has set one (CompressionType).
const (
	DefaultGzipLevel = -1
	DefaultLZ4Level  = 9
	DefaultZstdLevel = 3
)

// as gives the codec with its default level. A batch that keeps its codec is packed at
// that level, whatever is configured, as in Apache Kafka.
func as(codec Codec) Compression {
	c := Compression{Codec: codec}
	switch codec {
	case Gzip:
		c.Level = DefaultGzipLevel
	case LZ4:
		c.Level = DefaultLZ4Level
	case Zstd:
		c.Level = DefaultZstdLevel
	}
	return c
}

// of gives the compression for records that came in this codec.
func (c Compression) of(codec Codec) Compression {
	if c.Recompress {
		return c
	}
	return as(codec)
}

// keeps reports whether a batch in codec is stored as it is.
func (c Compression) keeps(codec Codec) bool { return !c.Recompress || c.Codec == codec }

// strengths is the number of settings that a codec's library can have: see Compression.strength.
const strengths = 10

// strength gives the setting of the codec's library for the level, from 0 to 9; 0
// is the library's default:
//
//   - gzip has Kafka's levels, 1 to 9.
//   - lz4 packs quickly at level 9, Kafka's default, as Apache's does, and searches at
//     every other: two of Kafka's 17 levels are one of the library's 9.
//   - zstd has four: below 3, 3 to 5, 6 to 9, from 10 on.
func (c Compression) strength() int {
	switch c.Codec {
	case Gzip:
		if c.Level >= gzip.BestSpeed && c.Level <= gzip.BestCompression {
			return c.Level
		}
	case LZ4:
		if c.Level != DefaultLZ4Level {
			return (min(max(c.Level, 1), 17) + 1) / 2
		}
	case Zstd:
		return int(zstd.EncoderLevelFromZstd(c.Level))
	}
	return 0
}

// openGzip, openLZ4 and openZstd make a writer of a strength; see strength.
func openGzip(strength int) (*gzip.Writer, error) {
	if strength == 0 {
		strength = gzip.DefaultCompression
	}
	return gzip.NewWriterLevel(nil, strength)
}

func openLZ4(strength int) *lz4Packer {
	z := &lz4Packer{packBlock: new(lz4.CompressorCCompat).CompressBlock}
	if strength > 0 {
		c := &lz4.CompressorHC{Level: lz4.CompressionLevel(1 << (8 + strength))} // lz4.Level1 to lz4.Level9
		z.packBlock = c.CompressBlock
	}
	return z
}

func openZstd(strength int) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(packWindow),
		zstd.WithEncoderLevel(zstd.EncoderLevel(strength)))
}
