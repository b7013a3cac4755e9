package logstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"

	"klamm/logstore/vfs"
	"klamm/observe"
)

// flushState lets one caller sync for all that wait.
type flushState struct {
	mu   sync.Mutex
	idle *sync.Cond
	busy bool
}

// RecoveryPoint gives the offset below which everything is on the disk, and
// from whose segment on a log is scanned after a crash.
func (l *Log) RecoveryPoint() int64 {
	point := l.recoveryPoint.Load()
	// A sealed segment whose indexes are not synced must be scanned as well.
	if sealed := l.unsyncedSealed.Load(); sealed >= 0 {
		point = min(point, sealed)
	}
	return point
}

// Flush makes everything below upTo durable (the log end offset at most) and
// returns when it is. Callers that come while another syncs wait for that, and
// then share the next sync. A sync that fails leaves unknown what is on the
// disk: the log takes no more writes, and every Flush gives that error.
func (l *Log) Flush(upTo int64) error {
	upTo = min(upTo, l.EndOffset())
	l.flush.mu.Lock()
	for {
		if l.recoveryPoint.Load() >= upTo {
			l.flush.mu.Unlock()
			return nil
		}
		if err := l.syncable(); err != nil {
			l.flush.mu.Unlock()
			return err
		}
		if !l.flush.busy {
			break
		}
		l.flush.idle.Wait()
	}
	return l.flushBusy(false)
}

// flushAll syncs sealed segments with their indexes even where their data is
// synced already, and with closing the active one's indexes too.
func (l *Log) flushAll(closing bool) error {
	l.flush.mu.Lock()
	for l.flush.busy {
		l.flush.idle.Wait()
	}
	if err := l.syncable(); err != nil {
		l.flush.mu.Unlock()
		return err
	}
	return l.flushBusy(closing)
}

// syncable says why nothing can be synced.
func (l *Log) syncable() error {
	if l.gone.Load() {
		return ErrClosed
	}
	return l.Err()
}

// flushBusy is entered with flush.mu held and nobody syncing, and gives it up.
func (l *Log) flushBusy(closing bool) error {
	l.flush.busy = true
	l.flush.mu.Unlock()
	err := l.timedSync(closing)
	l.flush.mu.Lock()
	l.flush.busy = false
	l.flush.idle.Broadcast()
	l.flush.mu.Unlock()
	return err
}

// timedSync is syncFiles, and tells the observer how long it took.
func (l *Log) timedSync(closing bool) error {
	if l.observer == nil {
		return l.syncFiles(closing)
	}
	begun := l.elapsed()
	err := l.syncFiles(closing)
	l.observer.Observe(observe.FlushTime, (l.elapsed() - begun).Microseconds())
	return err
}

// syncFiles makes durable what is in the log now. Sealed segments are synced with
// their indexes and the snapshot taken at their end; of the active one only
// the data, since a crash has its indexes written anew.
func (l *Log) syncFiles(closing bool) error {
	since := l.unflushedSince.Swap(-1)
	sealed := l.unsyncedSealed.Load()
	v := l.snapshot()
	unnamed := false
	for i := v.floor(l.RecoveryPoint()); i < len(v.segments); i++ {
		s := v.segments[i]
		active := i == len(v.segments)-1
		if !s.named.Load() {
			unnamed = true
		}
		err := l.syncSegment(s, !active || closing)
		if err == nil && !active {
			err = l.syncSnapshot(v.segments[i+1].base)
		}
		if err != nil {
			l.unflushed(since)
			if _, failed := errors.AsType[*syncError](err); !failed && passes(err) {
				return l.dirError("sync", s.path(logSuffix), err)
			}
			return l.fail("sync", s.path(logSuffix), err)
		}
	}
	if unnamed {
		if err := l.syncDir(); err != nil {
			l.unflushed(since)
			return err
		}
		for _, s := range v.segments {
			s.named.Store(true)
		}
	}
	if err := l.writeEpochs(); err != nil { // see epochFile
		l.unflushed(since)
		return err
	}
	// A segment sealed meanwhile is not in v as sealed and keeps its mark.
	if len(v.segments) > 1 && sealed >= 0 && sealed < v.active().base {
		l.markSealedSynced(sealed, v.active())
	}
	if v.end > l.recoveryPoint.Load() {
		l.recoveryPoint.Store(v.end)
	}
	return nil
}

// markSealedSynced notes that all sealed segments before active are synced.
func (l *Log) markSealedSynced(sealed int64, active *segment) {
	l.flush.mu.Lock() // against a roll
	defer l.flush.mu.Unlock()
	next := int64(-1)
	if now := l.snapshot(); now.active() != active {
		next = active.base // it was sealed while this sync ran
	}
	l.unsyncedSealed.CompareAndSwap(sealed, next)
}

func (l *Log) syncSegment(s *segment, indexes bool) error {
	f, err := s.log.acquire()
	if errors.Is(err, errRetired) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	err = syncOpen(f)
	s.log.release()
	if err != nil || !indexes {
		return err
	}
	if err := s.load(l.interval.Load()); err != nil && !errors.Is(err, errRetired) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range []*index{&s.offsets, &s.times} {
		if err := x.sync(); err != nil && !errors.Is(err, errRetired) {
			return err
		}
	}
	return nil
}

// syncSnapshot syncs the producers' snapshot that was written at a roll.
func (l *Log) syncSnapshot(offset int64) error {
	err := syncFile(l.fs, filepath.Join(l.Dir(), fileName(offset, snapshotSuffix)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncFile syncs a file that nobody has open.
func syncFile(disk vfs.FS, path string) error {
	f, err := disk.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(syncOpen(f), f.Close())
}

// syncError is the error of the sync itself, not of opening the file for it. After it
// nobody knows what is on the disk, and another sync would not tell.
type syncError struct{ err error }

func (e *syncError) Error() string { return e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

// syncOpen syncs an open file. If that fails it drops the file from the page cache, so
// that the next start does not read what is not on the disk.
func syncOpen(f vfs.File) error {
	if err := f.Sync(); err != nil {
		f.DropCache()
		return &syncError{err}
	}
	return nil
}

// FlushWanted reports whether flush.messages records or more have been appended
// since the last sync: then what was just appended does not count as stored
// before Flush has made it durable.
func (l *Log) FlushWanted() bool {
	return l.EndOffset()-l.recoveryPoint.Load() >= l.flushMessages.Load()
}

// FlushDue says whether a record has not been synced for longer than flush.ms.
func (l *Log) FlushDue(nowMs int64) bool {
	since := l.unflushedSince.Load()
	// A clock that was set back must not put it off.
	return since >= 0 && (nowMs-since >= l.flushMs.Load() || nowMs < since)
}

// syncNames syncs the names in a directory. It fails with a syncError, unless there was no
// descriptor to open the directory with.
func syncNames(disk vfs.FS, dir string) error {
	err := disk.SyncDir(dir)
	if err == nil || tooManyFiles(err) {
		return err
	}
	return &syncError{err}
}
