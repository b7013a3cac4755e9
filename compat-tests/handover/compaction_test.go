package handover

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// A compacted topic goes from klamm to Apache Kafka and back: each compacts what
// the other left, and no key ever has another last value.
func TestACompactedTopicGoesThereAndBack(t *testing.T) {
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{addr: fmt.Sprintf("127.0.0.1:%d", port), data: t.TempDir(), topic: "table",
		properties: map[string]string{"log.cleanup.policy": "compact", "log.segment.bytes": "4000", "log.index.interval.bytes": "500",
			"log.cleaner.backoff.ms": "50", "log.cleaner.min.cleanable.ratio": "0.01", "log.cleaner.delete.retention.ms": "200",
			"log.segment.delete.delay.ms": "100"}}
	table := map[string]string{}
	for i, broker := range []string{"klamm", "apache", "klamm", "apache", "klamm"} {
		b := j.start(t, broker, i)
		j.fill(t, i, table)
		j.awaitCompacted(t, i, table)
		if j.meta, err = harness.Admin(t, j.addr).Metadata(harness.Context(t), j.topic); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if broker == "klamm" {
			// Apache's own cleaner has the time index point at batches that it left without
			// records, which its DumpLogSegments then finds fault with.
			harness.DumpLogs(t, b.LogDir)
		}
		if t.Failed() {
			t.Fatalf("stage %d, %s; its log is kept: %s", i, broker, b.KeepLog())
		}
		b.Remove()
	}
}

// tableKeys is how many keys there are, in partition 0; each stage writes each
// some times, in another codec, and deletes some in the end.
const tableKeys = 100

func (j *journey) fill(t *testing.T, stage int, table map[string]string) {
	t.Helper()
	codec := []kgo.CompressionCodec{kgo.Lz4Compression(), kgo.ZstdCompression(), kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression()}[stage]
	cl := harness.Client(t, j.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(3000),
		kgo.ProducerBatchCompression(codec), kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	for round := range 30 {
		var records []*kgo.Record
		for k := range tableKeys {
			r := &kgo.Record{Topic: j.topic, Key: fmt.Appendf(nil, "key %d", k), Value: fmt.Appendf(nil, "%d-%d-%d %x", stage, round, k, k*k*k*7919)}
			if round >= 20 && k%7 == stage {
				r.Value = nil
			}
			records = append(records, r)
			if table[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(table, string(r.Key))
			}
		}
		if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
			t.Fatalf("stage %d: %v", stage, err)
		}
		j.sent += tableKeys
	}
}

// awaitCompacted reads the table until it holds little more than one record for each key.
func (j *journey) awaitCompacted(t *testing.T, stage int, table map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for n := tableKeys * 30; n > tableKeys*12; {
		if ctx.Err() != nil {
			t.Fatalf("stage %d: %d records are left and not compacted", stage, n)
		}
		records := j.readTable(ctx, t)
		n = len(records)
		got := map[string]string{}
		for _, r := range records {
			if got[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(got, string(r.Key))
			}
		}
		for k, v := range table {
			if got[k] != v {
				t.Fatalf("stage %d: %s is %q, want %q", stage, k, got[k], v)
			}
		}
		if len(got) != len(table) {
			t.Fatalf("stage %d: %d keys, want %d", stage, len(got), len(table))
		}
	}
}

func (j *journey) readTable(ctx context.Context, t *testing.T) (records []*kgo.Record) {
	t.Helper()
	cl := harness.Client(t, j.addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{j.topic: {0: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	for last := int64(-1); last < int64(j.sent)-1; { // the last record is in the active segment and stays
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset <= last {
				t.Fatalf("offset %d after %d", r.Offset, last)
			}
			last = r.Offset
			records = append(records, r)
		})
	}
	return records
}
