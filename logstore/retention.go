package logstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// DeleteRecordsBefore advances the log start offset to offset, which must not be
// above the high watermark (*OffsetOutOfRangeError). Offsets below are gone for
// readers at once, their segments with the next Retain. An offset below the
// start changes nothing. Gives the log start offset.
func (l *Log) DeleteRecordsBefore(offset int64) (start int64, err error) {
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

func (l *Log) startAtLocked(offset int64) {
	if offset <= l.view.start {
		return
	}
	l.pub.Lock()
	l.view.start = offset
	l.epochs.truncateFromStart(offset)
	l.pub.Unlock()
	l.producers.mapEnd = max(l.producers.mapEnd, offset)
	if n := l.producers.newest(); n >= 0 {
		l.producers.snapEnd = n
	} else {
		l.producers.snapEnd = offset
	}
}

// Retain deletes, oldest first, the segments that lie before the log start
// offset, and where cleanup.policy has delete also those too many for
// retention.bytes and too old for retention.ms, by their largest timestamp.
// Segments that reach above the high watermark stay. There is always an active
// segment: if that goes too, a new one begins. Gives the number of segments and
// of bytes deleted.
func (l *Log) Retain(nowMs int64) (segments int, bytes int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return 0, 0, err
	}
	rules := []func() func(int, *segment) (bool, error){l.beforeStartLocked}
	if l.config.Delete {
		rules = append(rules, l.tooManyLocked, func() func(int, *segment) (bool, error) { return l.tooOldLocked(nowMs) })
	}
	for _, rule := range rules {
		n, size, err := l.deleteOldestLocked(rule(), nowMs)
		segments, bytes = segments+n, bytes+size
		if err != nil {
			return segments, bytes, err
		}
	}
	return segments, bytes, nil
}

func (l *Log) beforeStartLocked() func(int, *segment) (bool, error) {
	return func(i int, _ *segment) (bool, error) {
		return i+1 < len(l.view.segments) && l.view.segments[i+1].base <= l.view.start, nil
	}
}

func (l *Log) tooManyLocked() func(int, *segment) (bool, error) {
	var size int64
	for i := range l.view.segments {
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

func (l *Log) tooOldLocked(nowMs int64) func(int, *segment) (bool, error) {
	return func(_ int, s *segment) (bool, error) {
		if l.config.RetentionMs < 0 {
			return false, nil
		}
		ts, err := s.retentionTimestamp(l.config.IndexIntervalBytes)
		if err != nil {
			return false, l.dirError("read", s.path(logSuffix), err)
		}
		return nowMs-ts > l.config.RetentionMs, nil
	}
}

// deleteOldestLocked deletes the leading segments that the rule names.
func (l *Log) deleteOldestLocked(rule func(int, *segment) (bool, error), nowMs int64) (count int, bytes int64, err error) {
	hw := l.HighWatermark()
	n := 0
	for ; n < len(l.view.segments); n++ {
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
			return 0, 0, err
		}
		if !ok {
			break
		}
		bytes += l.view.size(n)
	}
	if n == 0 {
		return 0, 0, nil
	}
	if n == len(l.view.segments) {
		if err := l.rollLocked(nowMs); err != nil {
			return 0, 0, err
		}
	}
	// On the disk first: a log start offset that was shown must not go back, nor half of the
	// segments come back. Readers of the old ones wait for the lock and look again.
	err = l.deleteSegmentsLocked(l.view.segments[:n])
	if serr := l.fs.SyncDir(l.dir); serr != nil {
		err = errors.Join(err, l.fail("sync", l.dir, serr))
	}
	l.startAtLocked(l.view.segments[n].base)
	l.pub.Lock()
	l.view.segments = slices.Clone(l.view.segments[n:])
	l.pub.Unlock()
	return n, bytes, err
}

// deleteSegmentsLocked renames the files of segments that leave or have left the
// view to .deleted, with their producers' snapshots, and has them removed later.
func (l *Log) deleteSegmentsLocked(old []*segment) error {
	var paths []string
	var failed error
	for _, s := range old {
		s.retire()
		for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix, txnIndexSuffix, snapshotSuffix} {
			from := filepath.Join(l.dir, fileName(s.base, suffix))
			to := from + deletedSuffix
			switch err := l.fs.Rename(from, to); {
			case err == nil:
				paths = append(paths, to)
			case !errors.Is(err, fs.ErrNotExist):
				failed = errors.Join(failed, l.dirError("rename", from, err))
			}
		}
		if i, found := slices.BinarySearch(l.producers.snapshots, s.base); found {
			l.producers.snapshots = slices.Delete(l.producers.snapshots, i, i+1)
		}
		l.logger.Info("segment deleted", "segment", s.base, "bytes", s.size.Load())
	}
	if len(paths) > 0 {
		l.remove(paths, l.config.FileDeleteDelayMs)
	}
	return failed
}
