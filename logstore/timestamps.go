package logstore

import (
	"errors"
	"io"

	"klamm/protocol/batch"
)

// TimestampOffset is a record that a lookup by time found. LeaderEpoch is the leader epoch
// of the record's batch, -1 when it is not known.
type TimestampOffset struct {
	Offset      int64
	TimestampMs int64
	LeaderEpoch int32
}

// lookupExpandLimit bounds the bytes to which a lookup expands a batch. Batches in the log
// were validated with a lower bound.
const lookupExpandLimit = 1 << 31

// OffsetForTimestamp finds the first record, at or above the log start offset, whose
// timestamp is at least ts (in ms). found is false when there is none. The caller drops a
// record at or above the offset up to which it may show records.
func (l *Log) OffsetForTimestamp(ts int64) (t TimestampOffset, found bool, err error) {
	err = l.retryMoved(func(v view) error {
		var rot *CorruptError
		for i, s := range v.segments {
			largest, _, err := s.largestTimestamp(l.interval.Load())
			if err != nil {
				return goneIsRetired(err)
			}
			if largest < ts {
				continue
			}
			err = l.lookInSegment(v, i, func(overRot bool) (bool, error) {
				from, err := s.timeFloor(ts)
				if err == nil {
					t, found, err = l.firstAtOrAfter(s, ts, max(from, v.start), v.start, v.size(i), overRot)
				}
				return found, err
			})
			if errors.As(err, &rot) {
				continue // a later segment may have such a record
			}
			if err != nil || found {
				return err
			}
		}
		if rot != nil {
			return rot
		}
		return nil
	})
	return t, found, err
}

// firstAtOrAfter finds, in the first size bytes of a segment, the first record at or above
// start whose timestamp is at least ts. It begins at the batch that contains offset from.
func (l *Log) firstAtOrAfter(s *segment, ts, from, start, size int64, overRot bool) (t TimestampOffset, found bool, err error) {
	scan := stampScan{log: l, s: s, overRot: overRot}
	if err := scan.open(from, size); err != nil {
		return t, false, err
	}
	defer scan.close()
	for {
		err := scan.next(func(h *batch.Header) bool { return h.MaxTimestamp >= ts && h.LastOffset() >= start })
		if err != nil {
			return t, false, scan.end(err)
		}
		t, found, err = scan.record(func(r batch.Stamp) bool { return r.Timestamp >= ts && r.Offset >= start })
		if err != nil || found {
			return t, found, err
		}
	}
}

// stampScan goes through the batches of a segment for a lookup by time.
type stampScan struct {
	frames
	log     *Log
	s       *segment
	overRot bool          // go on behind corrupt batches
	rot     *CorruptError // the first corrupt batch that the scan passed, nil for none
}

// open begins at the batch that contains offset from. size bounds the bytes of the segment
// that it reads. The caller calls close.
func (x *stampScan) open(from, size int64) error {
	f, err := x.s.log.acquire()
	if err != nil {
		return goneIsRetired(err)
	}
	pos, err := x.s.position(from)
	if err != nil {
		x.s.log.release()
		return err
	}
	x.frames = openFrames(f, pos, size, &lookupBuffers)
	x.within(x.s.base)
	return nil
}

func (x *stampScan) close() {
	x.frames.close()
	x.s.log.release()
}

// next goes to the next batch for whose header wanted reports true, and compares the batch with its CRC.
func (x *stampScan) next(wanted func(*batch.Header) bool) error {
	for {
		if err := x.step(); err != nil {
			return err
		}
		if !wanted(&x.h) {
			continue
		}
		err := x.check()
		if err == nil || !x.overRot || !errors.Is(err, errBadFrame) {
			return err
		}
		x.pass(x.at, x.h.BaseOffset, err)
	}
}

// step goes to the next batch. With overRot it passes corrupt bytes.
func (x *stampScan) step() error {
	if !x.overRot {
		return x.frames.next()
	}
	lo := x.lo
	rotten, err := x.skipRot()
	if rotten >= 0 {
		x.pass(rotten, lo, errBadFrame)
	}
	if errors.Is(err, errBadFrame) { // no batch follows the corrupt bytes
		err = io.EOF
	}
	return err
}

// pass records that the batch at the position pos is corrupt.
func (x *stampScan) pass(pos, offset int64, err error) {
	x.log.tellRot(x.s, pos, offset, err)
	if x.rot == nil {
		x.rot = &CorruptError{Path: x.s.log.path, Position: pos, Offset: offset, Err: err}
	}
}

// end gives the error of a lookup whose next gave err. The end of the segment is no error,
// unless the scan passed a corrupt batch: the record may be in that batch.
func (x *stampScan) end(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case x.rot != nil:
		return x.rot
	}
	return nil
}

// record finds the first record of the current batch that matches.
func (s *frames) record(match func(batch.Stamp) bool) (t TimestampOffset, found bool, err error) {
	if s.h.Magic < batch.Magic { // one message, or a wrapper message, which counts for the messages inside it
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

// MaxTimestampOffset finds, among the records at or above the log start offset, the first with
// the largest timestamp (KIP-734). found is false for a log without timestamps.
func (l *Log) MaxTimestampOffset() (t TimestampOffset, found bool, err error) {
	err = l.retryMoved(func(v view) error {
		t, found = TimestampOffset{}, false
		// The first segment's time index may point to a record below the log start offset.
		first := v.floor(v.start)
		best, at, err := l.latestSegment(&v, first)
		if err != nil || best < 0 {
			return err
		}
		if t, found, err = l.latestIn(&v, best, at); found || err != nil || best > first {
			return err
		}
		if t, found, err = l.latestFrom(&v, first); err != nil {
			return err
		}
		best, at, err = l.latestSegment(&v, first+1)
		if err != nil || best < 0 || found && t.TimestampMs >= at.timestamp {
			return err
		}
		t, found, err = l.latestIn(&v, best, at)
		return err
	})
	return t, found, err
}

// timeEntry is a segment's largest timestamp according to its time index, and the last offset of the first batch that has it.
type timeEntry struct {
	timestamp  int64
	lastOffset int64
}

// latestSegment finds, among the segments from index from on, the first with the largest timestamp; -1 where none has a timestamp.
func (l *Log) latestSegment(v *view, from int) (best int, at timeEntry, err error) {
	best, at.timestamp = -1, batch.NoTimestamp
	for i := from; i < len(v.segments); i++ {
		ts, offset, err := v.segments[i].largestTimestamp(l.interval.Load())
		if err != nil {
			return -1, at, goneIsRetired(err)
		}
		if ts > at.timestamp {
			best, at = i, timeEntry{ts, offset}
		}
	}
	return best, at, nil
}

// latestIn finds the record that a segment's time index points to. found is false when it lies below the log start offset.
func (l *Log) latestIn(v *view, i int, at timeEntry) (t TimestampOffset, found bool, err error) {
	if at.lastOffset < v.start {
		return t, false, nil
	}
	err = l.lookInSegment(*v, i, func(overRot bool) (bool, error) {
		var err error
		t, found, err = l.firstWith(v.segments[i], at.timestamp, at.lastOffset, v.start, v.size(i), overRot)
		return found, err
	})
	return t, found, err
}

// latestFrom reads all batch headers of a segment from the log start offset on, and finds the first record with the largest timestamp.
func (l *Log) latestFrom(v *view, i int) (t TimestampOffset, found bool, err error) {
	err = l.lookInSegment(*v, i, func(overRot bool) (bool, error) {
		var err error
		t, found, err = l.firstOfLargest(v.segments[i], v.start, v.size(i), overRot)
		return found, err
	})
	return t, found, err
}

// firstOfLargest finds the first record with the largest timestamp at or above start. It expands only batches whose largest timestamp
// is above that of all batches before.
func (l *Log) firstOfLargest(s *segment, start, size int64, overRot bool) (t TimestampOffset, found bool, err error) {
	t.TimestampMs = batch.NoTimestamp
	scan := stampScan{log: l, s: s, overRot: overRot}
	if err := scan.open(start, size); err != nil {
		return t, false, err
	}
	defer scan.close()
	for {
		err := scan.next(func(h *batch.Header) bool {
			return h.MaxTimestamp > t.TimestampMs && h.LastOffset() >= start && h.Count != 0
		})
		if err != nil {
			return t, found, scan.end(err)
		}
		later, ok, err := scan.largest(start)
		if err != nil {
			return t, found, err
		}
		if ok && later.TimestampMs > t.TimestampMs {
			t, found = later, true
		}
	}
}

// largest finds, among the records of the current batch at or above start, the first with the largest timestamp.
func (s *frames) largest(start int64) (t TimestampOffset, found bool, err error) {
	if s.h.Magic < batch.Magic { // one message, or a wrapper message whose inner offsets are not read here
		return TimestampOffset{max(s.h.BaseOffset, start), s.h.MaxTimestamp, -1}, true, nil
	}
	largest := s.h.MaxTimestamp
	if s.h.BaseOffset < start { // the record that has it may lie below start
		largest = batch.NoTimestamp
		if _, _, err := s.record(func(r batch.Stamp) bool {
			if r.Offset >= start {
				largest = max(largest, r.Timestamp)
			}
			return false
		}); err != nil {
			return t, false, err
		}
	}
	return s.record(func(r batch.Stamp) bool { return r.Timestamp == largest && r.Offset >= start })
}

// lookInSegment calls look to find a record that segment i contains. If look does not find the
// record, or finds no batch where the index says, the indexes of a sealed segment may be wrong.
// Then lookInSegment rebuilds them, once for each segment, and looks again. If that does not help,
// the segment is corrupt, and lookInSegment has look search outside of the corrupt bytes. It gives
// *CorruptError if the record is not there.
func (l *Log) lookInSegment(v view, i int, look func(overRot bool) (found bool, err error)) error {
	s := v.segments[i]
	found, err := look(false)
	wrongIndex := errors.Is(err, errBadFrame) || err == nil && !found && s.base >= v.start
	// If a sealed segment is active now, the log was truncated, and retryMoved repeats the lookup.
	if now := l.snapshot(); !wrongIndex || i == len(v.segments)-1 || s == now.active() {
		return err
	}
	if !s.rebuilt.Load() {
		l.logger.Warn("index points to no batch and is rebuilt", "segment", s.base, "error", err)
		if err := s.rebuildIndexes(l.interval.Load()); err != nil {
			return err
		}
		_, err = look(false)
	}
	if errors.Is(err, errBadFrame) {
		_, err = look(true)
	}
	return err
}

// firstWith finds the first record at or above start whose timestamp is ts. It looks only in the first batch
// that ends at or above lastOffset and whose largest timestamp is ts.
func (l *Log) firstWith(s *segment, ts, lastOffset, start, size int64, overRot bool) (t TimestampOffset, found bool, err error) {
	scan := stampScan{log: l, s: s, overRot: overRot}
	if err := scan.open(lastOffset, size); err != nil {
		return t, false, err
	}
	defer scan.close()
	if err := scan.next(func(h *batch.Header) bool { return h.MaxTimestamp == ts && h.Count != 0 }); err != nil {
		return t, false, scan.end(err)
	}
	return scan.record(func(r batch.Stamp) bool {
		return r.Timestamp == ts && (r.Offset >= start || scan.h.Magic < batch.Magic)
	})
}

// retryMoved calls lookup with a view of the log, and repeats it if it failed because the log changed meanwhile.
func (l *Log) retryMoved(lookup func(view) error) error {
	for {
		epoch, v := l.hints.generation(), l.snapshot()
		err := lookup(v)
		if err == nil || !l.movedSince(epoch, v, err) {
			return l.dirError("read", l.Dir(), l.goneError(err))
		}
	}
}
