package config

import (
	"math"

	"klamm/logstore"
	"klamm/protocol/batch"
)

// Log gives the settings of a topic's logs. v are the broker's settings (see Dynamic.Current): some settings of a
// log are no topic properties.
func (t Topic) Log(v *Values) logstore.Config {
	future := t.TimestampAfterMaxMs
	if t.LogAppendTime {
		future = 0
	}
	return logstore.Config{
		FutureMs:     future,
		SegmentBytes: t.SegmentBytes, Preallocate: t.Preallocate, SegmentMs: t.RollMs(), SegmentJitterMs: t.SegmentJitterMs,
		IndexIntervalBytes: t.IndexIntervalBytes, IndexBytes: t.IndexBytes,
		RetentionMs: t.RetentionMs, RetentionBytes: t.RetentionBytes,
		FlushMessages: t.FlushMessages, FlushMs: t.FlushMs,
		FileDeleteDelayMs: t.FileDeleteDelayMs,
		Delete:            t.Delete, Compact: t.Compact,
		MinCleanableDirtyRatio: t.MinCleanableDirtyRatio, DeleteRetentionMs: t.DeleteRetentionMs,
		MinCompactionLagMs: t.MinCompactionLagMs, MaxCompactionLagMs: t.MaxCompactionLagMs,
		ProducerExpirationMs: v.Long("producer.id.expiration.ms"),
		ProducersMax:         v.Int("klamm.producer.ids.max.per.partition"),
	}
}

// Compression gives the codec and level in which the broker stores the topic's batches. Recompress is false for
// compression.type=producer: the broker then keeps the producer's codec.
func (t Topic) Compression() batch.Compression {
	c := batch.Compression{Recompress: true}
	switch t.CompressionType {
	case "uncompressed":
	case "gzip":
		c.Codec, c.Level = batch.Gzip, t.GzipLevel
	case "snappy":
		c.Codec = batch.Snappy
	case "lz4":
		c.Codec, c.Level = batch.LZ4, t.LZ4Level
	case "zstd":
		c.Codec, c.Level = batch.Zstd, t.ZstdLevel
	default:
		c.Recompress = false
	}
	return c
}

// RackAware says whether consumers are told which replica is in their rack, so that they read from followers too: whether a
// replica.selector.class is set, of which there is one.
func RackAware(v *Values) bool { return !v.Null("replica.selector.class") }

// MoveBytesPerSecond gives the bytes per second that all logs that move between directories may copy
// together, 0 for no limit. A limit of 0 in the configuration counts as 1 byte per second.
func MoveBytesPerSecond(v *Values) float64 {
	rate := v.Long("replica.alter.log.dirs.io.max.bytes.per.second")
	if rate == math.MaxInt64 {
		return 0
	}
	return max(float64(rate), 1)
}

// Cleaner gives the settings of the log cleaner. Threads is 0 if log.cleaner.enable is false. A MaxBytesPerSecond
// of 0 means no limit.
func Cleaner(v *Values) logstore.CleanerOptions {
	o := logstore.CleanerOptions{
		DedupeBufferBytes: v.Long("log.cleaner.dedupe.buffer.size"), LoadFactor: v.Double("log.cleaner.io.buffer.load.factor"),
		IOBufferBytes:     v.Int("log.cleaner.io.buffer.size"),
		MaxBytesPerSecond: v.Double("log.cleaner.io.max.bytes.per.second"),
		BackoffMs:         v.Long("log.cleaner.backoff.ms"),
	}
	if v.Bool("log.cleaner.enable") {
		o.Threads = v.Int("log.cleaner.threads")
	}
	if o.MaxBytesPerSecond == math.MaxFloat64 {
		o.MaxBytesPerSecond = 0
	}
	return o
}
