package logstore

import (
	"errors"
	"slices"
)

// TruncateTo removes the records at offset and above: the log end offset becomes
// offset (LocalLog.truncateTo). A batch that holds offset goes as a whole, and the log
// ends where that batch began, or at the log start offset if that lies in the batch. If
// offset lies below the first segment, everything goes and the log begins at it.
// Readers of what is removed may see a short read. An offset at or past the end
// only removes leader epochs that begin there.
//
// The cut is durable on return: a crash never brings back records that others have
// replaced. No checkpoint on the disk has a higher offset for the log from then on, so that a
// start after a crash scans what is appended next (see Options.OffsetsLowered). nowMs is the time in ms.
func (l *Log) TruncateTo(offset, nowMs int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	if offset >= l.view.end {
		l.pub.Lock()
		l.epochs.truncateFromEnd(l.view.end)
		l.pub.Unlock()
		return l.completeCutLocked()
	}
	if offset < l.view.segments[0].base {
		return l.restartLocked(offset, offset, nowMs)
	}
	return l.truncateLocked(offset, nowMs)
}

// TruncateFullyAndStartAt removes all records: the log start offset and the log end offset become offset
// (UnifiedLog.truncateFullyAndStartAt). It is as durable as TruncateTo. nowMs is the time in ms.
func (l *Log) TruncateFullyAndStartAt(offset, nowMs int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	return l.restartLocked(offset, offset, nowMs)
}

// holdSyncsLocked waits until nobody syncs the log or writes a snapshot, and keeps it so until release.
func (l *Log) holdSyncsLocked() (release func()) {
	l.awaitSnapshotLocked()
	l.waitFlushIdle()
	return l.flushDone
}

// truncateLocked cuts the log at offset, which lies in one of its segments.
//
// The checkpoints come first: a start that believed an old recovery point would take the segments that a crash left of
// those removed here for the log's.
func (l *Log) truncateLocked(offset, nowMs int64) error {
	defer l.holdSyncsLocked()()
	keep := l.view.floor(offset)
	active, gone := l.view.segments[keep], l.view.segments[keep+1:]
	c, err := active.findCut(offset, l.config.IndexIntervalBytes)
	if err != nil {
		return l.dirError("read", active.path(logSuffix), err)
	}
	end := max(c.end, min(offset, l.view.start))
	if err := l.lowerOffsetsLocked(c.end, end); err != nil {
		return err
	}
	l.logger.Info("log truncated", "to", end, "log_end_offset", l.view.end)
	if err := active.cut(c, l.config.IndexIntervalBytes); err != nil {
		return l.fail("truncate", active.path(logSuffix), err)
	}
	l.cutMs = nowMs
	l.pub.Lock()
	l.view.segments = slices.Clone(l.view.segments[:keep+1])
	l.view.last, l.view.end = active.size.Load(), end
	l.view.start = min(l.view.start, end)
	l.epochs.truncateFromEnd(end)
	l.endMovedLocked()
	l.pub.Unlock()
	if err := l.dropSegmentsLocked(gone); err != nil {
		return err
	}
	return l.completeCutLocked()
}

// restartLocked removes all segments. The log goes on with an empty one that has this base offset. The log start
// offset and the log end offset become start, which is the base offset, or an offset within the batch that is to come
// first.
//
// The checkpoints come first here too: a start after a crash scans whatever is left of the segments, and keeps what is whole
// from the first one on, or finds the new one.
func (l *Log) restartLocked(base, start, nowMs int64) error {
	defer l.holdSyncsLocked()()
	if v := &l.view; len(v.segments) == 1 && v.active().base == base && v.last == 0 && v.start == start && v.end == start {
		l.pub.Lock()
		l.epochs.truncateFromEnd(-1)
		l.pub.Unlock()
		return l.completeCutLocked()
	}
	if err := l.settleLocked(); err != nil {
		return err
	}
	if err := l.lowerOffsetsLocked(min(base, l.view.segments[0].base), start); err != nil {
		return err
	}
	l.logger.Info("log emptied", "log_start_offset", start, "log_end_offset", l.view.end)
	if err := errors.Join(l.dropSegmentsLocked(l.view.segments), l.dropSnapshotsLocked(-1)); err != nil {
		return err
	}
	first := l.newSegment(base, nowMs)
	if err := first.create(l.fullSize()); err != nil {
		return l.fail("create", first.path(logSuffix), err)
	}
	l.cutMs = nowMs
	l.pub.Lock()
	l.view = view{segments: []*segment{first}, start: start, end: start}
	l.epochs.truncateFromEnd(-1)
	l.endMovedLocked()
	l.pub.Unlock()
	return l.completeCutLocked()
}

// lowerOffsetsLocked lowers the offsets of the log that its checkpoints have, before the log is truncated, and has
// the checkpoints follow. What comes in place of the records cut off is not on the disk, not compacted and not committed,
// and must not be taken for it after a crash. point is for the recovery point, end for the high watermark.
func (l *Log) lowerOffsetsLocked(point, end int64) error {
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), point))
	l.cleanedTo.Store(min(l.cleanedTo.Load(), point))
	l.pub.Lock()
	if hw := l.highWatermark.Load(); hw > max(l.view.start, end) {
		l.highWatermark.Store(max(l.view.start, end))
		l.notices.highWatermarkMoved()
	}
	l.pub.Unlock()
	return l.checkpointOffsets()
}

// checkpointOffsets calls Options.OffsetsLowered.
func (l *Log) checkpointOffsets() error {
	if l.offsetsLowered == nil {
		return nil
	}
	return l.offsetsLowered()
}

// endMovedLocked brings everything in line with a view whose end is lower. The caller holds pub too.
func (l *Log) endMovedLocked() {
	l.hints.clear()
	l.pendingStart.Store(0)
	l.highWatermark.Store(max(l.view.start, min(l.highWatermark.Load(), l.view.end)))
	l.notices.highWatermarkMoved()
	if sealed := l.unsyncedSealed.Load(); sealed >= l.view.active().base || sealed < l.view.segments[0].base {
		l.unsyncedSealed.Store(-1)
	}
}

// dropSegmentsLocked deletes segments that were cut off. Where there is no room for the names of deleted files, it removes
// the files at once. If that fails too the log stops: the next start would find the segments.
func (l *Log) dropSegmentsLocked(old []*segment) error {
	if l.deleteSegmentsLocked(old) == nil {
		return nil
	}
	for _, s := range old {
		for _, suffix := range append(slices.Clip(segmentSuffixes), snapshotSuffix) {
			if err := removeIfExists(l.fs, s.path(suffix)); err != nil {
				return l.fail("remove", s.path(suffix), err)
			}
		}
	}
	return nil
}

// completeCutLocked does what is left of a truncation: it removes the snapshots of producers at offsets that were cut off,
// makes the names in the directory durable, and brings the producers' state and the checkpoints in line with the log's end. If
// that fails for want of something, the log takes no records until it has gone well.
func (l *Log) completeCutLocked() error {
	if l.cutMs < 0 {
		return nil
	}
	if err := l.dropSnapshotsLocked(l.view.end); err != nil {
		return err
	}
	// A snapshot that came back after a crash would speak of records that others have replaced.
	if err := l.syncDir(); err != nil {
		return err
	}
	if err := l.rebuildProducersLocked(l.view.end, l.cutMs); err != nil {
		return err
	}
	if err := l.checkpointOffsets(); err != nil {
		return err
	}
	l.cutMs = -1
	return nil
}

// dropSnapshotsLocked removes the producers' snapshots whose offsets are above end.
func (l *Log) dropSnapshotsLocked(end int64) error {
	for _, o := range slices.Clone(l.producers.snapshots) {
		if o <= end {
			continue
		}
		if err := l.producers.dropSnapshot(l.fs, l.Dir(), o); err != nil {
			return l.fail("remove", l.Dir(), err)
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
