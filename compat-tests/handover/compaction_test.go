package handover

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestACompactedTopicGoesThereAndBack: a compacted topic goes from klamm to Apache Kafka
// and back. Each broker compacts what the other left, and every key keeps its latest
// value.
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
		if i > 0 && broker == "klamm" {
			j.compactAgain(t, b)
		}
		j.fill(t, i, table)
		j.awaitCompacted(t, i, table)
		if j.meta, err = harness.Admin(t, j.addr).Metadata(harness.Context(t), j.topic); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if broker == "klamm" {
			// Apache's own cleaner leaves time index entries for batches without records,
			// and Apache's DumpLogSegments finds fault with them.
			harness.DumpLogs(t, b.LogDir)
		}
		if t.Failed() {
			t.Fatalf("stage %d, %s; its log is kept: %s", i, broker, b.KeepLog())
		}
		b.Remove()
	}
}

// compactAgain sets cleanup.policy to compact again. Without ZooKeeper klamm cannot know
// the topic's policy, and does not take it from the broker's defaults.
func (j *journey) compactAgain(t *testing.T, b *harness.Broker) {
	t.Helper()
	ctx, adm := harness.Context(t), harness.Admin(t, j.addr)
	configs, err := adm.DescribeTopicConfigs(ctx, j.topic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range configs[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	if got["cleanup.policy"] != "delete" || got["retention.ms"] != "-1" || got["retention.bytes"] != "-1" {
		t.Fatalf("a topic that was taken over has %v", got)
	}
	b.AwaitLog(t, "have been compacted before")
	setPolicy(t, j.addr, j.topic, "compact")
}

func setPolicy(t *testing.T, addr, topic, policy string) {
	t.Helper()
	config := kadm.AlterConfig{Op: kadm.SetConfig, Name: "cleanup.policy", Value: kadm.StringPtr(policy)}
	altered, err := harness.Admin(t, addr).AlterTopicConfigs(harness.Context(t), []kadm.AlterConfig{config}, topic)
	if err != nil || altered[0].Err != nil {
		t.Fatal(altered, err)
	}
}

// tableKeys is how many keys there are, in partition 0. Each stage writes each key some
// times, in another codec, and deletes some keys in the end.
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

// TestKlammTakesOverAmidApachesFirstCompaction kills Apache's broker when it has replaced the
// first segments with a compacted copy and has not yet noted anywhere that it compacts the
// log. Then klamm takes the directory over, without ZooKeeper. It must not take the records
// that compaction removed for lost ones, and must keep all that follow.
func TestKlammTakesOverAmidApachesFirstCompaction(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "apache", Properties: map[string]string{
		"log.segment.bytes": "10000", "log.cleaner.backoff.ms": "50", "log.cleaner.min.cleanable.ratio": "0.9",
		"log.cleaner.io.max.bytes.per.second": "30000", "log.cleaner.io.buffer.size": "10000",
	}})
	topic := harness.Topic(t, b.Addr, 1) // filled before anything is compacted
	cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(2000), kgo.UnknownTopicRetries(-1))
	const n = 600 // in some ten segments, of which only the last records of ten keys are to stay
	for i := range n {
		cl.Produce(harness.Context(t), &kgo.Record{Topic: topic, Key: fmt.Append(nil, i%10), Value: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 150))}, nil)
	}
	if err := cl.Flush(harness.Context(t)); err != nil {
		t.Fatal(err)
	}
	setPolicy(t, b.Addr, topic, "compact")
	dir := filepath.Join(b.LogDir, topic+"-0")
	awaitFiles(t, filepath.Join(dir, "*.log.deleted"), 1)
	awaitFiles(t, filepath.Join(dir, "*.log.cleaned"), 1)
	b.Kill()
	if err := b.RunAs("klamm"); err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, b.Addr, topic, 1)
	records := harness.ReadPartition(t, b.Addr, topic, 0, 0, harness.EndOffset(t, b.Addr, topic, 0))
	latest := map[string]int64{}
	for _, r := range records {
		latest[string(r.Key)] = r.Offset
	}
	for k := range 10 {
		if got := latest[fmt.Sprint(k)]; got != int64(n-10+k) {
			t.Errorf("key %d has record %d, its latest is %d", k, got, n-10+k)
		}
	}
	if len(records) >= n {
		t.Errorf("all %d records are there: nothing was compacted", len(records))
	}
}

// awaitFiles waits until count files match a pattern.
func awaitFiles(t *testing.T, pattern string, count int) {
	t.Helper()
	for ctx := harness.Context(t); ; time.Sleep(time.Millisecond) {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) >= count {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d files %s", len(found), pattern)
		}
	}
}
