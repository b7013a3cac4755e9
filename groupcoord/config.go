package groupcoord

import (
	"log/slog"
	"time"

	"klamm/observe"
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
	// MaxBytes bounds the memory that all groups take together, as they count it. Beyond it no new group, member or offset is
	// taken, and the metadata and the assignments of members do not grow.
	MaxBytes   int64
	Partitions func() int32 // how many partitions __consumer_offsets has, or will have once it is created
}

// Options are what a Coordinator is made of; all but Observer are required.
type Options struct {
	Config Config
	// Now gives the time. Timers go by its monotonic clock.
	Now func() time.Time
	// After calls f once, on any goroutine, when d is over. stop prevents that if it is not too late.
	After func(d time.Duration, f func()) (stop func() bool)
	// NewMemberID makes a member id that no other member has. It begins with the prefix.
	NewMemberID func(prefix string) string
	// Observer gets an event for each rebalance and for each member that is removed; nil: nobody observes.
	Observer *observe.Observer
	// Logger gets a line for each rebalance, among others: whoever makes it bounds the rate.
	Logger *slog.Logger
}

// Log is a partition of __consumer_offsets that this broker leads. Its methods may be called by several goroutines
// at once, Append by one for each group.
type Log interface {
	// Append stores one batch of records, and writes their offsets into its bytes. It gives the offset of the first
	// record, and whether the batch is committed already (offsets.commit.required.acks). If it is not, done is called once when it is or cannot
	// be any more, on any goroutine; done does not block. Errors: ErrNotCoordinator, ErrNotAvailable, ErrRecordsTooLarge, or others.
	Append(records []byte, done func(error)) (base int64, committed bool, err error)
	// Offsets gives the log start offset and the log end offset.
	Offsets() (start, end int64)
	// Read reads whole, intact batches from the one with an offset on, at most so many bytes unless the first is larger.
	// It writes them over buf if they fit its capacity. Nothing without an error is the end. ErrCorrupt says that the batch with the
	// offset is not intact; any other error may pass.
	Read(offset int64, most int, buf []byte) ([]byte, error)
	// MaxBatchBytes is how large a batch may be.
	MaxBatchBytes() int
	// Flush waits until all that was appended is on the disk.
	Flush() error
}
