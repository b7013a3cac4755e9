package groupcoord

import (
	"log/slog"
	"time"

	"klamm/protocol/batch"
)

// Config is what the broker's properties say about groups.
type Config struct {
	MinSessionTimeoutMs     int32 // group.min.session.timeout.ms
	MaxSessionTimeoutMs     int32 // group.max.session.timeout.ms
	InitialRebalanceDelayMs int32 // group.initial.rebalance.delay.ms
	MaxSize                 int   // group.max.size: members of a group

	MaxMetadataSize    int         // offset.metadata.max.bytes; counted in UTF-16 units, as the reference does
	OffsetsRetentionMs int64       // offsets.retention.minutes
	CommitTimeoutMs    int64       // offsets.commit.timeout.ms
	LoadBufferBytes    int         // offsets.load.buffer.size
	Codec              batch.Codec // offsets.topic.compression.codec
	// MaxBytes bounds the memory that groups take in all, as they count it. Beyond it no group, member or offset is taken
	// that is not there yet, and what a member says and is given to do does not grow.
	MaxBytes   int64
	Partitions func() int32 // how many partitions __consumer_offsets has, or will have
}

// Options are what a Coordinator is made of; all are required.
type Options struct {
	Config Config
	// Now is the time. What it says with a monotonic clock is used for timers.
	Now func() time.Time
	// After calls f once after some time, on any goroutine; stop prevents that if it is not too late.
	After func(d time.Duration, f func()) (stop func() bool)
	// NewMemberID makes an id that nobody has, of what it begins with.
	NewMemberID func(prefix string) string
	Logger      *slog.Logger
}

// Log is a partition of __consumer_offsets that this broker leads. Its methods may be called by several goroutines
// at once, Append by one for each group.
type Log interface {
	// Append stores one batch of records, in whose bytes offsets are written. It gives the offset of the first
	// record, and whether they count on return (offsets.commit.required.acks). If not, done is called once with what becomes of
	// them, on any goroutine; it does not block. Errors: ErrNotCoordinator, ErrNotAvailable, ErrRecordsTooLarge, or others.
	Append(records []byte, done func(error)) (base int64, committed bool, err error)
	// Offsets gives the first offset and the one behind the last.
	Offsets() (start, end int64)
	// Read reads whole batches from the one with an offset on, at most len(buf) bytes unless the first is larger.
	// What it gives may be a part of buf. Nothing without an error is the end.
	Read(offset int64, buf []byte) ([]byte, error)
}
