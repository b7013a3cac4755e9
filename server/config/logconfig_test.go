package config

import (
	"testing"

	"klamm/logstore"
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
	b, _ := mustLoad(t, Options{Sets: []string{"producer.id.expiration.ms=13"}})
	d := NewDynamic(b, 1)
	topic, errs := d.Topic(map[string]string{"segment.bytes": "15", "segment.ms": "2", "segment.jitter.ms": "3", "index.interval.bytes": "4", "segment.index.bytes": "5",
		"retention.ms": "6", "retention.bytes": "7", "flush.messages": "8", "flush.ms": "9", "file.delete.delay.ms": "10", "cleanup.policy": "compact"})
	want := logstore.Config{SegmentBytes: 15, SegmentMs: 2, SegmentJitterMs: 3, IndexIntervalBytes: 4, IndexBytes: 5, RetentionMs: 6, RetentionBytes: 7,
		FlushMessages: 8, FlushMs: 9, FileDeleteDelayMs: 10, Compact: true, ProducerExpirationMs: 13}
	if got := topic.Log(d.Current()); got != want || len(errs) != 0 {
		t.Errorf("log = %+v\nwant %+v (%v)", got, want, errs)
	}
}
