package logstore

import (
	"encoding/binary"
	"errors"
	"io"

	"klamm/logstore/vfs"
)

// cut is where a segment is truncated: its file ends at pos then, and the log at the offset end.
type cut struct{ pos, end int64 }

// findCut finds where to truncate the segment so that no batch is left that has records at offset or above.
func (s *segment) findCut(offset int64, interval int32) (c cut, err error) {
	if err := s.load(interval); err != nil {
		return c, err
	}
	f, err := s.log.acquire()
	if err != nil {
		return c, err
	}
	defer s.log.release()
	start, err := s.position(offset)
	if err == nil {
		c, err = s.scanCut(f, start, offset)
	}
	if errors.Is(err, errBadFrame) { // the index is wrong, or bytes are corrupt
		c, err = s.scanCut(f, 0, offset)
	}
	return c, err
}

// scanCut looks for the cut from a position on at which a batch begins. It cuts before bytes that are corrupt if they may be
// those of the batch that holds offset.
func (s *segment) scanCut(f vfs.File, start, offset int64) (cut, error) {
	scan := openFrames(f, start, s.size.Load(), &lookupBuffers)
	defer scan.close()
	scan.within(s.base)
	end := s.base // of the batches before
	for {
		rotten, err := scan.skipRot()
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errBadFrame):
			return cut{}, err
		case start > 0 && (rotten >= 0 || err == nil && scan.at == start && scan.h.BaseOffset > offset):
			return cut{}, errBadFrame
		case rotten >= 0 && (err != nil || scan.h.BaseOffset > offset):
			return cut{rotten, min(end, offset)}, nil
		case err != nil:
			return cut{s.size.Load(), offset}, nil
		case scan.h.LastOffset() >= offset:
			return cut{scan.at, min(scan.h.BaseOffset, offset)}, nil
		}
		end = scan.h.NextOffset()
	}
}

// cut truncates the segment's files, and makes the new end of its batches durable. The indexes need no sync, since a start
// after a crash writes those past the recovery point anew.
func (s *segment) cut(c cut, interval int32) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	if c.pos < s.size.Load() {
		if err := f.Truncate(c.pos); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	s.size.Store(c.pos)
	if c.pos == 0 {
		s.firstTimestamp = unknownTimestamp
	}
	if err := s.cutTxnIndex(c.end); err != nil {
		return err
	}
	// The indexes of one segment are cheap to write anew, and then surely right.
	return s.rebuildIndexes(interval)
}

// cutTxnIndex removes the aborted transactions that ended at offset end or later from the segment's index of them.
func (s *segment) cutTxnIndex(end int64) error {
	path := s.path(txnIndexSuffix)
	data, err := readFileIfExists(s.fs, path)
	if err != nil {
		return err
	}
	n := 0
	for n+abortedTxnSize <= len(data) && int64(binary.BigEndian.Uint64(data[n+abortedTxnLastAt:])) < end {
		n += abortedTxnSize
	}
	if n == len(data) {
		return nil
	}
	f, err := s.fs.Open(path)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(n))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
