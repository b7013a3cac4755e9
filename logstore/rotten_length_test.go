package logstore

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// largestReadFS remembers the largest read of any file on the disk: buffers are made for reads.
type largestReadFS struct {
	vfs.FS
	largest *atomic.Int64
}

type largestReadFile struct {
	vfs.File
	largest *atomic.Int64
}

func (d largestReadFS) Open(path string) (vfs.File, error) {
	f, err := d.FS.Open(path)
	if err != nil {
		return nil, err
	}
	return largestReadFile{f, d.largest}, nil
}

func (f largestReadFile) ReadAt(p []byte, off int64) (int, error) {
	f.largest.Store(max(f.largest.Load(), int64(len(p))))
	return f.File.ReadAt(p, off)
}

// largeSegmentLog makes a log whose first segment, sealed, has a small batch followed by 3 MiB of others.
func largeSegmentLog(t *testing.T) (disk *vfs.Mem, o Options, path string) {
	t.Helper()
	c := DefaultConfig()
	c.SegmentBytes = 4 << 20
	disk = newMemDisk(t)
	o = testOptions(disk, c)
	l := mustOpen(t, o)
	ok(t, appendOne(t, l, build(t, spec{size: 10, ts: testNow, idem: true, pid: 1}), 0, testNow).Err)
	for i := range 48 {
		ok(t, appendOne(t, l, build(t, spec{size: 64 << 10, ts: testNow + int64(i)}), 0, testNow).Err)
	}
	ok(t, l.Roll(testNow))
	ok(t, appendOne(t, l, build(t, spec{size: 10, ts: testNow}), 0, testNow).Err)
	ok(t, l.Flush(l.EndOffset()))
	o.RecoveryPoint = l.RecoveryPoint()
	v := l.snapshot()
	path = v.segments[0].path(logSuffix)
	ok(t, l.Close())
	return disk, o, path
}

// TestRottenLengthSizesNoBuffer has the length of a batch rot to one that reaches almost to the end of a large segment.
// Each reader made a buffer of that size before it compared the CRC.
func TestRottenLengthSizesNoBuffer(t *testing.T) {
	for _, control := range []bool{false, true} {
		for _, clean := range []bool{false, true} {
			disk, o, path := largeSegmentLog(t)
			var length [4]byte
			binary.BigEndian.PutUint32(length[:], 3<<20)
			ok(t, disk.Rot(path, length[:], 8))
			if control { // those are looked into when producers are read
				ok(t, disk.Rot(path, []byte{0, 0x20}, 21))
			}
			if !clean {
				o.RecoveryPoint = 0
			}
			var largest atomic.Int64
			o.FS, o.Clean = largestReadFS{disk, &largest}, clean
			l := mustOpen(t, o)
			if r, err := l.Read(0, 100, l.EndOffset(), true); err == nil {
				r.Release()
			}
			_, _, _ = l.OffsetForTimestamp(testNow + 2)
			_, _, _ = l.MaxTimestampOffset()
			l.mu.Lock()
			l.producers.clear(0)
			err := l.view.segments[0].replayProducers(&l.producers, l.view.size(0), l.view.end, testNow)
			l.mu.Unlock()
			ok(t, err)
			if n := largest.Load(); n > recoverChunk {
				t.Errorf("control %t, clean %t: %d bytes were read at once", control, clean, n)
			}
			ok(t, l.Close())
		}
	}
}

// TestRottenLengthInTheActiveSegmentIsFound has a length rot that this process wrote itself. A region larger than what was
// asked for is only given of a batch whose CRC is right: whoever reads it makes a buffer for it.
func TestRottenLengthInTheActiveSegmentIsFound(t *testing.T) {
	c := DefaultConfig()
	c.SegmentBytes = 4 << 20
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, c))
	for range 48 {
		ok(t, appendOne(t, l, build(t, spec{size: 64 << 10, ts: testNow}), 0, testNow).Err)
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], 2<<20)
	ok(t, disk.Rot(testDir+"/"+fileName(0, logSuffix), length[:], 8))
	r, err := l.Read(0, 100, l.EndOffset(), true)
	defer r.Release()
	if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) {
		t.Errorf("%d bytes, %v", r.Len, err)
	}
}

// TestLargeBatchIsCheckedInSteps has a batch larger than a step: its CRC is right, then it is wrong in each of its parts.
func TestLargeBatchIsCheckedInSteps(t *testing.T) {
	disk := newMemDisk(t)
	data := build(t, spec{size: 2*recoverChunk + 100, ts: testNow})
	path := testDir + "/" + fileName(0, logSuffix)
	ok(t, writeFile(disk, path, data, true))
	f, err := disk.Open(path)
	ok(t, err)
	defer f.Close()
	check := func() error {
		scan := openFrames(f, 0, int64(len(data)), &recoverBuffers)
		defer scan.close()
		ok(t, scan.next())
		if err := scan.check(); err != nil {
			return err
		}
		if body, err := scan.body(); err != nil || len(body) != len(data) {
			t.Errorf("%d of %d bytes, %v", len(body), len(data), err)
		}
		if err := scan.next(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		return nil
	}
	ok(t, check())
	for _, at := range []int{batch.CRCFrom, batch.HeaderSize, recoverChunk - 1, recoverChunk, 2 * recoverChunk, len(data) - 1} {
		ok(t, disk.Rot(path, []byte{data[at] ^ 1}, int64(at)))
		if err := check(); !errors.Is(err, errBadFrame) {
			t.Errorf("wrong at %d: %v", at, err)
		}
		ok(t, disk.Rot(path, data[at:at+1], int64(at)))
	}
}
