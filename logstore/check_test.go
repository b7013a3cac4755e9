package logstore

import (
	"bytes"
	"fmt"

	"klamm/protocol/batch"
)

// stored is a batch that was given to a log, with the offsets that it got.
type stored struct {
	h    batch.Header
	data []byte
}

// checkContent compares a log with the batches that it may hold: from its start
// on it must hold exactly those, in order, without a gap, up to its end.
func checkContent(l *Log, all []stored) error {
	start, end := l.Offsets()
	next := start
	for _, b := range all {
		if b.h.LastOffset() < start {
			continue
		}
		if b.h.BaseOffset >= end {
			break
		}
		r, err := l.Read(max(b.h.BaseOffset, start), 1, end, true)
		if err != nil {
			return err
		}
		got := make([]byte, r.Len)
		_, err = r.ReadAt(got, 0)
		r.Release()
		if !bytes.Equal(got, b.data) {
			return fmt.Errorf("batch at offset %d differs (%d bytes, want %d): %v", b.h.BaseOffset, len(got), len(b.data), err)
		}
		if b.h.BaseOffset > next {
			return fmt.Errorf("offsets %d to %d are missing", next, b.h.BaseOffset)
		}
		next = b.h.NextOffset()
	}
	if next < end {
		return fmt.Errorf("the log ends at %d, %d was written", end, next)
	}
	return nil
}

// checkIndexes holds every entry of both indexes against the log.
func checkIndexes(l *Log) error {
	v := l.snapshot()
	for i, s := range v.segments {
		if err := s.load(l.interval.Load()); err != nil {
			return err
		}
		if err := checkSegmentIndexes(s, v.size(i)); err != nil {
			return fmt.Errorf("segment %d: %w", s.base, err)
		}
	}
	return nil
}

func checkSegmentIndexes(s *segment, size int64) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	byPos, byLast := map[int64]batch.Header{}, map[int64]batch.Header{}
	scan := openFrames(f, 0, size, &lookupBuffers)
	defer scan.close()
	largest := int64(-1)
	for scan.next() == nil {
		byPos[scan.at], byLast[scan.h.LastOffset()] = scan.h, scan.h
		if scan.h.Count != 0 {
			largest = max(largest, scan.h.MaxTimestamp)
		}
	}
	if scan.pos != size {
		return fmt.Errorf("batches end at %d of %d", scan.pos, size)
	}
	var e [timeEntrySize]byte
	last := int64(-1)
	for n := range s.offsets.count {
		if err := s.offsets.entry(n, e[:]); err != nil {
			return err
		}
		offset, pos := offsetEntryOffset(e[:], s.base), offsetEntryPosition(e[:], 0)
		if h, ok := byPos[pos]; !ok || h.LastOffset() != offset || offset <= last {
			return fmt.Errorf("index entry %d: offset %d at %d is %+v", n, offset, pos, h)
		}
		last = offset
	}
	lastTs := int64(-1)
	for n := range s.times.count {
		if err := s.times.entry(n, e[:]); err != nil {
			return err
		}
		ts, offset := timeEntryTimestamp(e[:], 0), timeEntryOffset(e[:], s.base)
		if h, ok := byLast[offset]; !ok || h.MaxTimestamp != ts || ts <= lastTs {
			return fmt.Errorf("time index entry %d: %d at offset %d is %+v", n, ts, offset, h)
		}
		lastTs = ts
	}
	if ts, _, err := s.largestTimestamp(1); err != nil || ts != largest {
		return fmt.Errorf("largest timestamp %d, want %d: %v", ts, largest, err)
	}
	return nil
}

// entry copies entry n into buf.
func (x *index) entry(n int, buf []byte) error {
	if n >= x.onFile {
		copy(buf, x.tail[(n-x.onFile)*x.entrySize:])
		return nil
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer x.file.release()
	_, err = f.ReadAt(buf[:x.entrySize], int64(n*x.entrySize))
	return err
}
