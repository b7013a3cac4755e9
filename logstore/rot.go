package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// CorruptError says that the bytes of a log are not what was written once
// (CORRUPT_MESSAGE): the disk corrupted them, or somebody wrote into the file. Only
// requests for these very records fail.
type CorruptError struct {
	Path string
	// Position is where in the file the batch begins, Offset the offset that was looked for.
	Position, Offset int64
	Err              error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: the batch at position %d, with offset %d, is corrupt: %v", e.Path, e.Position, e.Offset, e.Err)
}

// Unwrap gives what is wrong with the batch.
func (e *CorruptError) Unwrap() error { return e.Err }

// checked knows in which parts of a segment's file the CRCs were compared, and found
// right, since the segment was opened. Batches that this process appended were checked
// when they came.
//
// Both count as right for rotCheckMs, and in a sealed segment only while nobody writes
// into the file. After that a part is checked again when somebody reads it.
type checked struct {
	mu sync.Mutex
	// Guarded by mu.
	modified time.Time // when the sealed file was last written
	spans    [8]span   // of which the first n
	n        int
	rotten   map[int64]bool // positions that were logged
}

// span is a part of a file, in bytes; to is exclusive.
type span struct{ from, to int64 }

// maxRotten bounds how many corrupt positions of one segment are logged.
const maxRotten = 100

// covers says whether all of a part was checked, and the file was not modified since.
// modified is zero for the active segment, which is modified all the time.
func (c *checked) covers(p span, modified time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !modified.IsZero() && !modified.Equal(c.modified) {
		c.modified, c.n = modified, 0
	}
	for _, s := range c.spans[:c.n] {
		if s.from <= p.from && p.to <= s.to {
			return true
		}
	}
	return false
}

// seal has what was appended believed, and what was checked before.
func (c *checked) seal(appended span, modified time.Time) {
	c.mu.Lock()
	c.modified = modified
	c.mu.Unlock()
	c.add(appended)
}

// add notes that a part was checked. Of too many parts the smallest is forgotten.
func (c *checked) add(p span) {
	if p.from >= p.to {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := 0
	for _, s := range c.spans[:c.n] {
		if s.to < p.from || p.to < s.from {
			c.spans[kept] = s
			kept++
		} else {
			p = span{min(p.from, s.from), max(p.to, s.to)}
		}
	}
	if c.n = kept; kept == len(c.spans) {
		smallest := 0
		for i, s := range c.spans {
			if s.to-s.from < c.spans[smallest].to-c.spans[smallest].from {
				smallest = i
			}
		}
		c.spans[smallest] = p
		return
	}
	c.spans[c.n] = p
	c.n++
}

func (c *checked) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = 0
}

// firstReport says whether a corrupt position was not logged before, and notes that it is now.
func (c *checked) firstReport(pos int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rotten[pos] || len(c.rotten) >= maxRotten {
		return false
	}
	if c.rotten == nil {
		c.rotten = map[int64]bool{}
	}
	c.rotten[pos] = true
	return true
}

// markAppendedChecked notes of a segment that is sealed now that the batches which this process
// appended need no check at first.
func (s *segment) markAppendedChecked() error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	modified, err := f.ModTime()
	if err != nil {
		return err
	}
	s.checked.seal(span{s.trusted.Load(), s.size.Load()}, modified)
	return nil
}

// intact checks the batches of a part of segment i that was not checked yet, and gives
// the end of the last one before a corrupt one. It fails if the first is corrupt.
func (r *reader) intact(i int, s *segment, f vfs.File, part span) (end int64, err error) {
	end = part.to
	var modified time.Time
	if i == len(r.view.segments)-1 {
		// What this process wrote is believed. But a batch larger than what was asked for has the caller make a larger
		// buffer, and its length may have rotted since.
		if part.to-part.from <= r.maxBytes {
			part.to = min(part.to, s.trusted.Load())
		}
	} else if modified, err = f.ModTime(); err != nil {
		return 0, err
	}
	if part.from >= part.to || s.checked.covers(part, modified) {
		return end, nil
	}
	scan := openFrames(f, part.from, r.view.size(i), &recoverBuffers)
	defer scan.close()
	scan.lo, scan.hi = s.base, r.view.end
	if i+1 < len(r.view.segments) {
		scan.hi = r.view.segments[i+1].base
	}
	for scan.pos < part.to {
		at := scan.pos
		if err = scan.next(); err == nil {
			err = scan.check()
		}
		if errors.Is(err, errBadFrame) {
			r.log.tellRot(s, at, r.from, err)
			if end = at; at > part.from {
				err = nil
				break
			}
			return 0, &CorruptError{Path: s.log.path, Position: at, Offset: r.from, Err: err}
		}
		if err != nil {
			return 0, err
		}
	}
	if scan.pos > part.from {
		s.checked.add(span{part.from, min(scan.pos, end)})
	}
	return end, nil
}

func (l *Log) tellRot(s *segment, pos, offset int64, err error) {
	if s.checked.firstReport(pos) {
		l.logger.Error("corrupt batch in a segment: requests for it fail, all others are served",
			"path", s.log.path, "position", pos, "offset", offset, "error", err)
	}
}

// RecheckSegments has each part of the sealed segments checked again when it is next read.
func (l *Log) RecheckSegments() {
	for _, s := range l.snapshot().segments {
		s.checked.forget()
	}
}

// resync looks, behind bytes that are no batch, for the next whole batch with a right
// CRC whose offsets lie within the bounds. The next call of next gives that batch.
// io.EOF if there is none.
func (s *frames) resync() error {
	lo := s.lo
	for bad := s.pos + 1; bad+batch.HeaderSize <= s.limit; {
		have, err := s.bytes(bad, min(s.limit-bad, recoverChunk))
		if err != nil {
			return err
		}
		n, found := plausible(have, lo, s.hi)
		if bad += int64(n); !found {
			continue
		}
		s.pos, s.lo = bad, lo
		if err = s.next(); err == nil {
			err = s.check()
		}
		if err == nil {
			s.pos, s.lo = s.at, lo
			return nil
		}
		if !errors.Is(err, errBadFrame) {
			return err
		}
		bad++
	}
	return io.EOF
}

// plausible looks for what may be the first bytes of a batch of magic 2. It gives their position, or how many bytes
// can be passed over.
func plausible(b []byte, from, below int64) (at int, found bool) {
	const magicAt = 16
	for ; at+batch.HeaderSize <= len(b); at++ {
		if b[at+magicAt] != batch.Magic {
			continue
		}
		if base := int64(binary.BigEndian.Uint64(b[at:])); base >= from && base < below {
			return at, true
		}
	}
	return max(at, 1), false
}

// skipRot is next, but passes over corrupt bytes if a batch follows them. rotten is where those bytes begin, -1 if
// there are none. The bounds of the offsets must be set.
func (s *frames) skipRot() (rotten int64, err error) {
	before := *s
	err = s.next()
	if !errors.Is(err, errBadFrame) {
		return -1, err
	}
	rotten = before.pos
	if prev := before; prev.h.Length > 0 && prev.at+int64(prev.h.Size()) == prev.pos {
		// Perhaps it is the length of the one before that led here.
		prev.buf, prev.have = s.buf, nil
		if prev.check() != nil {
			rotten = prev.at
			before.lo = min(before.lo, max(prev.h.BaseOffset, 0))
		}
		s.have = nil // prev used the buffer
	}
	s.pos, s.lo = rotten, before.lo
	if again := s.resync(); again != nil {
		if errors.Is(again, io.EOF) {
			again = err
		}
		return rotten, again
	}
	return rotten, s.next()
}

// corrupt says whether an error is about bytes that make no sense, and not about the disk.
func corrupt(err error) bool {
	return errors.Is(err, errBadFrame) || errors.As(err, new(*batch.CorruptError)) || errors.As(err, new(*batch.InvalidError)) ||
		errors.As(err, new(*batch.CodecError)) || errors.As(err, new(*batch.TooLargeError))
}
