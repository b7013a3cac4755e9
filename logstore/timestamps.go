package logstore

import (
	"errors"
	"io"

	"klamm/protocol/batch"
)

// TimestampOffset is a record found by its timestamp. LeaderEpoch is its
// batch's, -1 when that is not known.
type TimestampOffset struct {
	Offset      int64
	TimestampMs int64
	LeaderEpoch int32
}

// lookupExpandLimit bounds what a batch may expand to when a record is looked
// for in it, in bytes; what is stored was validated with a lower bound.
const lookupExpandLimit = 1 << 31

// OffsetForTimestamp finds the first record, at or past the log start, whose
// timestamp is at least ts (in ms). found is false when there is none. The
// caller ignores an answer at or past what it may show.
func (l *Log) OffsetForTimestamp(ts int64) (t TimestampOffset, found bool, err error) {
	err = l.retryMoved(func(v view) error {
		for i, s := range v.segments {
			largest, _, err := s.largestTimestamp(l.interval.Load())
			if err != nil {
				return goneIsRetired(err)
			}
			if largest < ts {
				continue
			}
			err = l.lookInSegment(&v, i, func() (bool, error) {
				from, err := s.timeFloor(ts)
				if err == nil {
					t, found, err = s.firstAtOrAfter(ts, max(from, v.start), v.start, v.size(i))
				}
				return found, err
			})
			if err != nil || found {
				return err
			}
		}
		return nil
	})
	return t, found, err
}

// firstAtOrAfter looks from the batch that holds offset from on.
func (s *segment) firstAtOrAfter(ts, from, start, size int64) (t TimestampOffset, found bool, err error) {
	f, err := s.log.acquire()
	if err != nil {
		return t, false, goneIsRetired(err)
	}
	defer s.log.release()
	pos, err := s.position(from)
	if err != nil {
		return t, false, err
	}
	scan := openFrames(f, pos, size, &lookupBuffers)
	defer scan.close()
	for err = scan.next(); err == nil; err = scan.next() {
		if scan.h.MaxTimestamp < ts || scan.h.LastOffset() < start {
			continue
		}
		t, found, err = scan.record(func(r batch.Stamp) bool { return r.Timestamp >= ts && r.Offset >= start })
		if err != nil || found {
			return t, found, err
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return t, false, err
}

// record finds the first record of the current batch that matches.
func (s *frames) record(match func(batch.Stamp) bool) (t TimestampOffset, found bool, err error) {
	if s.h.Magic < batch.Magic { // one message, or a wrapper that stands for all inside
		r := batch.Stamp{Offset: s.h.BaseOffset, Timestamp: s.h.MaxTimestamp}
		return TimestampOffset{r.Offset, r.Timestamp, -1}, match(r), nil
	}
	data, err := s.body()
	if err != nil {
		return t, false, err
	}
	r, found, err := batch.FindStamp(data, lookupExpandLimit, match)
	if err != nil || !found {
		return t, false, err
	}
	return TimestampOffset{r.Offset, r.Timestamp, s.h.PartitionLeaderEpoch}, true, nil
}

// MaxTimestampOffset finds the first record that has the largest timestamp in
// the log (KIP-734). found is false for a log without timestamps.
func (l *Log) MaxTimestampOffset() (t TimestampOffset, found bool, err error) {
	err = l.retryMoved(func(v view) error {
		best, bestTs, bestOffset := -1, int64(batch.NoTimestamp), int64(0)
		for i, s := range v.segments {
			ts, offset, err := s.largestTimestamp(l.interval.Load())
			if err != nil {
				return goneIsRetired(err)
			}
			if ts > bestTs {
				best, bestTs, bestOffset = i, ts, offset
			}
		}
		if best < 0 {
			return nil
		}
		return l.lookInSegment(&v, best, func() (bool, error) {
			var err error
			t, found, err = v.segments[best].firstWith(bestTs, bestOffset, v.size(best))
			return found, err
		})
	})
	return t, found, err
}

// lookInSegment looks for a record that segment i has. When it is not found, or
// no batch is where the index says, the indexes led astray: those of a sealed
// segment are written anew, and it is looked for once more.
func (l *Log) lookInSegment(v *view, i int, look func() (found bool, err error)) error {
	found, err := look()
	astray := errors.Is(err, errBadFrame) || err == nil && !found && v.segments[i].base >= v.start
	if !astray || i == len(v.segments)-1 {
		return err
	}
	s := v.segments[i]
	l.logger.Warn("index led astray and is written anew", "segment", s.base, "err", err)
	if err := s.rebuildIndexes(l.interval.Load()); err != nil {
		return err
	}
	_, err = look()
	return err
}

// firstWith finds the record with exactly this timestamp in the batch that ends
// at lastOffset, or a later one.
func (s *segment) firstWith(ts, lastOffset, size int64) (t TimestampOffset, found bool, err error) {
	f, err := s.log.acquire()
	if err != nil {
		return t, false, goneIsRetired(err)
	}
	defer s.log.release()
	pos, err := s.position(lastOffset)
	if err != nil {
		return t, false, err
	}
	scan := openFrames(f, pos, size, &lookupBuffers)
	defer scan.close()
	for err = scan.next(); err == nil; err = scan.next() {
		if scan.h.MaxTimestamp == ts && scan.h.Count != 0 {
			return scan.record(func(r batch.Stamp) bool { return r.Timestamp == ts })
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return t, false, err
}

// retryMoved repeats a lookup under which the log changed.
func (l *Log) retryMoved(lookup func(view) error) error {
	for {
		epoch, v := l.hints.generation(), l.snapshot()
		err := lookup(v)
		if err == nil || !l.movedSince(epoch, v, err) {
			return l.dirError("read", l.Dir(), l.goneError(err))
		}
	}
}
