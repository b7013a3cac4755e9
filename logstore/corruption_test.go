package logstore

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// fixture is a log of 30 batches of one record in 5 or so segments, on a disk
// from which it can be opened again and again.
type fixture struct {
	disk  *vfs.Mem
	o     Options
	all   []stored
	bases []int64
}

func newFixture(t *testing.T, clean bool) *fixture {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.ProducerExpirationMs = 900, 150, 1<<50
	f := &fixture{disk: disk, o: testOptions(disk, c)}
	l := mustOpen(t, f.o)
	for i := range 30 {
		data := build(t, spec{size: 50 + i, ts: testNow + int64(i*10), idem: true, pid: 3, seq: int32(i)})
		if r := appendOne(t, l, data, 1, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		h, _ := batch.ParseHeader(data)
		f.all = append(f.all, stored{h, data})
	}
	for _, s := range l.snapshot().segments {
		f.bases = append(f.bases, s.base)
	}
	if clean {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		f.o.Clean = true
	}
	f.disk = disk.Clone()
	f.o.FS = f.disk
	return f
}

// edit changes one of the files, by segment (from the end if negative).
func (f *fixture) edit(t *testing.T, segment int, suffix string, change func([]byte) []byte) {
	t.Helper()
	if segment < 0 {
		segment += len(f.bases)
	}
	path := testDir + "/" + fileName(f.bases[segment], suffix)
	data, err := f.disk.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data = change(slices.Clone(data)); data == nil {
		err = f.disk.Remove(path)
	} else {
		err = writeFile(f.disk, path, data, true)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func gone([]byte) []byte                 { return nil }
func empty([]byte) []byte                { return []byte{} }
func cutBytes(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
func zeros(n int) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, make([]byte, n)...) }
}
func garbage(n int) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, bytes.Repeat([]byte{0xa5}, n)...) }
}
func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x40
		return b
	}
}
func noise(b []byte) []byte {
	for i := range b {
		b[i] = byte(i*37 + 11)
	}
	return b
}

// TestCorruption damages files of a log by name and says how much of it must be
// left. What is left must be right, indexes included, and take appends.
func TestCorruption(t *testing.T) {
	const all = 30
	last := 25 // the first offset of the last segment; checked below
	tests := []struct {
		name    string
		clean   bool
		segment int
		suffix  string
		change  func([]byte) []byte
		point   int64 // recovery point
		end     int64
	}{
		{"torn batch", false, -1, logSuffix, cutBytes(3), 0, all - 1},
		{"torn header", false, -1, logSuffix, func(b []byte) []byte { return b[:len(b)-120] }, 0, all - 1},
		{"bad CRC of the last batch", false, -1, logSuffix, flip(-1), 0, all - 1},
		{"bad CRC of the first batch of the last segment", false, -1, logSuffix, flip(80), 0, int64(last)},
		{"bad CRC in the middle, past the recovery point", false, 1, logSuffix, flip(80), 0, 7},
		{"bad magic", false, -1, logSuffix, flip(16), 0, int64(last)},
		{"negative length", false, -1, logSuffix, func(b []byte) []byte { b[8] = 0x80; return b }, 0, int64(last)},
		{"huge length", false, -1, logSuffix, func(b []byte) []byte { b[8] = 0x7f; return b }, 0, int64(last)},
		{"offset that goes back", false, -1, logSuffix, func(b []byte) []byte { b[7] = 1; return b }, 0, int64(last)},
		{"garbage at the end", false, -1, logSuffix, garbage(200), 0, all},
		{"garbage at the end after a clean stop", true, -1, logSuffix, garbage(200), 0, all},
		{"zeros at the end", false, -1, logSuffix, zeros(5000), 0, all},
		{"zeros at the end after a clean stop", true, -1, logSuffix, zeros(5000), 0, all},
		{"torn batch after a clean stop", true, -1, logSuffix, cutBytes(3), 0, all - 1},
		{"segment lost its last batch", false, 1, logSuffix, func(b []byte) []byte { return b[:len(b)-int(lastBatchSize(b))] }, 0, 12},
		{"segment empty", false, 1, logSuffix, empty, 0, 7},
		{"segment missing", false, 1, logSuffix, gone, 0, 7},

		{"index missing", false, 1, indexSuffix, gone, 26, all},
		{"index missing after a clean stop", true, 1, indexSuffix, gone, 0, all},
		{"index of the last segment missing after a clean stop", true, -1, indexSuffix, gone, 0, all},
		{"time index of the last segment missing after a clean stop", true, -1, timeIndexSuffix, gone, 0, all},
		{"index empty", true, 1, indexSuffix, empty, 0, all},
		{"index too long", true, 1, indexSuffix, zeros(80), 0, all},
		{"index preallocated", false, -1, indexSuffix, zeros(1000), 26, all},
		{"index of odd size", true, 1, indexSuffix, garbage(3), 0, all},
		{"index pointing past the end", true, 1, indexSuffix, func(b []byte) []byte { b[len(b)-2] = 0x7f; return b }, 0, all},
		{"index of the last segment pointing past the end", true, -1, indexSuffix, func(b []byte) []byte { b[len(b)-2] = 0x7f; return b }, 0, all},
		{"index pointing into a batch", true, 1, indexSuffix, func(b []byte) []byte { b[7] += 5; return b }, 0, all},
		{"index of noise", true, 1, indexSuffix, noise, 0, all},
		{"index of noise in the last segment", true, -1, indexSuffix, noise, 0, all},
		{"time index missing", true, 1, timeIndexSuffix, gone, 0, all},
		{"time index empty", true, 1, timeIndexSuffix, empty, 0, all},
		{"time index too long", true, 1, timeIndexSuffix, zeros(120), 0, all},
		{"time index preallocated", false, -1, timeIndexSuffix, zeros(1200), 26, all},
		{"time index of odd size", true, 1, timeIndexSuffix, garbage(5), 0, all},
		{"time index going back", true, 1, timeIndexSuffix, func(b []byte) []byte { clear(b[len(b)-12:]); return b }, 0, all},
		{"time index of noise", true, 1, timeIndexSuffix, noise, 0, all},

		{"snapshot missing", false, -1, snapshotSuffix, gone, 26, all},
		{"snapshot torn", false, -1, snapshotSuffix, cutBytes(5), 26, all},
		{"snapshot with a flipped bit", false, -1, snapshotSuffix, flip(12), 26, all},
		{"snapshot of another version", false, -1, snapshotSuffix, flip(1), 26, all},
		{"snapshot empty", false, -1, snapshotSuffix, empty, 26, all},
		{"snapshot before the last torn after a clean stop", true, -1, snapshotSuffix, cutBytes(5), 0, all},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.clean)
			if f.bases[1] != 7 || f.bases[2] != 13 || f.bases[len(f.bases)-1] != int64(last) {
				t.Fatalf("fixture has segments %v", f.bases)
			}
			f.edit(t, test.segment, test.suffix, test.change)
			f.o.RecoveryPoint = test.point
			f.check(t, test.end)
		})
	}
}

func lastBatchSize(b []byte) (size int64) {
	for len(b) > 0 {
		h, err := batch.ParseHeader(b)
		if err != nil {
			return 0
		}
		size = int64(h.Size())
		b = b[size:]
	}
	return size
}

func (f *fixture) check(t *testing.T, end int64) {
	t.Helper()
	l := mustOpen(t, f.o)
	if start, got := l.Offsets(); start != 0 || got != end {
		t.Fatalf("offsets %d..%d, want 0..%d", start, got, end)
	}
	for offset := range end {
		at, found, err := l.OffsetForTimestamp(testNow + offset*10)
		if err != nil || !found || at.Offset != offset {
			t.Fatalf("offset for the time of %d: %+v, %v, %v", offset, at, found, err)
		}
	}
	if err := checkContent(l, f.all); err != nil {
		t.Fatal(err)
	}
	if err := checkIndexes(l); err != nil {
		t.Fatal(err)
	}
	p := l.ActiveProducers()
	if len(p) != 1 || int64(p[0].LastSequence) != end-1 {
		t.Fatalf("producers %+v", p)
	}
	data := build(t, spec{size: 5, ts: testNow, idem: true, pid: 3, seq: int32(end)})
	if r := appendOne(t, l, data, 1, testNow); r.Err != nil || r.BaseOffset != end {
		t.Fatalf("append: %+v", r)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCorruptLeaderEpochs(t *testing.T) {
	for _, content := range []string{"", "x", "0\n", "0\n9\n1 0\n", "1\n1\n1 0\n", "0\n1\n1 -4\n", "0\n1\n1\n", "0\n2\n1 0\n7 99\n"} {
		t.Run(fmt.Sprintf("%q", content), func(t *testing.T) {
			f := newFixture(t, false)
			if err := writeFile(f.disk, testDir+"/"+leaderEpochFile, []byte(content), true); err != nil {
				t.Fatal(err)
			}
			l := mustOpen(t, f.o)
			if e := l.EpochAt(l.EndOffset() - 1); e != 1 || l.LatestEpoch() != 1 {
				t.Errorf("epoch %d, latest %d, want 1", e, l.LatestEpoch())
			}
		})
	}
}

// TestSnapshotOfTheStopMissing takes away what a clean stop wrote of the
// producers: it is rebuilt from an earlier snapshot, and from the whole log
// where the only one left lies at its start.
func TestSnapshotOfTheStopMissing(t *testing.T) {
	f := newFixture(t, true)
	if err := f.disk.Remove(testDir + "/" + fileName(30, snapshotSuffix)); err != nil {
		t.Fatal(err)
	}
	f.check(t, 30)

	f = newFixture(t, true)
	for _, base := range append(f.bases[1:], 30) {
		path := testDir + "/" + fileName(base, snapshotSuffix)
		if err := f.disk.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeFile(f.disk, testDir+"/"+fileName(0, snapshotSuffix), encodeSnapshot(nil), true); err != nil {
		t.Fatal(err)
	}
	f.check(t, 30)
}
