package logstore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzRecover opens a log whose only segment holds any bytes: what is left must
// be a prefix that reads back, with indexes that agree, and opening it again
// must change nothing.
func FuzzRecover(f *testing.F) {
	f.Add(build(f, spec{count: 3, ts: testNow}))
	f.Add(append(oldMessage(1, 0, 5, "v"), oldMessage(0, 1, 0, "w")...))
	for _, name := range []string{"00000000000000000000.log", "00000000000000000179.log"} {
		data, err := os.ReadFile(filepath.Join(goldenClean, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := newMemDisk(t)
		path := testDir + "/" + fileName(0, logSuffix)
		if err := writeFile(disk, path, data, true); err != nil {
			t.Fatal(err)
		}
		o := testOptions(disk, DefaultConfig())
		o.Config.IndexIntervalBytes = 50
		l := mustOpen(t, o)
		kept, err := disk.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data, kept) {
			t.Fatalf("%d of %d bytes are left and are no prefix: %v", len(kept), len(data), err)
		}
		if err := checkIndexes(l); err != nil {
			t.Fatal(err)
		}
		end := l.EndOffset()
		if r, err := l.Read(0, len(data), end, true); err != nil || r.Len != len(kept) {
			t.Fatalf("read %d of %d bytes: %v", r.Len, len(kept), err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		o.Clean = true
		if l = mustOpen(t, o); l.EndOffset() != end {
			t.Fatalf("end %d after closing, was %d", l.EndOffset(), end)
		}
	})
}

// FuzzSnapshot reads any bytes as a snapshot; what is taken is written the same.
func FuzzSnapshot(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(goldenClean, "00000000000000000092.snapshot"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(encodeSnapshot(map[int64]*producer{1: newProducer()}))
	f.Fuzz(func(t *testing.T, data []byte) {
		byID, err := decodeSnapshot(data)
		if err != nil {
			return
		}
		again, err := decodeSnapshot(encodeSnapshot(byID))
		if err != nil || len(again) != len(byID) {
			t.Fatalf("%d producers, written again %d: %v", len(byID), len(again), err)
		}
	})
}

// FuzzLeaderEpochs reads any bytes as leader-epoch-checkpoint.
func FuzzLeaderEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n1 0\n7 99\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeLeaderEpochs(data)
		if err != nil {
			return
		}
		again, err := decodeLeaderEpochs(encodeLeaderEpochs(entries))
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%v, written again %v: %v", entries, again, err)
		}
	})
}
