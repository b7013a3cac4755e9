package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"

	"klamm/logstore/vfs"
)

// futureLog is the copy of a log in another log directory while it is made (the future
// replica of Apache Kafka): the same segments, byte for byte, with new indexes. Each
// batch is compared with its CRC. The log goes on meanwhile, and the copy follows it.
//
// One goroutine works on it; the counters may be read by any.
type futureLog struct {
	log *Log
	// fs is the disk without its reserve, which a copy must not use.
	fs  vfs.FS
	dir string // its directory, which ends in -future
	// spend is called with the number of bytes copied, and waits where the rate is
	// bounded; alive fails if the copying has to end.
	spend func(bytes int, alive func() error) error
	alive func() error

	// generation is that of the log's hints: truncations since change it.
	generation uint64
	begun      bool
	settled    bool // nothing stands in the directory that is no part of the copy
	// segments are copies of the log's first ones; the first sealed of them are
	// whole, synced, and so are their indexes.
	segments []*segment
	sealed   int
	// found are the sizes of .log files of an interrupted copy that are not compared yet.
	// What agrees with the log is kept.
	found map[int64]int64
	have  int64  // of the last segment's file, while that is compared
	out   []byte // copied and not written yet
	there []byte // what is compared
	// snapshots are the producers' snapshots that are copied, epochs the leader
	// epochs as they are written.
	snapshots map[int64]bool
	epochs    []byte

	end    atomic.Int64 // the copy's log end offset
	size   atomic.Int64 // bytes of its .log files, an interrupted copy's among them
	synced atomic.Int64 // the copy is on the disk below this offset
}

// futureChunk is how much is written at once.
const futureChunk = 256 << 10

// diskError says what failed in the copy's directory.
func (c *futureLog) diskError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &DirError{Dir: c.dir, Path: path, Op: op, Err: reason(err)}
}

func (c *futureLog) path(name string) string { return filepath.Join(c.dir, name) }

// follow copies what is in the log now. Where the log was truncated it begins
// anew, and keeps what still agrees.
func (c *futureLog) follow() error {
	for {
		if err := c.alive(); err != nil {
			return err
		}
		generation := c.log.hints.generation()
		if !c.begun || generation != c.generation {
			if err := c.begin(generation); err != nil {
				return err
			}
		}
		v := c.log.snapshot()
		err := c.copyView(&v)
		if err == nil {
			return nil
		}
		if c.begun && !c.log.movedSince(generation, v, err) {
			return c.log.goneError(err)
		}
	}
}

// begin lists what an interrupted copy left in the directory.
func (c *futureLog) begin(generation uint64) error {
	c.retire()
	c.segments, c.sealed, c.found, c.snapshots = nil, 0, map[int64]int64{}, map[int64]bool{}
	c.end.Store(0)
	c.synced.Store(0)
	list, err := c.fs.ReadDir(c.dir)
	if err != nil {
		return c.diskError("list", c.dir, err)
	}
	var size int64
	for _, e := range list {
		base, suffix, ok := parseFileName(e.Name())
		if !ok || suffix != logSuffix {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return c.diskError("open", c.path(e.Name()), err)
		}
		c.found[base] = info.Size()
		size += info.Size()
	}
	c.size.Store(size)
	c.generation, c.begun, c.settled = generation, true, false
	return nil
}

// retire closes the copy's files.
func (c *futureLog) retire() {
	for _, s := range c.segments {
		s.retire()
	}
}

// copyView copies what a view of the log shows and the copy does not have yet.
func (c *futureLog) copyView(v *view) error {
	if err := c.dropBefore(v.segments[0].base); err != nil {
		return err
	}
	for i := c.sealed; i < len(v.segments); i++ {
		src := v.segments[i]
		if i == len(c.segments) {
			if err := c.addSegment(src.base); err != nil {
				return err
			}
		}
		dst := c.segments[i]
		if dst.base != src.base { // not while the log is kept from being compacted
			c.begun = false
			return errRetired
		}
		if err := c.copySegment(src, dst, v.size(i)); err != nil {
			return err
		}
		if i == len(v.segments)-1 {
			c.end.Store(v.end)
			break
		}
		if err := c.seal(src, dst); err != nil {
			return err
		}
		c.end.Store(v.segments[i+1].base)
	}
	return nil
}

// dropBefore removes the segments that retention took from the log.
func (c *futureLog) dropBefore(base int64) error {
	for len(c.segments) > 0 && c.segments[0].base < base {
		s := c.segments[0]
		s.retire()
		for _, suffix := range append(slices.Clip(segmentSuffixes), snapshotSuffix) {
			if err := removeIfExists(c.fs, s.path(suffix)); err != nil {
				return c.diskError("remove", s.path(suffix), err)
			}
		}
		delete(c.snapshots, s.base)
		size := s.size.Load()
		if len(c.segments) == 1 {
			size, c.have = max(size, c.have), 0
		}
		c.size.Add(-size)
		c.segments, c.sealed = c.segments[1:], max(c.sealed-1, 0)
	}
	return nil
}

// addSegment begins the copy of the segment with this base, in an interrupted
// copy's file if there is one.
func (c *futureLog) addSegment(base int64) error {
	s := newSegment(c.fs, c.log.files, c.dir, base, 0)
	have, found := c.found[base]
	delete(c.found, base)
	var err error
	if found {
		err = errors.Join(s.resetIndexesLocked(), removeIfExists(c.fs, s.path(txnIndexSuffix)))
		s.ready.Store(true)
	} else {
		err = s.create(0) // only what is written anew is preallocated
	}
	if err != nil {
		return c.diskError("create", s.path(logSuffix), err)
	}
	c.have = have
	c.segments = append(c.segments, s)
	return nil
}

// copySegment copies the bytes of src up to limit that dst does not have.
func (c *futureLog) copySegment(src, dst *segment, limit int64) error {
	f, err := src.log.acquire()
	if err != nil {
		return c.sourceError(src, err)
	}
	defer src.log.release()
	scan := openFrames(f, dst.size.Load(), limit, &recoverBuffers)
	defer scan.close()
	err = c.copyBatches(src, dst, &scan)
	// Whatever came of it: the indexes know of what is not written yet.
	if werr := c.flush(dst); werr != nil {
		return werr
	}
	if err != nil {
		return err
	}
	return c.cutRest(dst)
}

func (c *futureLog) copyBatches(src, dst *segment, scan *frames) error {
	for {
		if err := c.alive(); err != nil {
			return err
		}
		err := scan.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = scan.check()
		}
		if err != nil {
			return c.sourceError(src, err)
		}
		if err := c.copyBatch(src, dst, scan); err != nil {
			return err
		}
	}
}

// copyBatch takes in the batch that the scan stands at.
func (c *futureLog) copyBatch(src, dst *segment, scan *frames) error {
	data, err := scan.body()
	if err != nil {
		return c.sourceError(src, err)
	}
	if err := c.spend(len(data), c.alive); err != nil {
		return err
	}
	same, err := c.compare(dst, scan.at, data)
	if err != nil {
		return err
	}
	if same {
		dst.size.Store(scan.pos)
	} else {
		if err := c.cutRest(dst); err != nil {
			return err
		}
		c.out = append(c.out, data...)
	}
	dst.mu.Lock() // only for the form: nobody else knows the segment
	err = dst.indexLocked(&scan.h, scan.at, c.log.interval.Load())
	dst.mu.Unlock()
	if err != nil {
		return c.diskError("write", dst.path(indexSuffix), err)
	}
	c.end.Store(scan.h.NextOffset())
	if len(c.out) >= futureChunk {
		return c.flush(dst)
	}
	return nil
}

// compare says whether an interrupted copy's file has these bytes there.
func (c *futureLog) compare(dst *segment, at int64, data []byte) (bool, error) {
	if at+int64(len(data)) > c.have {
		return false, nil
	}
	f, err := dst.log.acquire()
	if err != nil {
		return false, c.diskError("open", dst.log.path, err)
	}
	defer dst.log.release()
	c.there = slices.Grow(c.there[:0], len(data))[:len(data)]
	if _, err := f.ReadAt(c.there, at); err != nil {
		return false, c.diskError("read", dst.log.path, err)
	}
	return bytes.Equal(c.there, data), nil
}

// cutRest removes from an interrupted copy's file what the log does not have.
func (c *futureLog) cutRest(dst *segment) error {
	keep := dst.size.Load()
	rest := c.have - keep
	c.have = 0
	if rest <= 0 {
		return nil
	}
	c.size.Add(-rest)
	f, err := dst.log.acquire()
	if err != nil {
		return c.diskError("open", dst.log.path, err)
	}
	defer dst.log.release()
	return c.diskError("truncate", dst.log.path, f.Truncate(keep))
}

// flush writes what was gathered.
func (c *futureLog) flush(dst *segment) error {
	if len(c.out) == 0 {
		return nil
	}
	f, err := dst.log.acquire()
	if err != nil {
		return c.diskError("open", dst.log.path, err)
	}
	defer dst.log.release()
	if _, err := f.WriteAt(c.out, dst.size.Load()); err != nil {
		return c.diskError("write", dst.log.path, err)
	}
	dst.size.Add(int64(len(c.out)))
	c.size.Add(int64(len(c.out)))
	if c.out = c.out[:0]; cap(c.out) > 4*futureChunk {
		c.out = nil
	}
	return nil
}

// sourceError gives the error for a read of the log that failed: the log changed, its
// bytes are corrupt, or the disk failed.
func (c *futureLog) sourceError(src *segment, err error) error {
	if err = goneIsRetired(err); errors.Is(err, errRetired) {
		return err
	}
	if errors.Is(err, errBadFrame) {
		return fmt.Errorf("%s: %w", src.path(logSuffix), err)
	}
	return c.log.dirError("read", src.path(logSuffix), err)
}

// seal ends the copy of a segment that does not grow any more, durably.
func (c *futureLog) seal(src, dst *segment) error {
	if err := dst.finishIndexes(); err != nil {
		return c.diskError("write", dst.path(indexSuffix), err)
	}
	if err := c.copyTxnIndex(src); err != nil {
		return err
	}
	if err := c.copySnapshot(src.base); err != nil {
		return err
	}
	for _, file := range []*cachedFile{&dst.log, &dst.offsets.file, &dst.times.file} {
		if err := syncCached(file); err != nil {
			return c.diskError("sync", file.path, err)
		}
	}
	c.sealed++
	return nil
}

func syncCached(file *cachedFile) error {
	f, err := file.acquire()
	if err != nil {
		return err
	}
	defer file.release()
	return syncOpen(f)
}

func (c *futureLog) copyTxnIndex(src *segment) error {
	_, err := c.copyFile(fileName(src.base, txnIndexSuffix))
	return err
}

// copySnapshot copies the producers' snapshot of an offset if there is one.
func (c *futureLog) copySnapshot(offset int64) error {
	if c.snapshots[offset] {
		return nil
	}
	there, err := c.copyFile(fileName(offset, snapshotSuffix))
	if err == nil && there {
		c.snapshots[offset] = true
	}
	return err
}

// copyFile copies a small file as a whole, durably, and removes the copy's where
// the log has none.
func (c *futureLog) copyFile(name string) (there bool, err error) {
	from := filepath.Join(c.log.Dir(), name)
	data, err := c.log.fs.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, c.diskError("remove", c.path(name), removeIfExists(c.fs, c.path(name)))
	}
	if err != nil {
		return false, c.log.dirError("read", from, err)
	}
	return true, c.diskError("write", c.path(name), writeFile(c.fs, c.path(name), data, true))
}

// behind is how many bytes of the log are not copied yet.
func (c *futureLog) behind() int64 {
	v := c.log.snapshot()
	copied := c.segments
	var n int64
	for i, s := range v.segments {
		for len(copied) > 0 && copied[0].base < s.base {
			copied = copied[1:]
		}
		n += v.size(i)
		if len(copied) > 0 && copied[0].base == s.base {
			n -= copied[0].size.Load()
		}
	}
	return n
}

// sync makes durable what is copied, and the files that do not change any more. The others
// come last: see finishLocked.
func (c *futureLog) sync() error {
	end := c.end.Load()
	if err := c.syncActive(); err != nil {
		return err
	}
	if _, err := c.copyFile(partitionMetadataName); err != nil {
		return err
	}
	if err := c.copyAside(); err != nil {
		return err
	}
	if err := c.prune(); err != nil {
		return err
	}
	if err := c.fs.SyncDir(c.dir); err != nil {
		return c.diskError("sync", c.dir, err)
	}
	c.synced.Store(end)
	return nil
}

func (c *futureLog) syncActive() error {
	if len(c.segments) == c.sealed {
		return nil
	}
	active := c.segments[len(c.segments)-1]
	return c.diskError("sync", active.log.path, syncCached(&active.log))
}

// prune removes files that an interrupted copy left and that are no part of the log.
func (c *futureLog) prune() error {
	list, err := c.fs.ReadDir(c.dir)
	if err != nil {
		return c.diskError("list", c.dir, err)
	}
	for _, e := range list {
		if c.owns(e.Name()) {
			continue
		}
		if err := removeIfExists(c.fs, c.path(e.Name())); err != nil {
			return c.diskError("remove", c.path(e.Name()), err)
		}
	}
	for _, size := range c.found {
		c.size.Add(-size)
	}
	clear(c.found)
	c.settled = true
	return nil
}

// owns says whether a file is part of the copy.
func (c *futureLog) owns(name string) bool {
	offset, suffix, ok := parseFileName(name)
	switch {
	case !ok:
		return name == partitionMetadataName || name == leaderEpochFile || isAside(name)
	case suffix == snapshotSuffix:
		return c.snapshots[offset]
	}
	return slices.Contains(segmentSuffixes, suffix) &&
		slices.ContainsFunc(c.segments, func(s *segment) bool { return s.base == offset })
}

// finishLocked completes the copy, durably. Log.mu is held and nobody syncs the log.
func (c *futureLog) finishLocked() error {
	l := c.log
	if err := c.copyView(&l.view); err != nil {
		return err
	}
	if err := c.copyTxnIndex(l.view.active()); err != nil {
		return err
	}
	l.awaitSnapshotLocked()
	for _, offset := range l.producers.snapshots {
		if err := c.copySnapshot(offset); err != nil {
			return err
		}
	}
	if err := c.writeEpochs(); err != nil {
		return err
	}
	if err := c.syncActive(); err != nil {
		return err
	}
	if err := c.fs.SyncDir(c.dir); err != nil {
		return c.diskError("sync", c.dir, err)
	}
	c.synced.Store(l.view.end)
	return nil
}

// writeEpochs brings the copy's leader epochs up to date.
func (c *futureLog) writeEpochs() error {
	c.log.pub.RLock()
	data := encodeLeaderEpochs(c.log.epochs.entries)
	c.log.pub.RUnlock()
	if bytes.Equal(data, c.epochs) {
		return nil
	}
	if err := writeFileAtomically(c.fs, c.path(leaderEpochFile), data); err != nil {
		return c.diskError("write", c.path(leaderEpochFile), err)
	}
	c.epochs = data
	return nil
}
