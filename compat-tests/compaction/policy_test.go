package compaction

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestPolicies deletes topics and changes their policy while they are compacted. The rate is so
// low that compacting some segments takes half a second or so.
func TestPolicies(t *testing.T) {
	b := harness.Start(t, harness.Options{Properties: map[string]string{
		"log.segment.bytes": "10000", "log.cleaner.backoff.ms": "20", "log.cleaner.min.cleanable.ratio": "0.001", "log.cleaner.io.buffer.size": "10000",
		"log.cleaner.io.max.bytes.per.second": "300000", "log.segment.delete.delay.ms": "1000",
	}})
	t.Run("compact and delete", func(t *testing.T) { compactAndDelete(t, b) })
	t.Run("lags", func(t *testing.T) { lags(t, b) })
	t.Run("a policy that changes", func(t *testing.T) { policyChanges(t, b) })
	t.Run("a topic that is deleted", func(t *testing.T) { topicDeleted(t, b) })
	t.Run("a producer that was compacted away", func(t *testing.T) { producerCompactedAway(t, b) })
}

// fill writes the same keys in each round, so that only the last round's records are the latest,
// and gives the log end offset.
func fill(t *testing.T, addr, topic string, rounds, keys int) int64 {
	t.Helper()
	cl := harness.Client(t, addr, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(2000), kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	for i := range rounds * keys {
		cl.Produce(harness.Context(t), &kgo.Record{Topic: topic, Key: fmt.Append(nil, i%keys), Value: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 100))},
			func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
	}
	if err := cl.Flush(harness.Context(t)); err != nil {
		t.Fatal(err)
	}
	return harness.EndOffset(t, addr, topic, 0)
}

// awaitFewer waits until a topic has fewer than n records, and gives them.
func awaitFewer(t *testing.T, addr, topic string, n int) []*kgo.Record {
	t.Helper()
	for ctx := harness.Context(t); ; time.Sleep(20 * time.Millisecond) {
		records := readAll(t, addr, topic)
		if len(records) < n {
			return records
		}
		if ctx.Err() != nil {
			t.Fatalf("%d records are left of %s", len(records), topic)
		}
	}
}

func readAll(t *testing.T, addr, topic string) []*kgo.Record {
	t.Helper()
	return harness.ReadPartition(t, addr, topic, 0, startOffset(t, addr, topic), harness.EndOffset(t, addr, topic, 0),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
}

func startOffset(t *testing.T, addr, topic string) int64 {
	t.Helper()
	listed, err := harness.Admin(t, addr).ListStartOffsets(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := listed.Lookup(topic, 0)
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	return o.Offset
}

func configure(t *testing.T, addr, topic string, values ...string) {
	t.Helper()
	var configs []kadm.AlterConfig
	for i := 0; i < len(values); i += 2 {
		configs = append(configs, kadm.AlterConfig{Op: kadm.SetConfig, Name: values[i], Value: &values[i+1]})
	}
	altered, err := harness.Admin(t, addr).AlterTopicConfigs(harness.Context(t), configs, topic)
	if err != nil || altered[0].Err != nil {
		t.Fatal(altered, err)
	}
}

// latestOf gives the offset of each key's last record.
func latestOf(records []*kgo.Record) map[string]int64 {
	m := map[string]int64{}
	for _, r := range records {
		m[string(r.Key)] = r.Offset
	}
	return m
}

// compactAndDelete has retention delete the oldest records of a topic that is compacted,
// too.
func compactAndDelete(t *testing.T, b *harness.Broker) {
	topic := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact,delete", "retention.bytes", "30000", "file.delete.delay.ms", "100")
	const rounds, keys = 2, 300 // of which 30000 bytes hold some two thirds
	end := fill(t, b.Addr, topic, rounds, keys)
	for ctx := harness.Context(t); startOffset(t, b.Addr, topic) < keys; time.Sleep(20 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("the log starts at %d", startOffset(t, b.Addr, topic))
		}
	}
	first := startOffset(t, b.Addr, topic)
	latest := latestOf(readAll(t, b.Addr, topic))
	for n := max(first, end-keys); n < end; n++ {
		if got := latest[fmt.Sprint(n%keys)]; got != n {
			t.Errorf("the log starts at %d; key %d has record %d, its latest is %d", first, n%keys, got, n)
		}
	}
	// Compaction removes the overwritten records from what retention leaves.
	configure(t, b.Addr, topic, "retention.bytes", "-1")
	fill(t, b.Addr, topic, 40, 10)
	awaitFewer(t, b.Addr, topic, int(end-first)+200)
}

// lags checks that two topics are not compacted: one that is never dirty enough, and one whose
// records are never old enough.
func lags(t *testing.T, b *harness.Broker) {
	const n = 20 * 20
	late := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "1", "max.compaction.lag.ms", "1000")
	never := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact", "min.compaction.lag.ms", "86400000")
	fill(t, b.Addr, never, 20, 20)
	fill(t, b.Addr, late, 20, 20)
	awaitFewer(t, b.Addr, late, n-100)
	if got := len(readAll(t, b.Addr, never)); got != n {
		t.Errorf("%d records are left, younger than min.compaction.lag.ms", got)
	}
	configure(t, b.Addr, never, "min.compaction.lag.ms", "0")
	awaitFewer(t, b.Addr, never, n-100)
}

// policyChanges takes compaction away from a topic that is being compacted, and gives
// it back.
func policyChanges(t *testing.T, b *harness.Broker) {
	topic, other := harness.Topic(t, b.Addr, 1, "retention.ms", "-1"), harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact")
	end := fill(t, b.Addr, topic, 30, 20)
	w, err := watchDirs(filepath.Join(b.LogDir, topic+"-0"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	configure(t, b.Addr, topic, "cleanup.policy", "compact")
	if err := w.await(".log.cleaned", 1); err != nil {
		t.Fatal(err)
	}
	configure(t, b.Addr, topic, "cleanup.policy", "delete")
	fill(t, b.Addr, topic, 5, 20)
	before := readAll(t, b.Addr, topic)
	// Meanwhile the cleaner compacts the other topic, twice.
	for range 2 {
		n := fill(t, b.Addr, other, 20, 20)
		awaitFewer(t, b.Addr, other, int(n)-100)
	}
	if after := readAll(t, b.Addr, topic); len(after) != len(before) {
		t.Errorf("%d records were there when cleanup.policy was delete, %d are now", len(before), len(after))
	}
	configure(t, b.Addr, topic, "cleanup.policy", "compact")
	end += 5 * 20
	for key, n := range latestOf(awaitFewer(t, b.Addr, topic, 250)) {
		if n < end-20 {
			t.Errorf("key %s has record %d, of %d", key, n, end)
		}
	}
}

// topicDeleted creates a topic again that was deleted while it was compacted.
func topicDeleted(t *testing.T, b *harness.Broker) {
	topic := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact")
	dir := filepath.Join(b.LogDir, topic+"-0")
	w, err := watchDirs(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	fill(t, b.Addr, topic, 30, 20)
	if err := w.await(".log.cleaned", 2); err != nil {
		t.Fatal(err)
	}
	adm, ctx := harness.Admin(t, b.Addr), harness.Context(t)
	if deleted, err := adm.DeleteTopics(ctx, topic); err != nil || deleted.Error() != nil {
		t.Fatal(deleted, err)
	}
	for {
		if _, err := adm.CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, topic); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // Apache's broker takes a moment to delete one
	}
	harness.AwaitTopic(t, b.Addr, topic, 1)
	if end := harness.EndOffset(t, b.Addr, topic, 0); end != 0 {
		t.Errorf("the new topic ends at %d", end)
	}
	end := fill(t, b.Addr, topic, 30, 20)
	latest := latestOf(awaitFewer(t, b.Addr, topic, int(end)/2))
	for k := range 20 {
		if n := end - 20 + int64(k); latest[fmt.Sprint(k)] != n {
			t.Errorf("key %d has record %d, its latest is %d", k, latest[fmt.Sprint(k)], n)
		}
	}
}
