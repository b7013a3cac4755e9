package logstore

import (
	"errors"
	"slices"
)

// DeleteRecordsBefore advances the log start offset to offset, which must not be
// above the high watermark (*OffsetOutOfRangeError). Offsets below are gone for
// readers at once, their segments with the next Retain. An offset below the
// start changes nothing. Gives the log start offset.
func (l *Log) DeleteRecordsBefore(offset int64) (start int64, err error) {
	defer l.notifyStart(l.StartOffset())
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return l.view.start, err
	}
	if hw := l.HighWatermark(); offset > hw {
		return l.view.start, &OffsetOutOfRangeError{Partition: l.name, Requested: offset, Start: l.view.start, End: hw}
	}
	l.startAtLocked(offset)
	return l.view.start, nil
}

// NotifyStart has f called each time that deletions have moved the log start offset. f is called without locks of the log, perhaps more than once for
// one move.
func (l *Log) NotifyStart(f func()) { l.startMoved.Store(&f) }

// notifyStart tells of a log start offset that is not what it was.
func (l *Log) notifyStart(was int64) {
	if f := l.startMoved.Load(); f != nil && l.StartOffset() != was {
		(*f)()
	}
}

func (l *Log) startAtLocked(offset int64) {
	if offset <= l.view.start {
		return
	}
	l.pub.Lock()
	l.view.start = offset
	l.epochs.truncateFromStart(offset)
	l.pub.Unlock()
	l.producers.mapEnd = max(l.producers.mapEnd, offset)
	if n := l.producers.newest(); n >= 0 || len(l.producers.byID) > 0 {
		l.producers.snapEnd = n // -1 without a snapshot, so that the producers are written to the next one
	} else {
		l.producers.snapEnd = offset
	}
}

// Retain is Expire and DeleteExpired at once, for a log whose owner keeps no
// checkpoint of its start.
func (l *Log) Retain(nowMs int64) (segments int, bytes int64, err error) {
	if _, err := l.Expire(nowMs); err != nil {
		return 0, 0, err
	}
	return l.DeleteExpired()
}

// Expire finds the segments that are to go: those before the log start offset, and
// where cleanup.policy has delete those too many for retention.bytes or too old for
// retention.ms, by their largest timestamp. Segments that reach above the high
// watermark stay. There is always an active segment: if that goes too, a new one
// begins. moved says whether there is something for DeleteExpired.
//
// The log will start behind them: PendingStartOffset, for the owner to make durable
// before DeleteExpired shows it. What a power loss then leaves of the segments, in
// whatever order, lies before the start.
func (l *Log) Expire(nowMs int64) (moved bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return false, err
	}
	n := l.beforeStartLocked()
	moved = n > 0
	if !l.config.Delete {
		return moved, nil
	}
	for _, rule := range []func(from int, nowMs int64) func(int, *segment) (bool, error){l.tooManyLocked, l.tooOldLocked} {
		more, err := l.countOldestLocked(n, rule(n, nowMs))
		if err != nil {
			return moved, err
		}
		n += more
	}
	if n == len(l.view.segments) {
		if err := l.rollLocked(nowMs); err != nil {
			return moved, err
		}
	}
	if n > 0 {
		l.pendingStart.Store(l.view.segments[n].base)
	}
	return n > 0, nil
}

// beforeStartLocked counts the leading segments that lie before the log start offset.
func (l *Log) beforeStartLocked() (n int) {
	for n+1 < len(l.view.segments) && l.view.segments[n+1].base <= l.view.start {
		n++
	}
	return n
}

func (l *Log) tooManyLocked(from int, _ int64) func(int, *segment) (bool, error) {
	var size int64
	for i := from; i < len(l.view.segments); i++ {
		size += l.view.size(i)
	}
	over := size - l.config.RetentionBytes
	return func(i int, s *segment) (bool, error) {
		if n := l.view.size(i); l.config.RetentionBytes >= 0 && over-n >= 0 {
			over -= n
			return true, nil
		}
		return false, nil
	}
}

func (l *Log) tooOldLocked(_ int, nowMs int64) func(int, *segment) (bool, error) {
	return func(i int, s *segment) (bool, error) {
		if l.config.RetentionMs < 0 {
			return false, nil
		}
		// Compaction may leave a segment empty, which is as old as what follows it.
		for i+1 < len(l.view.segments) && s.size.Load() == 0 {
			i++
			s = l.view.segments[i]
		}
		ts, err := s.agedTimestamp(&l.config, nowMs)
		if err != nil {
			return false, l.dirError("read", s.path(logSuffix), err)
		}
		if old := nowMs-ts > l.config.RetentionMs; old || s.noticedMs == 0 {
			return old, nil
		}
		for _, later := range l.view.segments[i:] { // their time counts from now as well
			later.notice(nowMs)
		}
		return false, nil
	}
}

// countOldestLocked counts the segments, from number from on, that the rule chooses.
func (l *Log) countOldestLocked(from int, rule func(int, *segment) (bool, error)) (count int, err error) {
	hw := l.HighWatermark()
	for n := from; n < len(l.view.segments); n++ {
		s, upper := l.view.segments[n], l.view.end
		if n+1 < len(l.view.segments) {
			upper = l.view.segments[n+1].base
		} else if s.size.Load() == 0 {
			break
		}
		ok, err := hw >= upper, error(nil)
		if ok {
			ok, err = rule(n, s)
		}
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		count++
	}
	return count, nil
}

// PendingStartOffset gives the log start offset as it will be after DeleteExpired.
func (l *Log) PendingStartOffset() int64 { return max(l.StartOffset(), l.pendingStart.Load()) }

// DeleteExpired advances the log start offset to the pending one and deletes the
// segments that lie before it. Gives
// the number of segments and of bytes deleted.
func (l *Log) DeleteExpired() (segments int, bytes int64, err error) {
	defer l.notifyStart(l.StartOffset())
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return 0, 0, err
	}
	l.startAtLocked(min(l.pendingStart.Load(), l.HighWatermark()))
	n := l.beforeStartLocked()
	if n == 0 {
		return 0, 0, nil
	}
	for i := range n {
		bytes += l.view.size(i)
	}
	// The segments to delete may hold the only records of a producer. From here on only the snapshot at the first segment that stays
	// knows that producer.
	if err := l.keepSnapshotLocked(n); err != nil {
		return 0, 0, err
	}
	// The next segment's name first, lest none be left; then the old ones' on the disk, since the start's
	// checkpoint does without an entry once they are gone from here. Readers of the old ones wait for the
	// lock and look again.
	if err := l.syncDir(); err != nil {
		return 0, 0, err
	}
	err = l.deleteSegmentsLocked(l.view.segments[:n])
	if serr := l.fs.SyncDir(l.Dir()); serr != nil {
		err = errors.Join(err, l.fail("sync", l.Dir(), &syncError{serr}))
	}
	l.pub.Lock()
	l.view.segments = slices.Clone(l.view.segments[n:])
	l.pub.Unlock()
	return n, bytes, err
}

// keepSnapshotLocked makes durable a snapshot from which a start after a crash learns of the producers in the first n segments. Such
// a start reads the newest snapshot that is not past the segment with the recovery point.
func (l *Log) keepSnapshotLocked(n int) error {
	l.awaitSnapshotLocked()
	if len(l.producers.byID) == 0 {
		return nil
	}
	base, point := l.view.segments[n].base, l.RecoveryPoint()
	for _, s := range l.view.segments[n:] {
		if s.base <= point && l.producers.hasSnapshot(s.base) {
			return nil // a flush has synced it
		}
	}
	if !l.producers.hasSnapshot(base) { // its write failed, or recovery did not write it
		return l.rebuildSnapshotLocked(n)
	}
	err := l.syncSnapshot(base)
	if _, failed := errors.AsType[*syncError](err); failed {
		return l.fail("sync", l.Dir(), err)
	}
	return l.dirError("sync", l.Dir(), err)
}

// deleteSegmentsLocked renames the files of segments that leave or have left the
// view to .deleted, with their producers' snapshots, and has them removed later.
func (l *Log) deleteSegmentsLocked(old []*segment) error {
	var paths []string
	var failed error
	for _, s := range old {
		renamed, err := l.renameDeletedLocked(s, true)
		paths, failed = append(paths, renamed...), errors.Join(failed, err)
		l.logger.Info("segment deleted", "segment", s.base, "bytes", s.size.Load())
	}
	if len(paths) > 0 {
		l.remove(paths, l.config.FileDeleteDelayMs)
	}
	return failed
}
