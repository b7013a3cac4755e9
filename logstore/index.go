package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// index is what the offset and the time index of a segment share: a file of
// entries of one size, ascending by key. The newest entries are kept in memory
// and written some dozens at a time. klamm never preallocates an index: the file
// holds entries and nothing else, and after a crash those of segments past the
// recovery point are written anew.
//
// segment.mu guards it. The entries in the file may be read without the lock, up to a
// number that was read under it, since only truncation changes them.
type index struct {
	file      cachedFile
	entrySize int
	// count entries, of which the first onFile are in the file and the rest in tail.
	count, onFile int
	tail          []byte
	ends          indexEnds // of what is in the file
}

// indexEnds are the first and the last entry of an index's file, where it has any.
type indexEnds struct{ first, last [timeEntrySize]byte }

// tailEntries is how many entries are kept in memory at most.
const tailEntries = 64

// append adds an entry. A failure to write leaves the entries in memory, where
// the next call or flush tries again.
func (x *index) append(entry []byte) error {
	if x.tail == nil {
		x.tail = make([]byte, 0, tailEntries*x.entrySize)
	}
	x.tail = append(x.tail, entry...)
	x.count++
	if x.count-x.onFile < tailEntries {
		return nil
	}
	return x.write()
}

// write brings the file up to date, without syncing it.
func (x *index) write() error {
	if x.count == x.onFile {
		return nil
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer x.file.release()
	if _, err := f.WriteAt(x.tail, int64(x.onFile*x.entrySize)); err != nil {
		return err
	}
	if x.onFile == 0 {
		copy(x.ends.first[:], x.tail[:x.entrySize])
	}
	copy(x.ends.last[:], x.tail[len(x.tail)-x.entrySize:])
	x.onFile = x.count
	x.tail = x.tail[:0]
	return nil
}

// sync writes and makes durable.
func (x *index) sync() error {
	if err := x.write(); err != nil {
		return err
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer x.file.release()
	return syncOpen(f)
}

// load reads the number of entries, the first and the last. It fails if the file's size
// cannot be right.
func (x *index) load() error {
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer x.file.release()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size%int64(x.entrySize) != 0 {
		return fmt.Errorf("%w: %d bytes are no multiple of %d", errBadIndex, size, x.entrySize)
	}
	n := int(size / int64(x.entrySize))
	var ends indexEnds
	if n > 0 {
		_, err = f.ReadAt(ends.first[:x.entrySize], 0)
		if err == nil {
			_, err = f.ReadAt(ends.last[:x.entrySize], size-int64(x.entrySize))
		}
		if err != nil {
			return err
		}
	}
	x.count, x.onFile, x.tail, x.ends = n, n, nil, ends
	return nil
}

// preallocated says whether the file ends in zeros, which no entry consists of.
func (x *index) preallocated() (bool, error) {
	f, err := x.file.acquire()
	if err != nil {
		return false, err
	}
	defer x.file.release()
	size, err := f.Size()
	if err != nil || size < int64(x.entrySize) {
		return false, err
	}
	var last [timeEntrySize]byte
	entry := last[:x.entrySize]
	if _, err := f.ReadAt(entry, size-int64(x.entrySize)); err != nil {
		return false, err
	}
	return last == [timeEntrySize]byte{}, nil
}

// empty truncates the file to nothing, or makes it. It uses the open file, since after
// the segment was retired its name may belong to another segment's file.
func (x *index) empty() error {
	f, err := x.file.acquire()
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errRetired) {
		return createFile(x.file.fs, x.file.path, 0)
	}
	if err != nil {
		return err
	}
	defer x.file.release()
	return f.Truncate(0)
}

// indexBlock is how much of an index is read at once, in bytes; a multiple of both
// entry sizes.
const indexBlock = 4080

// indexBlocks are read into, and used again. Brokers of one process share it: a buffer in it holds nothing of who used it.
var indexBlocks = sync.Pool{New: func() any { return new([indexBlock]byte) }}

// field reads a number out of an entry: its key or its value.
type field func(entry []byte, base int64) int64

// floorInTail finds the last entry in memory whose key is at most target, and
// gives its value; ok is false when the answer lies in the file.
func (x *index) floorInTail(base, target int64, key, value field) (v int64, ok bool) {
	n := x.count - x.onFile
	if n == 0 || key(x.tail, base) > target {
		return 0, false
	}
	i := searchEntries(x.tail, n, x.entrySize, base, target, key)
	return value(x.tail[i*x.entrySize:], base), true
}

// written is what is known of an index's file without reading it: the number of entries,
// the keys of the first and the last, and the value of the last.
type written struct {
	entries                      int
	firstKey, lastKey, lastValue int64
}

// written gives what a search in the file needs, which is made without the lock.
func (x *index) written(base int64, key, value field) written {
	if x.onFile == 0 {
		return written{}
	}
	first, last := x.ends.first[:], x.ends.last[:]
	return written{x.onFile, key(first, base), key(last, base), value(last, base)}
}

// floorInFile looks among the entries of the file; ok is false when every key is above
// target.
//
// Keys rise nearly evenly, so the first block that is read is the one where the target
// would be if they rose evenly. Mostly it is there. Every second read is in the middle of
// the rest, which bounds the search whatever the keys are.
func (x *index) floorInFile(w written, base, target int64, key, value field) (v int64, ok bool, err error) {
	if w.entries == 0 || w.firstKey > target {
		return 0, false, nil
	}
	if w.lastKey <= target {
		return w.lastValue, true, nil
	}
	f, err := x.file.acquire()
	if err != nil {
		return 0, false, err
	}
	defer x.file.release()
	block := indexBlocks.Get().(*[indexBlock]byte)
	defer indexBlocks.Put(block)
	perBlock := indexBlock / x.entrySize
	// The key of lo is at most target, that of hi is above it.
	lo, hi := 0, w.entries-1
	below, above := w.firstKey, w.lastKey
	for probe := 1; ; probe++ {
		from := lo
		if hi-lo > perBlock {
			part := 0.5
			if probe%2 != 0 {
				part = (float64(target) - float64(below)) / (float64(above) - float64(below))
			}
			from = min(max(lo+int(part*float64(hi-lo))-perBlock/2, lo), hi-perBlock)
		}
		have := min(perBlock, hi-from)
		b := block[:have*x.entrySize]
		if _, err := f.ReadAt(b, int64(from*x.entrySize)); err != nil {
			return 0, false, err
		}
		last := b[(have-1)*x.entrySize:]
		switch {
		case key(b, base) > target && from > lo:
			hi, above = from, key(b, base)
		case key(b, base) > target:
			return 0, false, nil // the file is not what it was
		case key(last, base) <= target && from+have < hi:
			lo, below = from+have-1, key(last, base)
		default:
			i := searchEntries(b, have, x.entrySize, base, target, key)
			return value(b[i*x.entrySize:], base), true, nil
		}
	}
}

// searchEntries finds the last of n entries whose key is at most target; the
// first one's is.
func searchEntries(b []byte, n, size int, base, target int64, key field) int {
	lo, hi := 0, n
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if key(b[mid*size:], base) <= target {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// An entry of the offset index: the last offset of a batch, relative to the
// segment's base (int32), and the position of that batch in the file (int32).
const offsetEntrySize = 8

func offsetEntryOffset(b []byte, base int64) int64 {
	return base + int64(int32(binary.BigEndian.Uint32(b)))
}
func offsetEntryPosition(b []byte, _ int64) int64 {
	return int64(int32(binary.BigEndian.Uint32(b[4:])))
}

// An entry of the time index: the largest timestamp so far (int64, ms) and the
// last offset of the batch that has it, relative to the base (int32).
const timeEntrySize = 12

func timeEntryTimestamp(b []byte, _ int64) int64 { return int64(binary.BigEndian.Uint64(b)) }
func timeEntryOffset(b []byte, base int64) int64 {
	return base + int64(int32(binary.BigEndian.Uint32(b[8:])))
}
