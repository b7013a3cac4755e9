package logstore

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// cleanable is what of a log may be compacted now (LogToClean of Apache Kafka).
type cleanable struct {
	log        *Log
	view       view
	generation uint64
	config     Config
	// from is where the dirty part begins, upTo, the base of a segment, where that
	// ends that may be cleaned.
	from, upTo int64
	// cleanBytes and dirtyBytes are the sizes of the segments before upTo. One that
	// from lies in counts for both.
	cleanBytes, dirtyBytes int64
	// overdue says that a dirty record is older than max.compaction.lag.ms.
	overdue bool
}

// ratio is the dirty part.
func (c *cleanable) ratio() float64 {
	return float64(c.dirtyBytes) / float64(max(c.cleanBytes+c.dirtyBytes, 1))
}

// wanted says whether the log is dirty enough to be cleaned.
func (c *cleanable) wanted() bool {
	return c.dirtyBytes > 0 && (c.overdue || c.ratio() > c.config.MinCleanableDirtyRatio)
}

// cleanable finds out what may be compacted (LogCleanerManager.cleanableOffsets):
// nothing of the active segment, nothing at or past the last stable offset,
// nothing younger than min.compaction.lag.ms, and nothing that is not on the
// disk: what a crash takes away must not have replaced anything.
func (l *Log) cleanable(nowMs int64) (cleanable, error) {
	c := cleanable{log: l, generation: l.hints.generation()}
	l.mu.Lock()
	c.config, c.view = l.config, l.view
	bound := min(l.highWatermark.Load(), l.RecoveryPoint())
	for _, p := range l.producers.byID {
		if p.txnFirstOffset >= 0 {
			bound = min(bound, p.txnFirstOffset)
		}
	}
	l.mu.Unlock()
	v := &c.view
	c.from = max(l.cleanedTo.Load(), v.start)
	dirty := v.floor(c.from)
	if lag := c.config.MinCompactionLagMs; lag > 0 {
		for _, s := range v.segments[dirty : len(v.segments)-1] {
			ts, _, err := s.largestTimestamp(c.config.IndexIntervalBytes)
			if err != nil {
				return c, l.cleanableError(s, err)
			}
			if ts > nowMs-lag {
				bound = min(bound, s.base)
				break
			}
		}
	}
	end := min(v.floor(max(bound, c.from)), len(v.segments)-1)
	c.upTo = v.segments[end].base
	if c.upTo <= c.from {
		return c, nil
	}
	for i := range end {
		if v.segments[i].base < c.from {
			c.cleanBytes += v.size(i)
		}
		if i >= dirty {
			c.dirtyBytes += v.size(i)
		}
	}
	var err error
	if cleanUntil := nowMs - c.config.MaxCompactionLagMs; cleanUntil > 0 {
		c.overdue, err = l.beganBefore(v.segments[dirty:end], cleanUntil)
	}
	return c, err
}

// beganBefore says whether a segment's first batch has a timestamp before this one.
func (l *Log) beganBefore(segments []*segment, ms int64) (bool, error) {
	for _, s := range segments {
		ts, err := s.firstBatchTimestamp()
		if err != nil {
			return false, l.cleanableError(s, err)
		}
		if ts > 0 && ts < ms {
			return true, nil
		}
	}
	return false, nil
}

// cleanableError gives the error for a segment that could not be read.
func (l *Log) cleanableError(s *segment, err error) error {
	if errors.Is(goneIsRetired(err), errRetired) {
		return errCleaningAborted
	}
	if errors.Is(err, errBadFrame) {
		return &uncleanableError{s.path(logSuffix), err.Error()}
	}
	return l.dirError("read", s.path(logSuffix), err)
}

// clean compacts the part of the log that c names. It fails with errCleaningAborted while
// another cleaning of the log goes on, and if the log is truncated meanwhile.
func (l *Log) clean(c *cleanable, work *cleanerWork, nowMs int64) (CleanStats, error) {
	if !l.cleaning.TryLock() {
		return CleanStats{}, errCleaningAborted
	}
	defer l.cleaning.Unlock()
	p := &cleaningPass{log: l, work: work, view: c.view, generation: c.generation, config: c.config, nowMs: nowMs, from: c.from, upTo: c.upTo}
	if err := p.run(); err != nil {
		return p.stats, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := p.unchanged(); err != nil {
		return p.stats, err
	}
	l.cleanedTo.Store(p.stats.To)
	return p.stats, nil
}

// noteCompacted notes that the log is compacted, if up to nowhere.
func (l *Log) noteCompacted(c *cleanable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hints.generation() == c.generation && l.cleanedTo.Load() < 0 {
		l.cleanedTo.Store(c.from)
	}
}

// waitCleaned waits for a cleaning to end that was told to.
func (l *Log) waitCleaned() {
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
}

// CleanedTo gives the offset below which the log is compacted, as
// cleaner-offset-checkpoint has it; -1 when it is not at all.
func (l *Log) CleanedTo() int64 { return l.cleanedTo.Load() }

// lastOfProducers gives each known producer's last batch, which compaction keeps.
func (l *Log) lastOfProducers() map[int64]lastOfProducer {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[int64]lastOfProducer, len(l.producers.byID))
	for id, p := range l.producers.byID {
		m[id] = lastOfProducer{p.last().lastOffset, p.epoch}
	}
	return m
}

// replaceSegments puts the copy w in the place of the segments from number at to
// before next of the pass's view (LocalLog.replaceSegments). The steps, each on
// the disk before the next begins, so that opening the log after a crash finds
// the segments or the copy, whole:
//
//  1. the copy's files are renamed from .cleaned to .swap: from here on it counts;
//  2. the segments' files are renamed to .deleted;
//  3. the copy's files get their names.
//
// Appends wait meanwhile. Readers that have the segments open go on reading them;
// those that come for them wait and then find the copy.
func (l *Log) replaceSegments(p *cleaningPass, at, next int, w *cleanedSegment) error {
	old := p.view.segments[at:next]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usableLocked() != nil {
		return errCleaningAborted
	}
	if err := p.alive(); err != nil {
		return err
	}
	first := slices.Index(l.view.segments, old[0])
	if first < 0 || first+len(old) >= len(l.view.segments) || !slices.Equal(l.view.segments[first:first+len(old)], old) {
		return errCleaningAborted
	}
	if err := l.renameCopy(w, cleanedSuffix, swapSuffix); err != nil {
		return errors.Join(err, l.removeSwap(w))
	}
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	var gone []string
	for i, s := range old {
		paths, err := l.renameDeletedLocked(s, i > 0)
		gone = append(gone, paths...)
		if err != nil {
			return errors.Join(err, l.undoReplace(first, len(old), gone, w))
		}
	}
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	if err := l.renameCopy(w, swapSuffix, ""); err != nil {
		return l.fail("rename", w.s.path(logSuffix), err)
	}
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	s := l.newSegment(w.s.base, 0)
	s.size.Store(w.pos)
	s.named.Store(true)
	segments := slices.Concat(l.view.segments[:first], []*segment{s}, l.view.segments[first+len(old):])
	l.pub.Lock()
	l.view.segments = segments
	l.pub.Unlock()
	l.remove(gone, l.config.FileDeleteDelayMs)
	return nil
}

// renameCopy gives the copy's files another suffix.
func (l *Log) renameCopy(w *cleanedSegment, from, to string) error {
	for _, suffix := range segmentSuffixes {
		path := w.s.path(suffix)
		err := l.fs.Rename(path+from, path+to)
		if suffix == txnIndexSuffix && errors.Is(err, fs.ErrNotExist) {
			continue // there are no aborted transactions
		}
		if err != nil {
			return l.dirError("rename", path+from, err)
		}
	}
	return nil
}

// removeSwap removes what was renamed to .swap when the rest could not be. What
// is still .cleaned goes after it: as long as there is any, opening the log
// takes none of it.
func (l *Log) removeSwap(w *cleanedSegment) error {
	for _, suffix := range segmentSuffixes {
		if err := removeIfExists(l.fs, w.s.path(suffix)+swapSuffix); err != nil {
			return l.fail("remove", w.s.path(suffix)+swapSuffix, err)
		}
	}
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	return nil
}

// undoReplace gives segments that were partly renamed their names back, as on a
// disk that is too full for the longer ones.
func (l *Log) undoReplace(first, n int, renamed []string, w *cleanedSegment) error {
	for _, path := range renamed {
		if err := l.fs.Rename(path, strings.TrimSuffix(path, deletedSuffix)); err != nil {
			return l.fail("rename", path, err)
		}
	}
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fail("sync", l.Dir(), &syncError{err})
	}
	if err := l.removeSwap(w); err != nil {
		return err
	}
	segments := slices.Clone(l.view.segments)
	for i, s := range segments[first : first+n] { // those that were there are retired
		segments[first+i] = l.newSegment(s.base, s.createdMs)
		segments[first+i].size.Store(s.size.Load())
		segments[first+i].named.Store(true)
	}
	l.pub.Lock()
	l.view.segments = segments
	l.pub.Unlock()
	return nil
}

// renameDeletedLocked renames a segment's files to .deleted, with its producers'
// snapshot if no segment is to begin there any more, and gives their new names.
func (l *Log) renameDeletedLocked(s *segment, snapshot bool) (paths []string, err error) {
	s.retire()
	suffixes := segmentSuffixes
	if snapshot {
		l.awaitSnapshotLocked()
		suffixes = append(slices.Clip(suffixes), snapshotSuffix)
	}
	for _, suffix := range suffixes {
		from := filepath.Join(l.Dir(), fileName(s.base, suffix))
		to := from + deletedSuffix
		rerr := l.fs.Rename(from, to)
		if rerr == nil {
			paths = append(paths, to)
		} else if !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, l.dirError("rename", from, rerr))
		}
	}
	if i, found := slices.BinarySearch(l.producers.snapshots, s.base); found && snapshot {
		l.producers.snapshots = slices.Delete(l.producers.snapshots, i, i+1)
	}
	return paths, err
}

// firstBatchTimestamp is the largest timestamp of the first batch, MaxInt64 where
// there is none.
func (s *segment) firstBatchTimestamp() (int64, error) {
	if s.size.Load() == 0 {
		return math.MaxInt64, nil
	}
	f, err := s.log.acquire()
	if err != nil {
		return 0, err
	}
	defer s.log.release()
	scan := openFrames(f, 0, s.size.Load(), &lookupBuffers)
	defer scan.close()
	if err := scan.next(); err != nil {
		return 0, err
	}
	return scan.h.MaxTimestamp, nil
}
