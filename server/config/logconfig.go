package config

import "klamm/logstore"

// Log gives the part of a topic's settings that its logs go by. v are the broker's, for what no topic
// sets; see Dynamic.Current.
func (t Topic) Log(v *Values) logstore.Config {
	return logstore.Config{
		SegmentBytes: t.SegmentBytes, SegmentMs: t.RollMs(), SegmentJitterMs: t.SegmentJitterMs,
		IndexIntervalBytes: t.IndexIntervalBytes, IndexBytes: t.IndexBytes,
		RetentionMs: t.RetentionMs, RetentionBytes: t.RetentionBytes,
		FlushMessages: t.FlushMessages, FlushMs: t.FlushMs,
		FileDeleteDelayMs: t.FileDeleteDelayMs,
		Delete:            t.Delete, Compact: t.Compact,
		ProducerExpirationMs: v.Long("producer.id.expiration.ms"),
	}
}
