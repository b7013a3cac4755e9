package logstore

import "math"

// Config says how one log behaves: the topic's configuration with the broker's
// defaults filled in, already validated. Sizes are in bytes, times in
// milliseconds.
type Config struct {
	// SegmentBytes (segment.bytes) is how large a segment may become.
	SegmentBytes int32
	// Preallocate (preallocate) gives a new segment's file its full size at once. As
	// with Apache's broker the file has a hole then: no room on the disk is taken for it.
	Preallocate bool
	// SegmentMs (segment.ms) is how far a segment's timestamps may lie apart, and
	// SegmentJitterMs (segment.jitter.ms) by how much that is lowered at random.
	SegmentMs, SegmentJitterMs int64
	// IndexIntervalBytes (index.interval.bytes) is about how many bytes lie between two
	// entries of the indexes.
	IndexIntervalBytes int32
	// IndexBytes (segment.index.bytes) is how large an index may become before
	// the segment rolls.
	IndexBytes int32
	// RetentionMs and RetentionBytes (retention.ms, retention.bytes); below 0 for no limit.
	RetentionMs, RetentionBytes int64
	// FutureMs is how far ahead of the clock a record's timestamp may be
	// (message.timestamp.after.max.ms; 0 for LogAppendTime). A record that is further ahead
	// was written while the clock was wrong, and retention does not wait for its time.
	FutureMs int64
	// FlushMessages (flush.messages) is how many records may be appended before
	// they are synced; with 1 every append waits for the disk.
	FlushMessages int64
	// FlushMs (flush.ms) is how long a record may stay unsynced; see Log.FlushDue.
	FlushMs int64
	// FileDeleteDelayMs (file.delete.delay.ms) is how long a deleted segment's
	// files stay, renamed.
	FileDeleteDelayMs int64
	// Delete and Compact are the two halves of cleanup.policy.
	Delete, Compact bool
	// MinCleanableDirtyRatio (min.cleanable.dirty.ratio) is the part of a log that must
	// be dirty for the log to be compacted.
	MinCleanableDirtyRatio float64
	// MinCompactionLagMs (min.compaction.lag.ms) is how long a record is not compacted
	// at least. MaxCompactionLagMs (max.compaction.lag.ms) is after how long, about, it
	// is. SegmentMs must be at most the latter, since only sealed segments are compacted.
	MinCompactionLagMs, MaxCompactionLagMs int64
	// DeleteRetentionMs (delete.retention.ms) is how long tombstones outlive the
	// first compaction that meets them.
	DeleteRetentionMs int64
	// ProducerExpirationMs (producer.id.expiration.ms, the broker's) is how long a
	// producer that writes nothing is remembered.
	ProducerExpirationMs int64
	// ProducersMax (klamm.producer.ids.max.per.partition) is how many producers the log knows at most; 0 for no bound.
	ProducersMax int
}

// DefaultConfig gives Apache Kafka 3.9's defaults, and klamm's for what Kafka does not bound.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:       1 << 30,
		SegmentMs:          7 * 24 * 3600 * 1000,
		IndexIntervalBytes: 4096,
		IndexBytes:         10 << 20,
		RetentionMs:        7 * 24 * 3600 * 1000,
		RetentionBytes:     -1,
		FutureMs:           math.MaxInt64,
		FlushMessages:      math.MaxInt64,
		FlushMs:            math.MaxInt64,
		FileDeleteDelayMs:  60000,
		Delete:             true,

		MinCleanableDirtyRatio: 0.5,
		MaxCompactionLagMs:     math.MaxInt64,
		DeleteRetentionMs:      24 * 3600 * 1000,

		ProducerExpirationMs: 24 * 3600 * 1000,
		ProducersMax:         100_000,
	}
}
