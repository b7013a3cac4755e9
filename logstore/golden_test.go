package logstore

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// goldenConfig is that of the topic in testdata/golden.
func goldenConfig() Config {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.IndexBytes, c.RetentionMs = 4096, 256, 1200, -1
	// The golden batches' timestamps are old; their producers shall count all the same.
	c.ProducerExpirationMs = 1 << 50
	return c
}

func goldenOptions(t *testing.T, name string) Options {
	dir := filepath.Join(t.TempDir(), "golden-0")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "golden", name, "golden-0"))); err != nil {
		t.Fatal(err)
	}
	return Options{
		FS: vfs.OS{}, Dir: dir, Partition: protocol.TopicPartition{Topic: "golden"}, Config: goldenConfig(), NowMs: testNow,
		Background: func(f func()) { f() },
	}
}

// dirFiles reads the files of a directory that end in one of the suffixes.
func dirFiles(t testing.TB, dir string, suffixes ...string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		for _, s := range suffixes {
			if strings.HasSuffix(e.Name(), s) {
				if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return files
}

func concatLogs(files map[string][]byte) []byte {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, logSuffix) {
			all = append(all, files[name]...)
		}
	}
	return all
}

func compareFiles(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs from Apache Kafka's:\n got %x\nwant %x", name, got[name], want[name])
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s is one that Apache Kafka does not have", name)
		}
	}
}

const goldenClean = "testdata/golden/clean/golden-0"

func TestGoldenCleanLogIsRead(t *testing.T) {
	o := goldenOptions(t, "clean")
	o.Clean, o.RecoveryPoint = true, 260
	before := dirFiles(t, o.Dir, "")
	l := mustOpen(t, o)
	if start, end := l.Offsets(); start != 0 || end != 260 || l.LatestEpoch() != 0 {
		t.Fatalf("offsets %d..%d, epoch %d", start, end, l.LatestEpoch())
	}
	if got := readAll(t, l, 0, 700); !bytes.Equal(got, concatLogs(before)) {
		t.Error("read differs from the log files")
	}
	if n := len(l.ActiveProducers()); n != 15 {
		t.Errorf("%d producers, want 15", n)
	}
	for ts := int64(0); ts < 260; ts += 7 {
		at, found, err := l.OffsetForTimestamp(testNow + ts*1000 - 1)
		if err != nil || !found || at != (TimestampOffset{Offset: ts, TimestampMs: testNow + ts*1000}) {
			t.Errorf("record at %d s: %+v, %v, %v", ts, at, found, err)
		}
	}
	if at, found, err := l.MaxTimestampOffset(); err != nil || !found || at.Offset != 259 || at.TimestampMs != testNow+259000 {
		t.Errorf("largest timestamp: %+v, %v, %v", at, found, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	after := dirFiles(t, o.Dir, "")
	compareFiles(t, after, before)
}

func TestGoldenKilledLogIsRecovered(t *testing.T) {
	o := goldenOptions(t, "killed")
	l := mustOpen(t, o)
	if start, end := l.Offsets(); start != 0 || end != 260 {
		t.Fatalf("offsets %d..%d", start, end)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// All indexes were written anew, and come out as Apache's broker left them.
	compareFiles(t, dirFiles(t, o.Dir, logSuffix, indexSuffix, timeIndexSuffix), dirFiles(t, goldenClean, logSuffix, indexSuffix, timeIndexSuffix))
	checkGoldenSnapshot(t, filepath.Join(o.Dir, "00000000000000000260.snapshot"))
}

// checkGoldenSnapshot compares a snapshot with Apache's, but for the order of
// producers, which is a hash table's there.
func checkGoldenSnapshot(t *testing.T, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(goldenClean, filepath.Base(path)))
	if err != nil {
		t.Fatal(err)
	}
	byID, err := decodeSnapshot(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, encodeSnapshot(byID)) {
		t.Errorf("%s differs from Apache Kafka's", filepath.Base(path))
	}
}

// TestGoldenSameFiles appends the batches of the golden log and expects the same
// files, byte by byte.
func TestGoldenSameFiles(t *testing.T) {
	want := dirFiles(t, goldenClean, logSuffix, indexSuffix, timeIndexSuffix, snapshotSuffix, leaderEpochFile)
	o := goldenOptions(t, "clean")
	o.Dir = filepath.Join(t.TempDir(), "golden-0")
	if err := os.Mkdir(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, o)
	for data := concatLogs(want); len(data) > 0; {
		h, err := batch.ParseHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		r := appendOne(t, l, bytes.Clone(data[:h.Size()]), 0, testNow)
		if r.Err != nil || r.BaseOffset != h.BaseOffset || r.Duplicate {
			t.Fatalf("offset %d: %+v", h.BaseOffset, r)
		}
		data = data[h.Size():]
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := dirFiles(t, o.Dir, logSuffix, indexSuffix, timeIndexSuffix, snapshotSuffix, leaderEpochFile)
	for name := range want {
		if strings.HasSuffix(name, snapshotSuffix) {
			checkGoldenSnapshot(t, filepath.Join(o.Dir, name))
			delete(want, name)
			delete(got, name)
		}
	}
	compareFiles(t, got, want)
}
