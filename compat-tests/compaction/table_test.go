package compaction

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// kind is a table: a compacted topic of one partition and how it is written.
type kind struct {
	name  string
	codec kgo.CompressionCodec
	keys  int
	// tombstonesStay says that delete.retention.ms is longer than the test.
	tombstonesStay bool
}

// Some have more keys than the map of one pass takes (see the test's properties).
var kinds = []kind{
	{"plain", kgo.NoCompression(), 100, false},
	{"gzip", kgo.GzipCompression(), 800, true},
	{"snappy", kgo.SnappyCompression(), 100, true},
	{"lz4", kgo.Lz4Compression(), 800, false},
	{"zstd", kgo.ZstdCompression(), 300, false},
}

// table is a topic with its one idempotent producer, which keeps every record at the
// offset of its number.
type table struct {
	kind
	topic string
	cl    *kgo.Client
	begun time.Time

	mu    sync.Mutex
	sent  []*kgo.Record // by number; guarded by mu
	acked int64         // how many are, from the first on; guarded by mu
	fault error         // the first; guarded by mu
}

func newTable(t *testing.T, b *harness.Broker, k kind) *table {
	t.Helper()
	retention := "1"
	if k.tombstonesStay {
		retention = "86400000"
	}
	topic := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact", "delete.retention.ms", retention)
	cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(k.codec), kgo.ProducerBatchMaxBytes(6<<10), kgo.ProducerLinger(10*time.Millisecond),
		kgo.MaxBufferedRecords(300), kgo.RecordRetries(1<<30), kgo.RequestRetries(1<<20), kgo.UnknownTopicRetries(-1),
		kgo.RetryTimeout(10*time.Minute), kgo.DialTimeout(2*time.Second), kgo.ProduceRequestTimeout(10*time.Second),
		kgo.StopProducerOnDataLossDetected()) // a sequence that the broker forgot is a fault
	return &table{kind: k, topic: topic, cl: cl, begun: time.UnixMilli(time.Now().UnixMilli())}
}

// record makes record n: one in four deletes its key.
func (b *table) record(n int, key string, deletes bool) *kgo.Record {
	r := &kgo.Record{Topic: b.topic, Key: []byte(key), Timestamp: b.begun.Add(time.Duration(n) * time.Millisecond),
		Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, n)}}}
	if !deletes {
		r.Value = fmt.Appendf(nil, "%d of %s%s", n, key, strings.Repeat(" and more", n%16))
	}
	return r
}

// run writes at most perSecond records a second until stop, then one more that stays,
// and waits for all.
func (b *table) run(ctx context.Context, stop <-chan struct{}, perSecond int, rnd *rand.Rand) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			b.send(ctx, "the end", false)
			if err := harness.Flush(ctx, b.cl); err != nil {
				b.fail(fmt.Errorf("flush: %w", err))
			}
			return
		case <-tick.C:
		}
		for range perSecond / 50 {
			b.send(ctx, fmt.Sprint("key ", rnd.IntN(b.keys)), rnd.IntN(4) == 0)
		}
	}
}

func (b *table) send(ctx context.Context, key string, deletes bool) {
	b.mu.Lock()
	n := len(b.sent)
	r := b.record(n, key, deletes)
	b.sent = append(b.sent, r)
	b.mu.Unlock()
	b.cl.Produce(ctx, r, func(r *kgo.Record, err error) {
		if err == nil && r.Offset != int64(n) {
			err = fmt.Errorf("acknowledged at offset %d", r.Offset)
		}
		if err != nil {
			b.fail(fmt.Errorf("record %d: %w", n, err))
			return
		}
		b.mu.Lock()
		b.acked = int64(n) + 1 // promises come in order
		b.mu.Unlock()
	})
}

func (b *table) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == nil {
		b.fault = err
	}
}

// latest gives the number of each key's latest record among the first so many.
func (b *table) latest(n int64) map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := map[string]int64{}
	for i, r := range b.sent[:n] {
		m[string(r.Key)] = int64(i)
	}
	return m
}

// progress gives how many records are acknowledged, and the first fault.
func (b *table) progress() (acked int64, fault error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked, b.fault
}

// check reads the table, which may be written and compacted meanwhile, and gives how
// many records it has. What was acknowledged before has to be there.
//
// A compaction may overtake a reader. Then the reader may have read a record whose tombstone
// is gone before it comes there, or may miss a record that a later one has replaced. So a
// fault counts only when a second read finds it again.
func (b *table) check(t *testing.T, addr string) (records int) {
	t.Helper()
	acked, fault := b.progress()
	if fault != nil {
		t.Fatalf("%s: %v", b.name, fault)
	}
	var faults []string
	for range 3 {
		if records, faults = b.read(t, addr, acked); len(faults) == 0 {
			return records
		}
	}
	t.Fatalf("%s: %s", b.name, strings.Join(faults, "\n"))
	return 0
}

// read reads the table, and lists the keys whose value is older than their latest among the first
// acked records.
func (b *table) read(t *testing.T, addr string, acked int64) (records int, faults []string) {
	t.Helper()
	end := harness.EndOffset(t, addr, b.topic, 0)
	if end < acked {
		t.Fatalf("%s: %d records are acknowledged and the log ends at %d", b.name, acked, end)
	}
	got := harness.ReadPartition(t, addr, b.topic, 0, 0, end)
	seen, last := map[string]int64{}, int64(-1)
	for _, r := range got {
		if r.Offset <= last {
			t.Fatalf("%s: offset %d after %d", b.name, r.Offset, last)
		}
		last = r.Offset
		b.compare(t, r)
		seen[string(r.Key)] = r.Offset
	}
	for key, n := range b.latest(acked) {
		have, ok := seen[key]
		switch deleted := b.isDeletion(n); {
		case ok && have >= n:
		case ok && deleted:
			faults = append(faults, fmt.Sprintf("%s was deleted by record %d and has record %d again", key, n, have))
		case ok:
			faults = append(faults, fmt.Sprintf("%s has record %d, later is record %d", key, have, n))
		case !deleted || b.tombstonesStay:
			faults = append(faults, fmt.Sprintf("%s has no record, its latest is %d (deletes it: %v)", key, n, deleted))
		}
	}
	return len(got), faults
}

func (b *table) isDeletion(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[n].Value == nil
}

// compare holds a record against what was sent under its number.
func (b *table) compare(t *testing.T, r *kgo.Record) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Offset >= int64(len(b.sent)) {
		t.Fatalf("%s: a record at offset %d, of %d that were sent", b.name, r.Offset, len(b.sent))
	}
	want := b.sent[r.Offset]
	if !bytes.Equal(r.Key, want.Key) || !bytes.Equal(r.Value, want.Value) || (r.Value == nil) != (want.Value == nil) || !r.Timestamp.Equal(want.Timestamp) ||
		len(r.Headers) != 1 || r.Headers[0].Key != "n" || !bytes.Equal(r.Headers[0].Value, want.Headers[0].Value) {
		t.Fatalf("%s: offset %d has %q=%q at %v with %v, want %q=%q at %v with %v", b.name, r.Offset,
			r.Key, r.Value, r.Timestamp, r.Headers, want.Key, want.Value, want.Timestamp, want.Headers)
	}
}
