package logstore

import (
	"slices"
)

// TruncateTo removes the records at offset and above: the log end offset becomes
// offset (LocalLog.truncateTo). A batch that holds offset goes as a whole. Where
// offset lies below the first segment, all goes and the log begins at it.
// Readers of what is removed may see a short read. An offset at or past the end
// only removes leader epochs that begin there. The cut is durable on return: a
// crash never brings back records that others have replaced.
func (l *Log) TruncateTo(offset, nowMs int64) error {
	for {
		l.mu.Lock()
		if l.cleanedTo.Load() <= offset || l.usableLocked() != nil {
			defer l.mu.Unlock()
			return l.truncateLocked(offset, nowMs)
		}
		// What comes in place of the records cut off is not compacted, and must not
		// be taken for it after a crash.
		l.cleanedTo.Store(offset)
		l.hints.clear()
		l.mu.Unlock()
		if l.cleanedToLowered != nil {
			if err := l.cleanedToLowered(); err != nil {
				return err
			}
		}
	}
}

func (l *Log) truncateLocked(offset, nowMs int64) error {
	if err := l.usableLocked(); err != nil {
		return err
	}
	if offset >= l.view.end {
		l.pub.Lock()
		l.epochs.truncateFromEnd(l.view.end)
		l.pub.Unlock()
		return nil
	}
	l.awaitSnapshotLocked()
	l.waitFlushIdle()
	defer l.flushDone()
	if offset < l.view.segments[0].base {
		return l.restartLocked(offset, nowMs)
	}
	l.logger.Info("log truncated", "to", offset, "end", l.view.end)
	keep := l.view.floor(offset)
	active := l.view.segments[keep]
	if err := active.truncateTo(offset, l.config.IndexIntervalBytes); err != nil {
		return l.fail("truncate", active.path(logSuffix), err)
	}
	gone := l.view.segments[keep+1:]
	l.pub.Lock()
	l.view.segments = slices.Clone(l.view.segments[:keep+1])
	l.view.last, l.view.end = active.size.Load(), offset
	l.view.start = min(l.view.start, offset)
	l.epochs.truncateFromEnd(offset)
	l.pub.Unlock()
	l.endMovedLocked(offset)
	if err := l.deleteSegmentsLocked(gone); err != nil {
		return err
	}
	if err := l.dropSnapshotsLocked(offset); err != nil {
		return err
	}
	// A snapshot that came back after a crash would speak of records that others have replaced.
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	return l.rebuildProducersLocked(offset, nowMs)
}

// restartLocked deletes everything and begins anew at offset
// (truncateFullyAndStartAt).
func (l *Log) restartLocked(offset, nowMs int64) error {
	l.logger.Info("log emptied", "at", offset, "end", l.view.end)
	if err := l.settleLocked(); err != nil {
		return err
	}
	gone := l.view.segments
	if err := l.deleteSegmentsLocked(gone); err != nil {
		return err
	}
	first := l.newSegment(offset, nowMs)
	if err := first.create(l.fullSize()); err != nil {
		return l.fail("create", first.path(logSuffix), err)
	}
	l.pub.Lock()
	l.view = view{segments: []*segment{first}, start: offset, end: offset}
	l.epochs.entries, l.epochs.dirty = nil, true
	l.pub.Unlock()
	l.endMovedLocked(offset)
	if err := l.writeEpochsLocked(); err != nil { // which syncs the directory
		return err
	}
	for _, o := range slices.Clone(l.producers.snapshots) {
		if err := l.producers.dropSnapshot(l.fs, l.Dir(), o); err != nil {
			return l.dirError("remove", l.Dir(), err)
		}
	}
	l.producers.clear(offset)
	l.producers.snapEnd = offset
	return nil
}

// endMovedLocked lowers all offsets that may not be past the end of the log.
func (l *Log) endMovedLocked(end int64) {
	l.hints.clear()
	l.pendingStart.Store(0)
	l.highWatermark.Store(max(l.view.start, min(l.highWatermark.Load(), end)))
	l.notices.highWatermarkMoved()
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), end))
	if sealed := l.unsyncedSealed.Load(); sealed >= l.view.active().base {
		l.unsyncedSealed.Store(-1)
	}
}

func (l *Log) waitFlushIdle() {
	l.flush.mu.Lock()
	for l.flush.busy {
		l.flush.idle.Wait()
	}
	l.flush.busy = true
	l.flush.mu.Unlock()
}

func (l *Log) flushDone() {
	l.flush.mu.Lock()
	l.flush.busy = false
	l.flush.idle.Broadcast()
	l.flush.mu.Unlock()
}

// truncateTo cuts the segment before the batch that holds offset.
func (s *segment) truncateTo(offset int64, interval int32) error {
	if err := s.load(interval); err != nil {
		return err
	}
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	pos, err := s.find(f, offset, s.size.Load())
	if err != nil || pos < 0 {
		return err
	}
	if err := f.Truncate(pos); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s.size.Store(pos)
	if pos == 0 {
		s.firstTimestamp = unknownTimestamp
	}
	// The indexes of one segment are cheap to write anew, and then surely right.
	return s.rebuildIndexes(interval)
}

// dropSnapshotsLocked removes the producers' snapshots whose offsets are above end.
func (l *Log) dropSnapshotsLocked(end int64) error {
	for _, o := range slices.Clone(l.producers.snapshots) {
		if o <= end {
			continue
		}
		if err := l.producers.dropSnapshot(l.fs, l.Dir(), o); err != nil {
			return l.dirError("remove", l.Dir(), err)
		}
	}
	return nil
}

// rebuildProducersLocked brings the producers' state to what it was at end.
func (l *Log) rebuildProducersLocked(end, nowMs int64) error {
	p := &l.producers
	if err := p.load(l.fs, l.Dir(), end, l.view.segments[0].base, nowMs, l.config.ProducerExpirationMs); err != nil {
		return l.dirError("read", l.Dir(), err)
	}
	for i := l.view.floor(p.mapEnd); i < len(l.view.segments); i++ {
		s := l.view.segments[i]
		if err := s.replayProducers(p, l.view.size(i), end, nowMs); err != nil {
			return l.dirError("read", s.path(logSuffix), err)
		}
	}
	p.mapEnd = end
	return nil
}
