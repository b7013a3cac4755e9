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
// (CORRUPT_MESSAGE): a disk that rots, or somebody who wrote into the file. It costs
// who asked for just these records, and nobody else.
type CorruptError struct {
	Path string
	// Position is where in the file the batch begins, Offset the one that was looked for.
	Position, Offset int64
	Err              error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: the batch at position %d, with offset %d, is corrupt: %v", e.Path, e.Position, e.Offset, e.Err)
}

// Unwrap gives what is wrong with the batch.
func (e *CorruptError) Unwrap() error { return e.Err }

// checked knows which parts of a segment's file were read and their CRCs found right
// since the segment was opened. What this process appended needs no reading at first: it
// was checked when it came.
//
// What is found right once, and what was appended to a segment that is sealed, is believed for
// rotCheckMs, and only while nobody writes into the file. Then it is read again, when somebody
// asks for it.
type checked struct {
	mu sync.Mutex
	// Guarded by mu.
	modified time.Time // when the sealed file was last written
	spans    [8]span   // of which the first n
	n        int
	rotten   map[int64]bool // positions that were told of
}

// span is a part of a file, in bytes; to is exclusive.
type span struct{ from, to int64 }

// maxRotten bounds how many rotten places of one segment are told of.
const maxRotten = 100

// covers says whether all of a part was checked, and the file is as it was then. Who
// still appends to the file does not say when it was modified.
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

// news reports whether a rotten place was not told of before.
func (c *checked) news(pos int64) bool {
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

// believe has what this process appended to a segment that is sealed now not read again at once.
func (s *segment) believe() error {
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

// intact reads the batches of a part of segment i that was not checked yet, and
// gives the end of those that are as they were written. Where the first is not,
// that is an error.
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
	if s.checked.news(pos) {
		l.logger.Error("corrupt batch in a segment; who reads it gets an error, all else goes on",
			"path", s.log.path, "position", pos, "offset", offset, "error", err)
	}
}

// DoubtSegments has all that is read from sealed segments from now on checked again.
func (l *Log) DoubtSegments() {
	for _, s := range l.snapshot().segments {
		s.checked.forget()
	}
}

// resync goes on behind bytes that are no batch: what next finds then is the
// next whole batch with a right CRC whose offsets lie within the bounds.
// io.EOF when there is none.
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

// plausible looks for what may be the first bytes of a batch of magic 2. It gives its place, or how many bytes
// there are none in.
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

// skipRot is next, but goes on behind bytes that are no batch, if a batch follows them. rotten says where such
// bytes began, -1 for nowhere. The bounds of the offsets must be set.
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
