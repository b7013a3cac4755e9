package config

import (
	"testing"

	"klamm/logstore"
	"klamm/protocol/batch"
)

func TestLogOfDefaults(t *testing.T) {
	b, _ := mustLoad(t, Options{})
	d := NewDynamic(b, 1)
	topic, _ := d.Topic(nil)
	if got := topic.Log(d.Current()); got != logstore.DefaultConfig() {
		t.Errorf("log = %+v\nwant %+v", got, logstore.DefaultConfig())
	}
}

func TestLogOfEverySetting(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"producer.id.expiration.ms=13", "klamm.producer.ids.max.per.partition=17"}})
	d := NewDynamic(b, 1)
	topic, errs := d.Topic(map[string]string{"segment.bytes": "15", "segment.ms": "2", "segment.jitter.ms": "3", "index.interval.bytes": "4", "segment.index.bytes": "5",
		"retention.ms": "6", "retention.bytes": "7", "flush.messages": "8", "flush.ms": "9", "file.delete.delay.ms": "10", "cleanup.policy": "compact",
		"min.cleanable.dirty.ratio": "0.25", "min.compaction.lag.ms": "11", "max.compaction.lag.ms": "12", "delete.retention.ms": "14", "preallocate": "true", "message.timestamp.after.max.ms": "16"})
	want := logstore.Config{SegmentBytes: 15, Preallocate: true, SegmentMs: 2, SegmentJitterMs: 3, IndexIntervalBytes: 4, IndexBytes: 5, RetentionMs: 6, RetentionBytes: 7,
		FlushMessages: 8, FlushMs: 9, FileDeleteDelayMs: 10, Compact: true, ProducerExpirationMs: 13, ProducersMax: 17,
		MinCleanableDirtyRatio: 0.25, MinCompactionLagMs: 11, MaxCompactionLagMs: 12, DeleteRetentionMs: 14, FutureMs: 16}
	if got := topic.Log(d.Current()); got != want || len(errs) != 0 {
		t.Errorf("log = %+v\nwant %+v (%v)", got, want, errs)
	}
}

func TestWhatTheBrokerStampsIsNeverAhead(t *testing.T) {
	b, _ := mustLoad(t, Options{})
	d := NewDynamic(b, 1)
	topic, errs := d.Topic(map[string]string{"message.timestamp.type": "LogAppendTime"})
	if got := topic.Log(d.Current()).FutureMs; got != 0 || len(errs) != 0 {
		t.Errorf("%d, %v", got, errs)
	}
}

func TestCleanerOfDefaults(t *testing.T) {
	b, _ := mustLoad(t, Options{})
	if got := Cleaner(NewDynamic(b, 1).Current()); got != logstore.DefaultCleanerOptions() {
		t.Errorf("cleaner = %+v\nwant %+v", got, logstore.DefaultCleanerOptions())
	}
}

func TestCleanerOfEverySetting(t *testing.T) {
	sets := []string{"log.cleaner.threads=2", "log.cleaner.dedupe.buffer.size=3000000", "log.cleaner.io.buffer.load.factor=0.4", "log.cleaner.io.buffer.size=5",
		"log.cleaner.io.max.bytes.per.second=6.5", "log.cleaner.backoff.ms=7"}
	b, _ := mustLoad(t, Options{Sets: sets})
	want := logstore.CleanerOptions{Threads: 2, DedupeBufferBytes: 3000000, LoadFactor: 0.4, IOBufferBytes: 5, MaxBytesPerSecond: 6.5, BackoffMs: 7}
	if got := Cleaner(NewDynamic(b, 1).Current()); got != want {
		t.Errorf("cleaner = %+v\nwant %+v", got, want)
	}
	b, _ = mustLoad(t, Options{Sets: append(sets, "log.cleaner.enable=false")})
	want.Threads = 0
	if got := Cleaner(NewDynamic(b, 1).Current()); got != want {
		t.Errorf("cleaner that is switched off = %+v\nwant %+v", got, want)
	}
}

func TestCompressionOfATopic(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"compression.type=lz4", "compression.lz4.level=4", "compression.gzip.level=2"}})
	d := NewDynamic(b, 1)
	for _, c := range []struct {
		overrides map[string]string
		want      batch.Compression
	}{
		{nil, batch.Compression{Recompress: true, Codec: batch.LZ4, Level: 4}},
		{map[string]string{"compression.type": "producer"}, batch.Compression{}},
		{map[string]string{"compression.type": "uncompressed"}, batch.Compression{Recompress: true}},
		{map[string]string{"compression.type": "snappy"}, batch.Compression{Recompress: true, Codec: batch.Snappy}},
		{map[string]string{"compression.type": "gzip"}, batch.Compression{Recompress: true, Codec: batch.Gzip, Level: 2}},
		{map[string]string{"compression.type": "gzip", "compression.gzip.level": "-1"}, batch.Compression{Recompress: true, Codec: batch.Gzip, Level: batch.DefaultGzipLevel}},
		{map[string]string{"compression.type": "zstd"}, batch.Compression{Recompress: true, Codec: batch.Zstd, Level: batch.DefaultZstdLevel}},
		{map[string]string{"compression.type": "zstd", "compression.zstd.level": "-131072"}, batch.Compression{Recompress: true, Codec: batch.Zstd, Level: -131072}},
	} {
		topic, errs := d.Topic(c.overrides)
		if got := topic.Compression(); got != c.want || len(errs) != 0 {
			t.Errorf("%v: %+v, want %+v (%v)", c.overrides, got, c.want, errs)
		}
	}
	b, _ = mustLoad(t, Options{})
	if topic, _ := NewDynamic(b, 1).Topic(map[string]string{"compression.type": "lz4"}); topic.Compression().Level != batch.DefaultLZ4Level {
		t.Errorf("%+v", topic.Compression())
	}
}
