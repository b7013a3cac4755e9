package logstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"klamm/logstore/vfs"
)

// Region is a run of whole batches in a segment's file, to be read or sent from
// there. It keeps the file open, also when the segment is deleted meanwhile,
// until Release. The zero Region is empty.
type Region struct {
	log    *Log
	cached *cachedFile
	file   vfs.File
	// Pos is where the region begins in the file, Len how many bytes it has.
	Pos int64
	Len int
	// More says that the region ends where its segment does, and that there is
	// more to read in the next one.
	More bool
}

// Size gives the number of bytes.
func (r *Region) Size() int { return r.Len }

// Readers gives the number of readers that hold the region's file open, this region among them. It is for tests.
func (r *Region) Readers() int {
	b := r.cached.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.cached.refs
}

// ReadAt reads from the region; off counts from its beginning. As io.ReaderAt.
func (r *Region) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(r.Len) {
		return 0, io.EOF
	}
	want := min(len(p), r.Len-int(off))
	if want == 0 && len(p) == 0 {
		return 0, nil
	}
	n, err := r.file.ReadAt(p[:want], r.Pos+off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// OSFile gives the operating system's file and where the region begins in it, for
// sendfile; nil where there is none.
func (r *Region) OSFile() (f *os.File, pos int64) {
	if r.file == nil {
		return nil, 0
	}
	return r.file.OSFile(), r.Pos
}

// ReadFailed is for a caller that could not read the region's file. An error of the disk
// takes the log directory offline, as an error of Read does. ReadFailed returns what Read
// would have failed with, a *DirError.
func (r *Region) ReadFailed(err error) error {
	if r.log != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = r.log.dirError("read", r.cached.path, err)
		r.log.readFailed(err)
	}
	return err
}

// Release lets the file be closed. Calling it again does nothing.
func (r *Region) Release() {
	if r.cached != nil {
		r.cached.release()
		*r = Region{}
	}
}

// readHints has the positions of offsets that readers are likely to ask for next:
// those after what was read last. Truncation invalidates all of them.
type readHints struct {
	mu    sync.Mutex
	epoch uint64 // counts truncations
	next  int
	slots [8]readHint
}

type readHint struct {
	segment *segment
	offset  int64
	pos     int64
}

func (h *readHints) generation() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch
}

func (h *readHints) find(s *segment, offset int64) (pos int64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.slots {
		if c := &h.slots[i]; c.segment == s && c.offset == offset {
			return c.pos, true
		}
	}
	return 0, false
}

// put remembers a position that was seen in this generation.
func (h *readHints) put(epoch uint64, s *segment, offset, pos int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch != epoch {
		return
	}
	for i := range h.slots {
		if c := &h.slots[i]; c.segment == s && c.offset == offset {
			return
		}
	}
	h.slots[h.next] = readHint{s, offset, pos}
	h.next = (h.next + 1) % len(h.slots)
}

func (h *readHints) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch++
	h.slots = [8]readHint{}
}

// Read gives whole batches from the one that holds offset from (or the next one,
// where compaction left a gap) on: those that lie below upTo, at most maxBytes
// of them, and with atLeastOne the first even if it is larger. A region never
// crosses into the next segment: to fill a budget, the caller goes on behind it.
// It is empty when there is nothing below upTo, or nothing that fits.
//
// from must be within start and end of the log, the end included:
// *OffsetOutOfRangeError otherwise. upTo beyond the end counts as the end.
func (l *Log) Read(from int64, maxBytes int, upTo int64, atLeastOne bool) (Region, error) {
	for {
		epoch, v := l.hints.generation(), l.snapshot()
		region, err := l.readOnce(v, from, maxBytes, upTo, atLeastOne)
		if err == nil || !l.movedSince(epoch, v, err) {
			return region, l.goneError(err)
		}
	}
}

// movedSince says whether a reader failed because the log changed while it read: a
// segment was deleted, or the log was truncated. Then the reader tries again. If the
// log is as the reader saw it and a file is missing, somebody else removed the file,
// and trying again would never end.
func (l *Log) movedSince(epoch uint64, was view, err error) bool {
	if !errors.Is(err, errRetired) && !errors.Is(err, errBadFrame) && !errors.Is(err, io.EOF) {
		return false
	}
	l.mu.Lock() // a change that is under way ends first
	defer l.mu.Unlock()
	if l.closed || l.Err() != nil {
		return false // it does not change any more
	}
	if l.hints.generation() != epoch {
		return true
	}
	n := len(was.segments) // a roll adds to them, all else changes them
	same := n <= len(l.view.segments) && slices.Equal(was.segments, l.view.segments[:n])
	return errors.Is(err, errRetired) && !same
}

// goneError gives the error for a file that a reader did not find: ErrClosed if the log
// is closed, else the disk has lost it.
func (l *Log) goneError(err error) error {
	if !errors.Is(err, errRetired) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing := (*fs.PathError)(nil); !l.closed && errors.As(err, &missing) {
		return l.dirError("open", missing.Path, missing.Err)
	}
	return ErrClosed
}

func (l *Log) readOnce(v view, from int64, maxBytes int, upTo int64, atLeastOne bool) (Region, error) {
	if from < v.start || from > v.end {
		return Region{}, &OffsetOutOfRangeError{Partition: l.name, Requested: from, Start: v.start, End: v.end}
	}
	r := reader{log: l, view: v, from: from, maxBytes: int64(max(maxBytes, 0)), upTo: min(upTo, v.end), atLeastOne: atLeastOne}
	if from >= r.upTo {
		return Region{}, nil
	}
	r.epoch = l.hints.generation()
	for i := v.floor(from); i < len(v.segments) && v.segments[i].base < r.upTo; i++ {
		region, found, err := r.segment(i)
		err = goneIsRetired(err)
		if errors.Is(err, errBadFrame) && i < len(v.segments)-1 && !errors.As(err, new(*CorruptError)) {
			region, found, err = r.retryWithoutIndex(i, err)
		}
		if err != nil && !errors.Is(err, errRetired) {
			return Region{}, l.dirError("read", v.segments[i].path(logSuffix), err)
		}
		if found || err != nil {
			return region, err
		}
	}
	return Region{}, nil
}

// retryWithoutIndex reads again in a sealed segment that had no batch where its index says.
// The indexes may be wrong: they are rebuilt, once. If that does not help the segment is
// corrupt, and the batches behind the corrupt bytes are looked for.
func (r *reader) retryWithoutIndex(i int, was error) (region Region, found bool, err error) {
	s := r.view.segments[i]
	if !s.rebuilt.Load() {
		r.log.logger.Warn("index points to no batch and is rebuilt", "segment", s.base, "error", was)
		if err := s.rebuildIndexes(r.log.interval.Load()); err != nil {
			return Region{}, false, err
		}
	}
	r.overRot = true
	defer func() { r.overRot = false }()
	return r.segment(i)
}

// reader is one call of Read.
type reader struct {
	log        *Log
	view       view
	from, upTo int64
	maxBytes   int64
	atLeastOne bool
	epoch      uint64
	overRot    bool // look for batches behind corrupt bytes
}

// segment reads in segment i; found is false when it holds nothing from the
// offset on, so that the next one is to be looked into.
func (r *reader) segment(i int) (region Region, found bool, err error) {
	s := r.view.segments[i]
	if err := s.load(r.log.interval.Load()); err != nil {
		return Region{}, false, goneIsRetired(err)
	}
	f, err := s.log.acquire()
	if err != nil {
		return Region{}, false, goneIsRetired(err)
	}
	pos, end, err := r.bounds(i, s, f)
	if err != nil || end <= pos {
		s.log.release()
		// An empty result ends the search, unless the segment had nothing at all.
		return Region{}, err == nil && pos >= 0, err
	}
	if end, err = r.intact(i, s, f, span{pos, end}); err != nil {
		s.log.release()
		return Region{}, false, err
	}
	more := i+1 < len(r.view.segments) && end == r.view.size(i) && r.view.segments[i+1].base < r.upTo
	return Region{log: r.log, cached: &s.log, file: f, Pos: pos, Len: int(end - pos), More: more}, true, nil
}

// goneIsRetired marks the error of a missing file as errRetired: retention may have just
// renamed it. movedSince finds out whether it has.
func goneIsRetired(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errRetired, err)
	}
	return err
}

// bounds finds where the batches begin and end. pos is -1 when the segment holds
// none from the offset on.
func (r *reader) bounds(i int, s *segment, f vfs.File) (pos, end int64, err error) {
	size := r.view.size(i)
	last := i == len(r.view.segments)-1
	limit := size
	if last && r.upTo < r.view.end || !last && r.upTo < r.view.segments[i+1].base {
		if limit, err = r.find(s, f, r.upTo, size); err != nil {
			return 0, 0, err
		}
		if limit < 0 {
			limit = size
		}
	}
	if pos, err = r.find(s, f, r.from, size); err != nil || pos < 0 {
		return -1, -1, err
	}
	if limit-pos <= r.maxBytes {
		if last && limit == size {
			r.log.hints.put(r.epoch, s, r.view.end, limit)
		}
		return pos, limit, nil
	}
	end, err = r.cut(s, f, pos, limit)
	return pos, end, err
}

// find gives the position of the first batch that ends at offset or later, -1
// when there is none.
func (r *reader) find(s *segment, f vfs.File, offset, size int64) (int64, error) {
	if pos, ok := r.log.hints.find(s, offset); ok && pos < size {
		return pos, nil
	}
	if !r.overRot {
		return s.find(f, offset, size)
	}
	return r.findOverRot(s, f, offset, size)
}

// findOverRot is find in a segment that is corrupt somewhere.
func (r *reader) findOverRot(s *segment, f vfs.File, offset, size int64) (int64, error) {
	start, err := s.position(offset)
	if err != nil {
		return 0, err
	}
	scan := openFrames(f, start, size, &recoverBuffers)
	defer scan.close()
	scan.within(s.base)
	for {
		rotten, err := scan.skipRot()
		if rotten >= 0 && (err != nil || scan.h.BaseOffset > offset) {
			if err == nil || errors.Is(err, errBadFrame) {
				r.log.tellRot(s, rotten, offset, err)
				err = &CorruptError{Path: s.log.path, Position: rotten, Offset: offset, Err: errBadFrame}
			}
			return 0, err
		}
		if err == io.EOF {
			return -1, nil
		}
		if err != nil {
			return 0, err
		}
		if scan.h.LastOffset() >= offset {
			return scan.at, nil
		}
	}
}

// find gives the position of the first batch that ends at offset or later, -1 when there
// is none. It fails with errBadFrame if the index cannot be right.
func (s *segment) find(f vfs.File, offset, size int64) (int64, error) {
	start, err := s.position(offset)
	if err != nil {
		return 0, err
	}
	scan := openFrames(f, start, size, &lookupBuffers)
	defer scan.close()
	scan.within(s.base)
	for {
		if err := scan.next(); err == io.EOF {
			return -1, nil
		} else if err != nil {
			return 0, err
		}
		if scan.at == start && start > 0 && scan.h.BaseOffset > offset {
			return 0, errBadFrame
		}
		if scan.h.LastOffset() >= offset {
			return scan.at, nil
		}
	}
}

// cut gives the end of the last batch that fits into maxBytes from pos on; with
// atLeastOne at least that of the first, where it lies below limit.
func (r *reader) cut(s *segment, f vfs.File, pos, limit int64) (int64, error) {
	target := pos + r.maxBytes
	end, err := s.boundary(target)
	if errors.Is(err, io.EOF) {
		err = errBadFrame
	}
	if err != nil {
		return 0, err
	}
	end = max(end, pos)
	scan := openFrames(f, end, limit, &lookupBuffers)
	defer scan.close()
	scan.within(s.base)
	begin := end
	for {
		err := scan.next()
		if errors.Is(err, errBadFrame) && (end > begin || end > pos && r.overRot) {
			return end, nil // up to what is corrupt
		}
		if err == io.EOF {
			return end, nil
		} else if err != nil {
			return 0, err
		}
		if scan.pos > target {
			break
		}
		end = scan.pos
	}
	if end == pos && r.atLeastOne {
		return scan.pos, nil
	}
	r.log.hints.put(r.epoch, s, scan.h.BaseOffset, end)
	return end, nil
}
