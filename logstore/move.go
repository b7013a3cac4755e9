package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"klamm/protocol"
)

// move moves one partition's log to another log directory (Apache Kafka's
// ReplicaAlterLogDirsThread). The log is copied, into a directory whose name ends in
// -future, while it is written. Once the copy is complete it takes the log's place. A
// start that finds such a directory goes on with the move.
type move struct {
	p    *partition
	to   *logDir
	copy *futureLog

	stopOnce sync.Once
	stopping chan struct{} // closed when it is to end early
	done     chan struct{} // closed when nobody works on it any more, if it was begun
	queued   bool          // guarded by Store.mu; it was given to the movers
	swapping bool          // guarded by Store.mu; the log is leaving its directory, whatever becomes of that
}

// mover copies the logs that are to move, a few at a time. Store.mu guards it.
type mover struct {
	threads  int
	throttle *throttle
	running  int
	queue    []*move // by topic and partition
	// preferred is the directory for logs that do not exist here yet.
	preferred map[protocol.TopicPartition]*logDir
}

// maxPreferred bounds preferred, since the partitions may never exist.
const maxPreferred = 1 << 16

var errMoveStopped = errors.New("the move was stopped")

// UnknownDirError says that a path is none of log.dirs (LOG_DIR_NOT_FOUND).
type UnknownDirError struct{ Dir string }

func (e *UnknownDirError) Error() string {
	return e.Dir + " is none of the log directories (log.dirs)"
}

// SetMoveRate changes how many bytes per second are copied when logs move to
// other directories; 0 for no bound.
func (s *Store) SetMoveRate(bytesPerSecond float64) { s.mover.throttle.setRate(bytesPerSecond) }

// CheckDir fails if logs cannot move to the log directory at path, which is written as
// Dirs gives it: with *UnknownDirError, or with the *DirError of an offline directory.
func (s *Store) CheckDir(path string) error {
	d := s.dir(path)
	if d == nil {
		return &UnknownDirError{path}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.err
}

func (s *Store) dir(path string) *logDir {
	for _, d := range s.dirs {
		if d.path == path {
			return d
		}
	}
	return nil
}

// Prefer chooses the log directory for a partition that has no log here yet. A restart
// forgets the choice.
func (s *Store) Prefer(tp protocol.TopicPartition, path string) {
	d := s.dir(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d != nil && s.logs[tp] == nil && len(s.mover.preferred) < maxPreferred {
		s.mover.preferred[tp] = d
	}
}

// MoveTo moves the partition's log to another log directory, while it is written and
// read. It returns once the move would survive a restart; Dirs shows the progress. A move
// to a third directory that is under way is given up. If the log is in that directory
// already MoveTo does nothing more.
//
// Errors: *UnknownDirError, *DirError (also while any directory is offline, since
// the partition may be in there too), ErrNoLog, ErrLoading, ErrStoreClosed.
func (s *Store) MoveTo(tp protocol.TopicPartition, path string) error {
	if err := s.CheckDir(path); err != nil {
		return err
	}
	s.altering.Lock()
	defer s.altering.Unlock()
	to := s.dir(path)
	for {
		if _, err := s.Get(tp); err != nil {
			return err
		}
		s.mu.Lock()
		p := s.logs[tp]
		var m *move
		if p != nil {
			m = p.move
		}
		s.mu.Unlock()
		switch {
		case p == nil:
			return ErrNoLog
		case m != nil && m.to != to:
			if err := s.cancelMove(m); err != nil {
				return err
			}
		case m != nil || p.dir == to:
			return nil
		default:
			return s.beginMove(p, to)
		}
	}
}

// beginMove makes the copy's directory and gives the move to the movers.
func (s *Store) beginMove(p *partition, to *logDir) error {
	if err := s.anyOffline(); err != nil {
		return err
	}
	live := filepath.Join(to.path, DirName(p.tp))
	if _, err := s.fs.Stat(live); !errors.Is(err, fs.ErrNotExist) {
		return &DirError{Dir: live, Path: live, Op: "move to", Err: cmp.Or(reason(err), error(fs.ErrExist))}
	}
	m := newMove(p, to, filepath.Join(to.path, FutureDirName(p.tp, uniqueName())))
	if to.reserve.spent.Load() {
		return m.copy.diskError("move to", live, errNoRoom)
	}
	err := to.check()
	if err == nil {
		err = s.forget(to, p.tp)
	}
	if err == nil {
		err = s.fs.MkdirAll(m.copy.dir)
	}
	if err == nil {
		err = to.syncs.do(func() error { return s.fs.SyncDir(to.path) })
	}
	if err != nil {
		err = asDirError(m.copy.dir, err)
		s.logFailed(to, err)
		return err
	}
	s.mu.Lock()
	switch {
	case s.closed:
		err = ErrStoreClosed
	case s.logs[p.tp] != p || p.gone != nil:
		err = ErrNoLog
	default:
		err = cmp.Or(p.dir.err, to.err)
	}
	if err == nil {
		p.setMoveLocked(m)
		p.log.moving.Store(true)
		s.startMoveLocked(m)
	}
	s.mu.Unlock()
	if err != nil {
		_ = s.fs.RemoveAll(m.copy.dir) // empty; what is left of it is the copy of a log that is gone
		return err
	}
	s.o.RequestLogger.Info("partition moves to another log directory", "partition", p.tp.String(), "from", p.dir.path, "to", to.path)
	return nil
}

func (s *Store) anyOffline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.dirs {
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

func newMove(p *partition, to *logDir, dir string) *move {
	return &move{p: p, to: to, copy: &futureLog{fs: to.reserve.fs, dir: dir}, stopping: make(chan struct{}), done: make(chan struct{})}
}

// stop tells the move to end early.
func (m *move) stop() { m.stopOnce.Do(func() { close(m.stopping) }) }

// startMoveLocked gives a move whose log is ready to the movers.
func (s *Store) startMoveLocked(m *move) {
	if s.closed || m.queued {
		return
	}
	m.queued = true
	c := m.copy
	c.log, c.spend = m.p.log, s.mover.throttle.spend
	c.alive = func() error {
		select {
		case <-m.stopping:
			return errMoveStopped
		case <-s.stop:
			return errMoveStopped
		default:
		}
		switch {
		case c.log.ending.Load():
			return ErrClosed
		case m.to.reserve.spent.Load():
			return c.diskError("copy to", c.dir, errNoRoom)
		}
		return c.log.Err()
	}
	at, _ := slices.BinarySearchFunc(s.mover.queue, m, func(a, b *move) int {
		return cmp.Or(strings.Compare(a.p.tp.Topic, b.p.tp.Topic), cmp.Compare(a.p.tp.Partition, b.p.tp.Partition))
	})
	s.mover.queue = slices.Insert(s.mover.queue, at, m)
	if s.mover.running < s.mover.threads {
		s.mover.running++
		s.background.Go(s.runMoves)
	}
}

// runMoves makes one move after the other until there is none.
func (s *Store) runMoves() {
	for {
		s.mu.Lock()
		if len(s.mover.queue) == 0 {
			s.mover.running--
			s.mu.Unlock()
			return
		}
		m := s.mover.queue[0]
		s.mover.queue = s.mover.queue[1:]
		s.mu.Unlock()
		if err := s.runMove(m); err != nil {
			s.moveFailed(m, err)
		}
		close(m.done)
	}
}

// moveFailed logs the error of a move, and takes a directory offline if its disk failed. The
// log stays where it is.
func (s *Store) moveFailed(m *move, err error) {
	var dirErr *DirError
	switch {
	case errors.Is(err, errMoveStopped), errors.Is(err, errCleaningAborted), errors.Is(err, ErrClosed), errors.Is(err, errRetired):
		return // whoever stopped it sees to the rest, or the next start
	case errors.As(err, &dirErr) && s.dirOf(dirErr.Path, m.to) == m.p.dir && !passes(err):
		s.logFailed(m.p.dir, err) // the next start goes on with the copy
		return
	}
	if !s.takeMove(m) {
		return
	}
	s.o.RequestLogger.Error("partition does not move, it stays where it is", "partition", m.p.tp.String(), "to", m.to.path, "error", err)
	if dirErr != nil && !passes(err) {
		s.logFailed(m.to, err)
	}
	_ = s.discardCopy(m) // it said so if it could not
}

// takeMove removes the move from its partition, unless it is over.
func (s *Store) takeMove(m *move) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.p.move != m {
		return false
	}
	m.p.dropMoveLocked()
	return true
}

// dropMoveLocked notes that the partition no longer moves.
func (p *partition) dropMoveLocked() {
	p.setMoveLocked(nil)
	if p.isReady() && p.log != nil {
		p.log.moving.Store(false)
	}
}

// cancelMove gives a move up, which may have ended before.
func (s *Store) cancelMove(m *move) error {
	m.stop()
	s.mu.Lock()
	if at := slices.Index(s.mover.queue, m); at >= 0 {
		s.mover.queue = slices.Delete(s.mover.queue, at, at+1)
		close(m.done)
	}
	begun := m.queued
	s.mu.Unlock()
	if begun {
		<-m.done
	}
	if !s.takeMove(m) {
		return nil
	}
	s.o.RequestLogger.Info("partition's move to another log directory is given up", "partition", m.p.tp.String(), "to", m.to.path)
	return s.discardCopy(m)
}

// discardCopy marks the copy's directory as deleted, durably: no start may go on with it.
func (s *Store) discardCopy(m *move) error {
	s.mu.Lock()
	err := m.to.err
	s.mu.Unlock()
	if err != nil {
		return nil // with it the copy is out of reach
	}
	return s.discardFuture(m.p.tp, m.to, m.copy.dir)
}

func (s *Store) discardFuture(tp protocol.TopicPartition, d *logDir, path string) error {
	to := filepath.Join(d.path, DeletedDirName(tp, uniqueName()))
	err := d.fs.Rename(path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = d.syncs.do(func() error { return s.fs.SyncDir(d.path) })
	}
	if err != nil {
		err = &DirError{Dir: path, Path: path, Op: "rename", Err: reason(err)}
		s.o.RequestLogger.Warn("copy of a partition is not removed", "path", path, "error", err)
		s.logFailed(d, err)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addRemovalLocked(d, []string{to}, 0) // nobody reads it
	return nil
}

// foundFuture is the directory of an interrupted move.
type foundFuture struct {
	tp   protocol.TopicPartition
	dir  *logDir
	path string
}

// resumeMoves gives the partitions the moves that an earlier run began; they go on
// once somebody has asked for the partition. A copy of which the log is not here
// is left alone: it may be the only copy.
func (s *Store) resumeMoves(d *logDir) error {
	for _, f := range d.futures {
		p := s.logs[f.tp]
		if p == nil {
			s.log.Warn("copy of a partition that is in none of the log directories is left alone", "path", f.path)
			continue
		}
		if p.dir == d || p.move != nil {
			s.log.Warn("superfluous copy of a partition is removed", "path", f.path)
			if err := s.discardFuture(f.tp, d, f.path); err != nil {
				return err
			}
			continue
		}
		p.setMoveLocked(newMove(p, d, f.path)) // nobody else knows the Store yet
		list, err := s.fs.ReadDir(f.path)
		if err != nil {
			return &DirError{Dir: f.path, Path: f.path, Op: "list", Err: reason(err)}
		}
		for _, e := range list {
			if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), logSuffix) {
				p.move.copy.size.Add(info.Size())
			}
		}
	}
	return nil
}

// wantLocked is want with Store.mu held.
func (s *Store) wantLocked(p *partition) {
	p.wanted = true
	if p.move != nil && p.dir.err == nil && p.move.to.err == nil {
		p.log.moving.Store(true)
		s.startMoveLocked(p.move)
	}
}

// dirOf gives the log directory that a path lies in.
func (s *Store) dirOf(path string, otherwise *logDir) *logDir {
	best := otherwise
	length := 0
	for _, d := range s.dirs {
		if n := len(d.path); n > length && len(path) >= n && path[:n] == d.path && (len(path) == n || path[n] == filepath.Separator) {
			best, length = d, n
		}
	}
	return best
}

// checkpointed gives the log's entry in a checkpoint of the directory that it moves to; ok
// is false if it has none. There is an entry for the log start offset even if that is the
// first segment's base: the copy may have older segments.
func (m *move) checkpointed(name string, l *Log) (offset int64, ok bool) {
	switch name {
	case recoveryPointCheckpoint:
		return m.copy.synced.Load(), true
	case startOffsetCheckpoint:
		return l.PendingStartOffset(), l.PendingStartOffset() > 0
	}
	return checkpointed(name, l)
}

// lagLocked is how far the copy is behind its log, in offsets; -1 while the log is
// out of reach.
func (m *move) lagLocked() int64 {
	if !m.p.usableLocked() {
		return -1
	}
	return m.p.log.EndOffset() - m.copy.end.Load()
}

// runMove copies a log and puts the copy in its place.
func (s *Store) runMove(m *move) error {
	c := m.copy
	defer c.retire()
	c.log.cleaning.Lock() // a cleaning that is under way ends
	defer c.log.cleaning.Unlock()
	begun := s.o.Clock()
	for {
		if err := c.follow(); err != nil {
			return err
		}
		if err := s.settleCopy(m); err != nil {
			return err
		}
		// Each time less is missing, as long as copying is faster than the log grows. In
		// the end appends wait for the rest.
		if err := c.follow(); err != nil {
			return err
		}
		if c.behind() > swapBytes {
			continue
		}
		done, err := s.swap(m)
		if err != nil {
			return err
		}
		if done {
			s.o.RequestLogger.Info("partition moved to another log directory", "partition", m.p.tp.String(), "from", m.p.dir.path, "to", m.to.path,
				"bytes", c.size.Load(), "duration_ms", s.o.Clock().Sub(begun).Milliseconds())
			return nil
		}
	}
}

// settleCopy makes durable what is copied, and the log's entries in the checkpoints.
func (s *Store) settleCopy(m *move) error {
	c := m.copy
	if err := c.sync(); err != nil {
		return err
	}
	if err := c.writeEpochs(); err != nil {
		return err
	}
	for _, name := range checkpointKinds {
		if err := s.writeCheckpoint(m.to, name); err != nil {
			return err
		}
	}
	if err := c.log.Flush(c.log.EndOffset()); err != nil {
		return fmt.Errorf("flushing %s: %w", c.log.Dir(), err)
	}
	return nil
}
