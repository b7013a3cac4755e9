package config

import (
	"maps"
	"slices"
)

// Topic has the effective settings of a topic: its own overrides, and the broker's settings for the rest.
// Sizes are in bytes, times in ms, as their properties are.
type Topic struct {
	SegmentBytes, IndexBytes, IndexIntervalBytes, MaxMessageBytes int32
	SegmentMs, SegmentJitterMs                                    int64
	FlushMessages, FlushMs                                        int64
	RetentionMs, RetentionBytes                                   int64 // -1 for no bound
	FileDeleteDelayMs                                             int64
	Delete, Compact                                               bool // both false: kept for ever
	Preallocate                                                   bool
	LogAppendTime                                                 bool
	TimestampBeforeMaxMs, TimestampAfterMaxMs                     int64
	MinInSyncReplicas                                             int
	CompressionType                                               string // producer, uncompressed, gzip, snappy, lz4, zstd
	GzipLevel, LZ4Level, ZstdLevel                                int
	DeleteRetentionMs, MinCompactionLagMs, MaxCompactionLagMs     int64
	MinCleanableDirtyRatio                                        float64

	// Values has every topic property by name.
	Values *Values
}

// Topic resolves a topic's overrides over the broker's settings as they are now. An override that
// is unknown, does not parse or is not allowed is ignored and reported: somebody else than this broker wrote
// it into the tree.
func (d *Dynamic) Topic(overrides map[string]string) (Topic, []error) {
	given := topicDefaults(d.Current())
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		p, ok := topicByName[name]
		if !ok {
			errs = append(errs, unknownTopicName(name))
			continue
		}
		value := overrides[name]
		if _, err := p.resolve(&value); err != nil {
			errs = append(errs, err)
			continue
		}
		given[name] = value
	}
	// The broker's settings may give a topic property a value that no topic may have. The topic then has Kafka's
	// default for that property, and keeps all others.
	v, bad := resolveEach(topicOrder, given)
	return newTopic(v), append(errs, bad...)
}

var topicOrder = pointers(topicTable)

func newTopic(v *Values) Topic {
	i32 := func(name string) int32 { return int32(v.Long(name)) }
	policy := v.List("cleanup.policy")
	const older = "message.timestamp.difference.max.ms"
	return Topic{
		SegmentBytes: i32("segment.bytes"), IndexBytes: i32("segment.index.bytes"),
		IndexIntervalBytes: i32("index.interval.bytes"), MaxMessageBytes: i32("max.message.bytes"),
		SegmentMs: v.Long("segment.ms"), SegmentJitterMs: v.Long("segment.jitter.ms"),
		FlushMessages: v.Long("flush.messages"), FlushMs: v.Long("flush.ms"),
		RetentionMs: v.Long("retention.ms"), RetentionBytes: v.Long("retention.bytes"),
		FileDeleteDelayMs: v.Long("file.delete.delay.ms"),
		Delete:            slices.Contains(policy, "delete"), Compact: slices.Contains(policy, "compact"),
		Preallocate:          v.Bool("preallocate"),
		LogAppendTime:        v.String("message.timestamp.type") == "LogAppendTime",
		TimestampBeforeMaxMs: timestampBound(v, "message.timestamp.before.max.ms", older),
		TimestampAfterMaxMs:  timestampBound(v, "message.timestamp.after.max.ms", older),
		MinInSyncReplicas:    v.Int("min.insync.replicas"),
		CompressionType:      v.String("compression.type"),
		GzipLevel:            v.Int("compression.gzip.level"), LZ4Level: v.Int("compression.lz4.level"), ZstdLevel: v.Int("compression.zstd.level"),
		DeleteRetentionMs: v.Long("delete.retention.ms"), MinCompactionLagMs: v.Long("min.compaction.lag.ms"),
		MaxCompactionLagMs:     v.Long("max.compaction.lag.ms"),
		MinCleanableDirtyRatio: v.Double("min.cleanable.dirty.ratio"),
		Values:                 v,
	}
}

// RollMs gives the age in ms at which a segment is closed: segment.ms or, for a compacted topic, the smaller of
// segment.ms and max.compaction.lag.ms, since only closed segments are compacted.
func (t Topic) RollMs() int64 {
	if t.Compact && t.MaxCompactionLagMs > 0 {
		return min(t.MaxCompactionLagMs, t.SegmentMs)
	}
	return t.SegmentMs
}

// topicDefaults gives the values that topic properties take from the broker's settings, as text
// (KafkaConfig.extractLogConfigMap).
func topicDefaults(v *Values) map[string]string {
	out := make(map[string]string, len(topicTable))
	for _, p := range topicOrder {
		for _, f := range p.Fallback {
			if v.Null(f.Name) {
				continue
			}
			if f.Factor != 0 {
				out[p.Name] = text(v.Long(f.Name) * f.Factor)
			} else {
				out[p.Name] = text(v.byKey[f.Name])
			}
			break
		}
	}
	out["retention.ms"] = text(retention(v))
	const older = "log.message.timestamp.difference.max.ms"
	out["message.timestamp.before.max.ms"] = text(timestampBound(v, "log.message.timestamp.before.max.ms", older))
	out["message.timestamp.after.max.ms"] = text(timestampBound(v, "log.message.timestamp.after.max.ms", older))
	out["message.format.version"] = messageFormat(v)
	return out
}

// messageFormat gives log.message.format.version, which Apache Kafka ignores if inter.broker.protocol.version is
// 3.0 or newer.
func messageFormat(v *Values) string {
	const newest = "3.0-IV1"
	spoken, _ := findVersion(v.String("inter.broker.protocol.version"))
	if slices.Index(metadataVersions, spoken) >= slices.Index(metadataVersions, newest) {
		return newest
	}
	format, _ := findVersion(v.String("log.message.format.version"))
	return format
}
