package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// errBadIndex says that an index does not fit its segment. It never leaves the
// package: the index is rebuilt from the log.
var errBadIndex = errors.New("index does not fit the log")

// segment is one .log file with its indexes (Apache Kafka's LogSegment). All
// but the last of a log are sealed: they do not grow any more.
//
// The .log file is the truth; both indexes are rebuilt from it when they are
// missing or wrong. A .txnindex is only carried along.
type segment struct {
	fs   vfs.FS
	dir  string
	base int64
	log  cachedFile
	// size is the number of valid bytes; written under Log.mu.
	size atomic.Int64

	// Guarded by Log.mu.
	noticedMs, noticedSize int64 // when it was first noticed to have this size; see notice
	createdMs              int64
	// preallocated is how large the file was made, beyond what it holds; 0 where it
	// ends with its last batch.
	preallocated   int64
	jitterMs       int64
	firstTimestamp int64 // of the first batch, unknownTimestamp until it was read
	sinceIndex     int64 // bytes since the last entry of the indexes

	// trusted is the position from which on this process wrote the bytes itself.
	trusted atomic.Int64
	checked checked
	rebuilt atomic.Bool // the indexes were written anew since the log was opened

	named atomic.Bool // the directory has the files' names durably
	ready atomic.Bool // the fields below are loaded
	mu    sync.RWMutex
	// Guarded by mu; lastTime is the last timestamp in the time index, -1 without.
	offsets, times index
	maxTimestamp   int64 // -1 while there is none
	maxOffset      int64 // last offset of the first batch that has maxTimestamp
	lastTime       int64
}

const unknownTimestamp = math.MinInt64

// newSegment gives a segment that touches no file yet.
func newSegment(disk vfs.FS, budget *FileBudget, dir string, base, nowMs int64) *segment {
	s := &segment{fs: disk, dir: dir, base: base, createdMs: nowMs, firstTimestamp: unknownTimestamp, maxTimestamp: -1, maxOffset: base, lastTime: -1}
	for c, suffix := range map[*cachedFile]string{&s.log: logSuffix, &s.offsets.file: indexSuffix, &s.times.file: timeIndexSuffix} {
		c.fs, c.budget, c.path = disk, budget, filepath.Join(dir, fileName(base, suffix))
	}
	s.offsets.entrySize, s.times.entrySize = offsetEntrySize, timeEntrySize
	return s
}

// create makes the segment's files, empty, but for fullSize zeros in the log that are
// to be written over; what stands there under the same names is the rest of a crash
// and goes. When it fails it leaves no file, or the error is a *leftoverError: an
// empty segment amid the log would be taken for its end by the next start.
func (s *segment) create(fullSize int64) error {
	s.preallocated = fullSize
	err := s.createFiles()
	if err == nil {
		return nil
	}
	for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix} {
		if rerr := removeIfExists(s.fs, s.path(suffix)); rerr != nil {
			return &leftoverError{err, rerr}
		}
	}
	return err
}

// leftoverError says that a segment could neither be made nor removed again.
type leftoverError struct{ made, removed error }

func (e *leftoverError) Error() string   { return e.made.Error() + "; and then: " + e.removed.Error() }
func (e *leftoverError) Unwrap() []error { return []error{e.made, e.removed} }

func (s *segment) createFiles() error {
	for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix} {
		size := int64(0)
		if suffix == logSuffix {
			size = s.preallocated
		}
		if err := createFile(s.fs, s.path(suffix), size); err != nil {
			return err
		}
	}
	if err := removeIfExists(s.fs, s.path(txnIndexSuffix)); err != nil {
		return err
	}
	s.ready.Store(true)
	return nil
}

// createFile makes a file of so many zeros.
func createFile(disk vfs.FS, path string, size int64) error {
	f, err := disk.Create(path)
	if err != nil {
		return err
	}
	if size > 0 {
		err = f.Truncate(size)
	}
	return errors.Join(err, f.Close())
}

// trim cuts off what was preallocated and not used, once nothing more is written:
// a sealed segment, and all of a log that was closed, end where their batches end.
func (s *segment) trim() error {
	if s.preallocated == 0 {
		return nil
	}
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	if err := f.Truncate(s.size.Load()); err != nil {
		return err
	}
	s.preallocated = 0
	return nil
}

func (s *segment) path(suffix string) string { return filepath.Join(s.dir, fileName(s.base, suffix)) }

// retire closes the files as soon as nobody uses them.
func (s *segment) retire() {
	s.log.retire()
	s.offsets.file.retire()
	s.times.file.retire()
}

// load makes the indexes usable: it opens them, and where they are missing or
// plainly wrong builds them anew. Cheap after the first time.
func (s *segment) load(interval int32) error {
	if s.ready.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready.Load() {
		return nil
	}
	err := s.openIndexesLocked()
	if errors.Is(err, errBadIndex) || errors.Is(err, fs.ErrNotExist) {
		err = s.rebuildIndexesLocked(interval)
	}
	if err == nil {
		s.ready.Store(true)
	}
	return err
}

// openIndexesLocked loads both and checks first and last entries.
func (s *segment) openIndexesLocked() error {
	if err := s.offsets.load(); err != nil {
		return err
	}
	if err := s.times.load(); err != nil {
		return err
	}
	if n := s.offsets.count; n > 0 {
		first, last := s.offsets.ends.first, s.offsets.ends.last
		fo, lo, lp := offsetEntryOffset(first[:], s.base), offsetEntryOffset(last[:], s.base), offsetEntryPosition(last[:], 0)
		if fo < s.base || lo < fo || n > 1 && lo == fo || lp < 0 || lp >= s.size.Load() {
			return fmt.Errorf("%w: last entry is offset %d at position %d", errBadIndex, lo, lp)
		}
	}
	s.maxTimestamp, s.maxOffset, s.lastTime = -1, s.base, -1
	if n := s.times.count; n > 0 {
		first, last := s.times.ends.first, s.times.ends.last
		ts, off := timeEntryTimestamp(last[:], 0), timeEntryOffset(last[:], s.base)
		if ts < timeEntryTimestamp(first[:], 0) || n > 1 && ts == timeEntryTimestamp(first[:], 0) || off < s.base || s.size.Load() == 0 {
			return fmt.Errorf("%w: last time is %d at offset %d", errBadIndex, ts, off)
		}
		s.maxTimestamp, s.maxOffset, s.lastTime = ts, off, ts
	} else if s.size.Load() > 0 {
		return fmt.Errorf("%w: no largest timestamp", errBadIndex)
	}
	return nil
}

// resetIndexesLocked makes both indexes empty.
func (s *segment) resetIndexesLocked() error {
	for _, x := range []*index{&s.offsets, &s.times} {
		if err := x.empty(); err != nil {
			return err
		}
		x.count, x.onFile, x.tail = 0, 0, x.tail[:0]
	}
	s.maxTimestamp, s.maxOffset, s.lastTime, s.sinceIndex = -1, s.base, -1, 0
	return nil
}

// rebuildIndexesLocked writes both indexes anew from the batches' headers. It passes
// over corrupt bytes and does not change the log.
func (s *segment) rebuildIndexesLocked(interval int32) error {
	if err := s.resetIndexesLocked(); err != nil {
		return err
	}
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	scan := openFrames(f, 0, s.size.Load(), &recoverBuffers)
	defer scan.close()
	scan.within(s.base)
	for {
		if _, err = scan.skipRot(); err != nil {
			break
		}
		if err := s.indexLocked(&scan.h, scan.at, interval); err != nil {
			return err
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errBadFrame) {
		return err
	}
	s.rebuilt.Store(true)
	return s.finishIndexesLocked()
}

// rebuildIndexes is for an index that looked right to load and points to no batch.
// Concurrent readers find the old or the new one.
func (s *segment) rebuildIndexes(interval int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rebuildIndexesLocked(interval)
}

// indexLocked takes in a batch that begins at pos, and makes entries for it
// when the last ones are more than interval bytes away (LogSegment.append).
func (s *segment) indexLocked(h *batch.Header, pos int64, interval int32) error {
	last := h.LastOffset()
	// A batch that compaction left without records still tells their time, which nobody
	// can find any more.
	if h.MaxTimestamp > s.maxTimestamp && h.Count != 0 {
		s.maxTimestamp, s.maxOffset = h.MaxTimestamp, last
	}
	var err error
	if s.sinceIndex > int64(interval) {
		var entry [offsetEntrySize]byte
		binary.BigEndian.PutUint32(entry[:], uint32(last-s.base))
		binary.BigEndian.PutUint32(entry[4:], uint32(pos))
		err = errors.Join(s.offsets.append(entry[:]), s.timeEntryLocked())
		s.sinceIndex = 0
	}
	s.sinceIndex += int64(h.Size())
	return err
}

// timeEntryLocked notes the largest timestamp so far if it is not noted yet.
func (s *segment) timeEntryLocked() error {
	if s.maxTimestamp <= s.lastTime {
		return nil
	}
	var entry [timeEntrySize]byte
	binary.BigEndian.PutUint64(entry[:], uint64(s.maxTimestamp))
	binary.BigEndian.PutUint32(entry[8:], uint32(s.maxOffset-s.base))
	s.lastTime = s.maxTimestamp
	return s.times.append(entry[:])
}

// finishIndexesLocked makes the last entry of the time index hold the segment's
// largest timestamp, by which retention goes, and brings both files up to date.
func (s *segment) finishIndexesLocked() error {
	return errors.Join(s.timeEntryLocked(), s.offsets.write(), s.times.write())
}

// finishIndexes does that when the segment is sealed or closed.
func (s *segment) finishIndexes() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finishIndexesLocked()
}

// position finds where to begin looking for offset: the position of a batch
// that begins at or before it (0 when the index has nothing before it). An index
// that points outside of the file gives errBadFrame.
func (s *segment) position(offset int64) (int64, error) {
	pos, err := s.search(&s.offsets, offset, offsetEntryOffset, offsetEntryPosition, 0)
	if errors.Is(err, io.EOF) || err == nil && (pos < 0 || pos > s.size.Load()) {
		err = errBadFrame
	}
	return pos, err
}

// boundary finds the position of a batch at or before pos, as far along as the
// index knows.
func (s *segment) boundary(pos int64) (int64, error) {
	return s.search(&s.offsets, pos, offsetEntryPosition, offsetEntryPosition, 0)
}

// timeFloor finds an offset before which every timestamp is below ts, by the
// last entry of the time index that is not above ts; the base if there is none.
func (s *segment) timeFloor(ts int64) (int64, error) {
	return s.search(&s.times, ts, timeEntryTimestamp, timeEntryOffset, s.base)
}

// search gives the value of the last entry whose key is at most target. The file
// is read without the lock, so that a slow disk holds up no append.
func (s *segment) search(x *index, target int64, key, value field, otherwise int64) (int64, error) {
	s.mu.RLock()
	v, ok := x.floorInTail(s.base, target, key, value)
	w := x.written(s.base, key, value)
	s.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, ok, err := x.floorInFile(w, s.base, target, key, value)
	if errors.Is(err, io.EOF) { // it is being rebuilt, or it was cut: no error of the disk
		err = errBadFrame
	}
	if err != nil || !ok {
		return otherwise, err
	}
	return v, nil
}

// largestTimestamp gives the largest timestamp and the last offset of the first
// batch that has it; -1 while there is none.
func (s *segment) largestTimestamp(interval int32) (ts, lastOffset int64, err error) {
	if err := s.load(interval); err != nil {
		return -1, s.base, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.maxTimestamp, s.maxOffset, nil
}

// retentionTimestamp is what time retention goes by: the largest timestamp, or
// where there is none the time at which the file was written last.
func (s *segment) retentionTimestamp(interval int32) (int64, error) {
	ts, _, err := s.largestTimestamp(interval)
	if err != nil || ts >= 0 {
		return ts, err
	}
	info, err := s.fs.Stat(s.path(logSuffix))
	if err != nil {
		return 0, err
	}
	return info.ModTime().UnixMilli(), nil
}

// agedTimestamp is retentionTimestamp, but never a time in the future: a segment that was
// written while the clock was ahead would keep all that follow. The age of such a segment
// counts from when its file was written, or if that is in the future too, from when that was
// noticed.
func (s *segment) agedTimestamp(c *Config, nowMs int64) (int64, error) {
	ts, err := s.retentionTimestamp(c.IndexIntervalBytes)
	if err != nil || ts-nowMs <= c.FutureMs {
		return ts, err
	}
	info, err := s.fs.Stat(s.path(logSuffix))
	if err != nil {
		return 0, err
	}
	if written := info.ModTime().UnixMilli(); written <= nowMs {
		return written, nil
	}
	s.notice(nowMs)
	return s.noticedMs, nil
}

// notice notes the earliest time, by a clock that may have been set back, at which the segment had its present size.
func (s *segment) notice(nowMs int64) {
	if size := s.size.Load(); s.noticedMs == 0 || s.noticedMs > nowMs || s.noticedSize != size {
		s.noticedMs, s.noticedSize = nowMs, size
	}
}

// rollTimestamp gives the first batch's largest timestamp, by which segments
// roll in time; -1 when the segment is empty or the batch has none.
func (s *segment) rollTimestamp() (int64, error) {
	if s.firstTimestamp != unknownTimestamp {
		return s.firstTimestamp, nil
	}
	if s.size.Load() == 0 {
		return batch.NoTimestamp, nil
	}
	ts, err := s.firstBatchTimestamp()
	if err == nil {
		s.firstTimestamp = ts
	}
	return ts, err
}

// farFutureMs is how far ahead a segment's first timestamp may lie for it to roll by
// timestamps: later ones may never come to lie segment.ms behind it.
const farFutureMs = 3_600_000

// shouldRoll says whether a batch has to go to a new segment
// (LogSegment.shouldRoll). An empty segment rolls only where the batch's offset
// would not fit into its indexes.
//
// staged batches of stagedBytes are to be written to this segment before it.
func (s *segment) shouldRoll(c *Config, h *batch.Header, staged int, stagedBytes, nowMs int64) (bool, error) {
	have := s.size.Load() + stagedBytes
	if have == 0 {
		return h.LastOffset()-s.base > math.MaxInt32, nil
	}
	if have > int64(c.SegmentBytes)-int64(h.Size()) || h.LastOffset()-s.base > math.MaxInt32 {
		return true, nil
	}
	// The last slot of the time index stays free for the entry made on sealing.
	s.mu.RLock()
	full := s.offsets.count+staged >= int(c.IndexBytes)/offsetEntrySize || s.times.count+staged >= int(c.IndexBytes)/timeEntrySize-1
	s.mu.RUnlock()
	if full {
		return true, nil
	}
	if s.size.Load() == 0 {
		return false, nil // all that it holds is staged right now
	}
	first, err := s.rollTimestamp()
	if err != nil {
		return false, err
	}
	s.createdMs = min(s.createdMs, nowMs) // the clock was set back
	waited := nowMs - s.createdMs
	if first >= 0 && first-nowMs <= min(c.FutureMs, farFutureMs) {
		waited = h.MaxTimestamp - first
	}
	return waited > c.SegmentMs-s.jitterMs, nil
}
