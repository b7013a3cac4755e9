package handover

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestACompactedLogIsServedWithoutItsCheckpoints restores a compacted topic as from a backup of the partition's files alone: without the
// checkpoint files at the top of the log directory. Apache's broker serves all records then, on both sides of the gaps that
// compaction left. klamm set aside all that followed the first gap between two segments.
func TestACompactedLogIsServedWithoutItsCheckpoints(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "apache", Properties: map[string]string{
		"log.segment.bytes": "4000", "log.cleaner.backoff.ms": "50", "log.cleaner.min.cleanable.ratio": "0.01", "log.segment.delete.delay.ms": "100",
	}})
	topic := harness.Topic(t, b.Addr, 1)
	cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(1000), kgo.UnknownTopicRetries(-1))
	const n = 1000
	for i := range n {
		key := fmt.Append(nil, i) // half of the records stay, and some segments are emptied
		if i%2 == 0 || i/100%2 == 0 {
			key = fmt.Append(nil, "often ", i%5)
		}
		cl.Produce(harness.Context(t), &kgo.Record{Topic: topic, Key: key, Value: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 100))}, nil)
	}
	if err := cl.Flush(harness.Context(t)); err != nil {
		t.Fatal(err)
	}
	setPolicy(t, b.Addr, topic, "compact")
	dir := filepath.Join(b.LogDir, topic+"-0")
	awaitFiles(t, filepath.Join(b.LogDir, "cleaner-offset-checkpoint"), 1)
	awaitCleaned(t, b.LogDir, topic, n*8/10)
	if err := b.Stop(); err != nil { // no compaction goes on from here
		t.Fatal(err)
	}
	b.SetProperty("log.cleaner.enable", "false")
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, b.Addr, topic, 1)
	end := harness.EndOffset(t, b.Addr, topic, 0)
	want := offsets(harness.ReadPartition(t, b.Addr, topic, 0, 0, end))
	for _, broker := range []string{"apache", "klamm"} {
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		gaps := segmentGaps(t, dir)
		t.Logf("%d records are left, with gaps behind the segments that end at %v", len(want), gaps)
		if len(want) >= n || len(gaps) < 2 {
			t.Fatal("that is not compacted")
		}
		removeCheckpoints(t, b.LogDir)
		if err := b.RunAs(broker); err != nil {
			t.Fatal(err)
		}
		harness.AwaitTopic(t, b.Addr, topic, 1)
		if now := harness.EndOffset(t, b.Addr, topic, 0); now != end {
			t.Errorf("%s: the log ends at %d, want %d; its log is kept: %s", broker, now, end, b.KeepLog())
			continue
		}
		if got := offsets(harness.ReadPartition(t, b.Addr, topic, 0, 0, end)); !slices.Equal(got, want) {
			t.Errorf("%s serves %d records, want %d", broker, len(got), len(want))
		}
		if files := asideFiles(t, dir); len(files) > 0 {
			t.Errorf("%s: %d files are aside", broker, len(files))
		}
	}
}

func offsets(records []*kgo.Record) (list []int64) {
	for _, r := range records {
		list = append(list, r.Offset)
	}
	return list
}

// removeCheckpoints leaves of a log directory what a backup of its partitions has.
func removeCheckpoints(t *testing.T, logDir string) {
	t.Helper()
	list, err := os.ReadDir(logDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.IsDir() && (strings.HasSuffix(e.Name(), "-checkpoint") || e.Name() == ".kafka_cleanshutdown") {
			if err := os.Remove(filepath.Join(logDir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// segmentGaps gives the offsets at which a segment ends before the next one begins.
func segmentGaps(t *testing.T, dir string) (gaps []int64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(segments)
	end := int64(0)
	for _, path := range segments {
		var base int64
		if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &base); err != nil {
			t.Fatal(err)
		}
		if base != end {
			gaps = append(gaps, end)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for end = base; len(data) > 61; {
			size := 12 + int(binary.BigEndian.Uint32(data[8:]))
			if size <= 12 || size > len(data) {
				break
			}
			end = int64(binary.BigEndian.Uint64(data)) + int64(binary.BigEndian.Uint32(data[23:])) + 1
			data = data[size:]
		}
	}
	return gaps
}

// awaitCleaned waits until a topic's partition is compacted up to an offset.
func awaitCleaned(t *testing.T, logDir, topic string, upTo int) {
	t.Helper()
	for ctx := harness.Context(t); ; {
		data, err := os.ReadFile(filepath.Join(logDir, "cleaner-offset-checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var name string
			var partition, offset int
			if n, _ := fmt.Sscan(line, &name, &partition, &offset); n == 3 && name == topic && offset >= upTo {
				return
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("not compacted: %s", data)
		}
	}
}
