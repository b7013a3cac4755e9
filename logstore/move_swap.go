package logstore

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// swapBytes is how much is copied at most while appends wait.
const swapBytes = 1 << 20

// swap puts the copy in the log's place (LogManager.replaceCurrentWithFutureLog);
// done is false when the log has moved on too far. Appends wait meanwhile. The
// steps, each on the disk before the next begins:
//
//  1. the copy gets the rest, and is synced, as the log is;
//  2. the checkpoints of its log directory say from where on it may be read, and
//     whether it may have gaps, and a file in its own whose place it takes;
//  3. its directory gets the partition's name: from here on it counts. A crash
//     now leaves two directories: see moveMark;
//  4. the log's directory is renamed to one that marks it as deleted.
//
// Where the last fails for the disk, the log directory that the log has left goes
// offline and the log goes on in the new one. Readers that have files of the old
// one open go on reading them; those that come for them wait, and find the copy.
func (s *Store) swap(m *move) (done bool, err error) {
	c, l := m.copy, m.copy.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return false, err
	}
	if l.hints.generation() != c.generation || !c.settled || c.behind() > swapBytes {
		return false, nil
	}
	l.waitFlushIdle()
	defer l.flushDone()
	mark, err := s.readySwap(m)
	if err != nil {
		if errors.Is(err, errRetired) {
			return false, nil
		}
		return false, err
	}
	if err := s.beginSwap(m); err != nil {
		return false, err
	}
	live, gone := filepath.Join(m.to.path, DirName(m.p.tp)), filepath.Join(m.p.dir.path, DeletedDirName(m.p.tp, uniqueName()))
	if err := s.renameIn(c.fs, m.to, c.dir, live); err != nil {
		return false, errors.Join(err, s.unswap(m, live, mark))
	}
	l.leaveLocked(true)
	left := s.renameIn(m.p.dir.fs, m.p.dir, l.Dir(), gone)
	if _, err := s.fs.Stat(gone); left != nil && passes(left) && err != nil { // no room for the longer name
		l.leaveLocked(false)
		return false, errors.Join(left, s.unswap(m, live, mark))
	}
	l.adoptLocked(c, m.to, live)
	s.mu.Lock()
	m.p.dropMoveLocked()
	p := &partition{tp: m.p.tp, dir: m.to, path: live, ready: m.p.ready, log: l, topicID: m.p.topicID, wanted: m.p.wanted, gone: m.p.gone}
	s.putLocked(p)
	s.notices.highWatermarkMoved()
	if left == nil {
		s.addRemovalLocked(m.p.dir, []string{gone}, l.config.FileDeleteDelayMs)
	}
	offline := m.to.err
	s.mu.Unlock()
	if offline != nil {
		s.failLate(p.tp, l, m.to, offline)
	}
	if left != nil {
		s.logFailed(m.p.dir, left)
	}
	return true, nil
}

// beginSwap notes that the log is leaving its directory: failDir skips the log from here on.
func (s *Store) beginSwap(m *move) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := cmp.Or(m.p.dir.err, m.to.err)
	m.swapping = err == nil
	return err
}

// unswap gives the copy its own name back. Where that is not sure to last, the log's
// directory says that it is the one that counts.
func (s *Store) unswap(m *move, live string, mark moveMark) error {
	defer s.endSwap(m)
	err := s.renameIn(m.to.fs, m.to, live, m.copy.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return err // it had not lost it
	}
	if err := writeMoveMark(m.p.dir.fs, m.copy.log.Dir(), mark.overturned()); err != nil {
		s.logFailed(m.p.dir, err)
	}
	return err
}

// endSwap notes that the log stays. If its directory failed meanwhile the log fails too.
func (s *Store) endSwap(m *move) {
	s.mu.Lock()
	m.swapping = false
	err := m.p.dir.err
	s.mu.Unlock()
	if err != nil {
		s.failLate(m.p.tp, m.copy.log, m.p.dir, err)
	}
}

// failLate fails a log that was not in a directory yet, or was about to leave it, when that went offline.
func (s *Store) failLate(tp protocol.TopicPartition, l *Log, d *logDir, err error) {
	l.failWith(err)
	if s.o.OnDirFailure != nil {
		go s.o.OnDirFailure(d.path, err, []protocol.TopicPartition{tp})
	}
}

// readySwap does what comes before the names change. The log's mu is held, and
// nobody syncs it.
func (s *Store) readySwap(m *move) (mark moveMark, err error) {
	c := m.copy
	if err := c.alive(); err != nil {
		return mark, err
	}
	if err := c.log.settleLocked(); err != nil { // it is there under this name only now
		return mark, err
	}
	spend := c.spend
	c.spend = func(int, func() error) error { return nil }
	defer func() { c.spend = spend }()
	if err := c.finishLocked(); err != nil {
		return mark, err
	}
	// So that the files are equal if both directories are found: see logState.
	if err := c.log.view.active().trim(); err != nil {
		return mark, c.log.dirError("truncate", c.log.view.active().path(logSuffix), err)
	}
	if err := c.log.syncFiles(false); err != nil {
		return mark, err
	}
	for _, name := range []string{startOffsetCheckpoint, cleanerCheckpoint} {
		if err := s.writeCheckpoint(m.to, name); err != nil {
			return mark, err
		}
	}
	if mark, err = s.markCopy(c); err != nil {
		return mark, err
	}
	return mark, c.alive()
}

// renameIn renames a partition's directory in a log directory, durably.
func (s *Store) renameIn(disk vfs.FS, d *logDir, from, to string) error {
	err := disk.Rename(from, to)
	if err == nil {
		err = s.fs.SyncDir(d.path)
	}
	if err != nil {
		return &DirError{Dir: from, Path: from, Op: "rename", Err: reason(err)}
	}
	return nil
}

// leaveLocked says whether readers that do not find a file are to look again.
func (l *Log) leaveLocked(leaving bool) {
	for _, s := range l.view.segments {
		for _, c := range []*cachedFile{&s.log, &s.offsets.file, &s.times.file} {
			c.leave(leaving)
		}
	}
}

// adoptLocked makes the copy's files the log's: they hold all of it, synced, under
// the name dir in a log directory. Log.mu is held and nobody syncs the log.
func (l *Log) adoptLocked(c *futureLog, d *logDir, dir string) {
	old := l.view.segments
	l.epochFile.mu.Lock()
	l.epochFile.written, l.epochFile.unsure = l.epochs.entries, false // see finishLocked
	l.epochFile.mu.Unlock()
	l.fs, l.full = d.fs, &d.reserve.spent
	for i, s := range c.segments {
		s.moveTo(d.fs, dir)
		s.named.Store(true)
		s.createdMs, s.jitterMs = old[i].createdMs, old[i].jitterMs
	}
	segments := c.segments
	c.segments = nil
	l.pub.Lock()
	l.dir.Store(&dir)
	l.view.segments = segments
	l.epochs.cut = false
	l.pub.Unlock()
	l.hints.clear()
	l.recoveryPoint.Store(l.view.end)
	l.unsyncedSealed.Store(-1)
	l.unflushedSince.Store(-1)
	for _, s := range old {
		s.retire()
	}
}

// moveTo tells a segment that nobody else knows yet that its directory was renamed,
// and by what its files are to be opened.
func (s *segment) moveTo(disk vfs.FS, dir string) {
	s.retire()
	s.fs, s.dir = disk, dir
	for c, suffix := range map[*cachedFile]string{&s.log: logSuffix, &s.offsets.file: indexSuffix, &s.times.file: timeIndexSuffix} {
		c.fs, c.path = disk, filepath.Join(dir, fileName(s.base, suffix))
		c.retired = false
	}
}
