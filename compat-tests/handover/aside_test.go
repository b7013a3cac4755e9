package handover

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestApacheStartsBesideWhatWasSetAside: a crash loses a segment, and klamm sets the records after that segment aside. Then
// Apache's broker starts on the directory, completes an interrupted compaction and goes on with the log. Apache's broker
// leaves alone what klamm set aside, and so does klamm after it.
func TestApacheStartsBesideWhatWasSetAside(t *testing.T) {
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{addr: fmt.Sprintf("127.0.0.1:%d", port), data: t.TempDir(), topic: "travels",
		properties: map[string]string{"log.segment.bytes": "10000", "log.index.interval.bytes": "1000", "min.insync.replicas": "1"}}
	j.producer = harness.Client(t, j.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2000),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableIdempotentWrite(), kgo.UnknownTopicRetries(-1))
	b := j.start(t, "klamm", 0)
	j.produceValues(t, 300)
	if j.meta, err = harness.Admin(t, j.addr).Metadata(harness.Context(t), j.topic); err != nil {
		t.Fatal(err)
	}
	b.Kill()
	dir := filepath.Join(b.LogDir, j.topic+"-0")
	end := loseSegment(t, b.LogDir, dir)

	if err := b.Run(); err != nil {
		t.Fatalf("%v; its log is kept: %s", err, b.KeepLog())
	}
	harness.AwaitTopic(t, j.addr, j.topic, partitions)
	if got := harness.EndOffset(t, j.addr, j.topic, 0); got != end {
		t.Errorf("the log ends at %d, want %d", got, end)
	}
	b.AwaitLog(t, "records are set aside")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	interruptCompaction(t, dir)
	before := asideFiles(t, dir)
	if len(before) < 3 {
		t.Fatalf("%d files were set aside", len(before))
	}
	for i, broker := range []string{"apache", "klamm"} {
		b := j.start(t, broker, i+1)
		j.produceValues(t, 100)
		end += 100
		if got := len(harness.ReadPartition(t, j.addr, j.topic, 0, 0, end)); int64(got) != end {
			t.Errorf("%s: %d records are read, want %d; its log is kept: %s", broker, got, end, b.KeepLog())
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for name, content := range asideFiles(t, dir) {
			if !bytes.Equal(before[name], content) {
				t.Errorf("%s: %s changed", broker, name)
			}
		}
		if now := asideFiles(t, dir); len(now) != len(before) {
			t.Errorf("%s: %d files of %d are left", broker, len(now), len(before))
		}
	}
	rescue(t, before)
}

// rescue reads the records that were set aside as docs/log-directories.md says, with a broker of their own.
func rescue(t *testing.T, files map[string][]byte) {
	t.Helper()
	b, err := harness.Prepare(harness.Options{Broker: "klamm", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill(); b.Close() })
	first, size := int64(0), 0
	for name, content := range files {
		var base int64
		if _, err := fmt.Sscanf(name, "klamm-aside-%d.log.1", &base); err != nil {
			t.Fatal(err)
		}
		if base == 0 {
			continue // that is no batch
		}
		if dir := filepath.Join(b.LogDir, "rescued-0"); size == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			first = base
		}
		first = min(first, base)
		size += len(content)
		if err := os.WriteFile(filepath.Join(b.LogDir, "rescued-0", fmt.Sprintf("%020d.log", base)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Run(); err != nil {
		t.Fatalf("%v; its log is kept: %s", err, b.KeepLog())
	}
	harness.AwaitTopic(t, b.Addr, "rescued", 1)
	end := harness.EndOffset(t, b.Addr, "rescued", 0)
	if got := len(harness.ReadPartition(t, b.Addr, "rescued", 0, first, end)); int64(got) != end-first || end != 300 {
		t.Errorf("%d records are read from %d to %d", got, first, end)
	}
}

func (j *journey) produceValues(t *testing.T, n int) {
	t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: j.topic, Value: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 150))}
	}
	if err := j.producer.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// loseSegment removes the second of a log's segments, as a crash of the machine may, with the checkpoints that say what is
// on the disk. loseSegment gives the log end offset that is left.
func loseSegment(t *testing.T, logDir, dir string) (end int64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(segments) < 4 {
		t.Fatalf("%d segments: %v", len(segments), err)
	}
	slices.Sort(segments)
	if _, err := fmt.Sscanf(filepath.Base(segments[1]), "%d.log", &end); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(segments[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(logDir, "recovery-point-offset-checkpoint")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return end
}

// interruptCompaction leaves a compacted copy that is to replace the first segment, as a broker does that is killed. It also
// leaves a file set aside whose offset the copy covers: Apache's broker deletes all files whose names begin with such an
// offset.
func interruptCompaction(t *testing.T, dir string) {
	t.Helper()
	base := filepath.Join(dir, fmt.Sprintf("%020d", 0))
	for _, suffix := range []string{".log", ".index", ".timeindex"} {
		data, err := os.ReadFile(base + suffix)
		if err == nil {
			err = os.WriteFile(base+suffix+".swap", data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("klamm-aside-%020d.log.1", 0)), []byte("batches"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// asideFiles reads what was set aside in a partition's directory.
func asideFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "klamm-aside-*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
