package logstore

import (
	"errors"
	"io"
	"sync"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// countingFile counts what is read from it.
type countingFile struct {
	vfs.File
	calls, bytes int
}

func (f *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.calls++
	f.bytes += n
	return n, err
}

// TestLookupReadsLittle walks over batches: of large ones it needs the headers, and of small ones as many as
// come with a few reads.
func TestLookupReadsLittle(t *testing.T) {
	const batches = 100
	for name, c := range map[string]struct {
		recordBytes      int
		mostBytes, calls int
	}{
		"large": {2 * lookupChunk, batches * batch.HeaderSize, batches},
		"small": {10, batches * 200, 5},
	} {
		disk := newMemDisk(t)
		l := mustOpen(t, testOptions(disk, DefaultConfig()))
		for range batches {
			ok(t, appendOne(t, l, build(t, spec{size: c.recordBytes, ts: testNow}), 0, testNow).Err)
		}
		v := l.snapshot()
		s := v.active()
		f, err := s.log.acquire()
		ok(t, err)
		counted := &countingFile{File: f}
		scan := openFrames(counted, 0, s.size.Load(), &lookupBuffers)
		n := 0
		for ; err == nil; n++ {
			err = scan.next()
		}
		scan.close()
		s.log.release()
		if !errors.Is(err, io.EOF) || n != batches+1 || counted.bytes > c.mostBytes || counted.calls > c.calls {
			t.Errorf("%s: %d batches, %d bytes in %d reads: %v", name, n-1, counted.bytes, counted.calls, err)
		}
	}
}

// TestLookupReadsLittleAfterALargeBatch: the buffer that a lookup had made for a whole batch stayed, and whoever got it next read as
// much at once.
func TestLookupReadsLittleAfterALargeBatch(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	ok(t, appendOne(t, l, build(t, spec{size: 8 * lookupChunk, ts: testNow}), 0, testNow).Err)
	v := l.snapshot()
	s := v.active()
	f, err := s.log.acquire()
	ok(t, err)
	defer s.log.release()
	for pool, most := range map[*sync.Pool]int{&lookupBuffers: lookupChunk, &recoverBuffers: recoverChunk} {
		scan := openFrames(f, 0, s.size.Load(), pool)
		ok(t, scan.next())
		if _, err := scan.body(); err != nil {
			t.Fatal(err)
		}
		scan.close()
		next := openFrames(f, 0, s.size.Load(), pool)
		if n := len(*next.buf); n != most {
			t.Errorf("a buffer has %d bytes, want %d", n, most)
		}
		next.close()
	}
}
