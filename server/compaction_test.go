package server_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCompactedTopic writes keys over and over into a compacted topic and reads
// until what is left is little more than the last value of each.
func TestCompactedTopic(t *testing.T) {
	addr := startBroker(t, "log.cleaner.backoff.ms=5", "log.cleaner.dedupe.buffer.size=1200000")
	ctx, cl := client(t, addr, kgo.DefaultProduceTopic("table"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	one := func(s string) *string { return &s }
	configs := map[string]*string{"cleanup.policy": one("compact"), "segment.bytes": one("4000"),
		"min.cleanable.dirty.ratio": one("0.01"), "delete.retention.ms": one("0"), "file.delete.delay.ms": one("1")}
	if r, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, configs, "table"); err != nil || r.Err != nil {
		t.Fatal(err, r.Err)
	}
	const rounds, keys = 60, 20
	want := map[string]string{}
	for i := range rounds {
		for k := range keys {
			r := &kgo.Record{Key: fmt.Appendf(nil, "key %d", k), Value: fmt.Appendf(nil, "value %d of %d", i, k)}
			if i == rounds/2 && k >= keys/2 || i > rounds/2 && k >= keys/2 {
				r.Value = nil // the second half of the keys goes
			}
			if want[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(want, string(r.Key))
			}
			if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for {
		n, tombstones, got := readTable(ctx, t, addr, rounds*keys)
		if len(got) != len(want) {
			t.Fatalf("%d keys have a value, want %d", len(got), len(want))
		}
		for k, v := range want {
			if got[k] != v {
				t.Fatalf("%s is %q, want %q", k, got[k], v)
			}
		}
		// What is not sealed is not compacted: some dozens of records in 4000 bytes.
		if n < 120 && tombstones < 60 {
			return
		}
	}
}

// readTable reads partition 0 of the topic from its start to an offset and gives
// the number of records, of tombstones, and the last value of each key.
func readTable(ctx context.Context, t *testing.T, addr string, end int64) (n, tombstones int, table map[string]string) {
	t.Helper()
	// Records at the very end are never compacted, so that reading ends.
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"table": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	table = map[string]string{}
	for last := int64(-1); last < end-1; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset <= last {
				t.Fatalf("offset %d after %d", r.Offset, last)
			}
			last = r.Offset
			n++
			if table[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(table, string(r.Key))
				tombstones++
			}
		})
	}
	return n, tombstones, table
}
