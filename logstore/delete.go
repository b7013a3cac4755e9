package logstore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"klamm/protocol"
)

// removal is the directory of a deleted partition, or the files of a deleted segment,
// that wait to be removed.
type removal struct {
	paths []string
	dir   *logDir
	due   time.Time
}

// Delete deletes a partition's log. At once, and durably, it renames the directory to a
// name that marks it as deleted, so that a new log can have its name.
// The files themselves are removed after file.delete.delay.ms, or by the next
// start. Regions that were read before stay readable until they are released.
//
// Errors: ErrNoLog, *DirError (also when the log is not here but a directory is
// offline, which may hold it), ErrStoreClosed.
func (s *Store) Delete(tp protocol.TopicPartition) error {
	p, err := s.beginDelete(tp)
	if err != nil {
		return err
	}
	renamed, err := s.renameDeleted(p)
	s.mu.Lock()
	s.dropLocked(tp)
	s.notices.highWatermarkMoved()
	if err == nil && renamed != "" {
		s.addRemovalLocked(p.dir, []string{renamed}, s.defaults.FileDeleteDelayMs)
	}
	if err != nil {
		// The directory is still there under its name; whoever asks learns that it is out of reach.
		s.putLocked(&partition{tp: tp, dir: p.dir, path: p.path, ready: p.ready, err: err, topicID: p.topicID})
	}
	close(p.gone)
	s.mu.Unlock()
	s.loading.Done()
	if err != nil {
		s.logFailed(p.dir, err)
	}
	return err
}

// beginDelete waits until the log is ready. From then on nobody gets it any more.
func (s *Store) beginDelete(tp protocol.TopicPartition) (*partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		p := s.logs[tp]
		switch {
		case s.closed:
			return nil, ErrStoreClosed
		case p == nil:
			for _, d := range s.dirs {
				if d.err != nil {
					return nil, d.err
				}
			}
			return nil, ErrNoLog
		case p.gone != nil:
			return nil, ErrNoLog
		case p.dir.err != nil:
			return nil, p.dir.err
		}
		if m := p.move; p.isReady() && m != nil {
			s.mu.Unlock()
			err := s.cancelMove(m)
			s.mu.Lock()
			if err != nil {
				return nil, err
			}
			continue
		}
		if p.isReady() {
			p.gone = make(chan struct{})
			s.loading.Add(1)
			return p, nil
		}
		s.mu.Unlock()
		<-p.ready
		s.mu.Lock()
	}
}

// renameDeleted gives the directory its new name, "" when it is gone anyway.
func (s *Store) renameDeleted(p *partition) (string, error) {
	if p.log != nil {
		p.log.Discard()
	}
	to := filepath.Join(p.dir.path, DeletedDirName(p.tp, uniqueName()))
	err := p.dir.fs.Rename(p.path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		err = p.dir.syncs.do(func() error { return s.fs.SyncDir(p.dir.path) })
	}
	if err != nil {
		return "", &DirError{Dir: p.path, Path: p.path, Op: "rename", Err: reason(err)}
	}
	return to, nil
}

// uniqueName gives a random UUID in hexadecimal without dashes.
func uniqueName() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id[:])
}

// removeAgainMs is after how long a removal is tried again that failed for lack of descriptors.
const removeAgainMs = 10_000

func (s *Store) addRemovalLocked(d *logDir, paths []string, delayMs int64) {
	r := removal{paths: paths, dir: d, due: s.o.Clock().Add(time.Duration(delayMs) * time.Millisecond)}
	at, _ := slices.BinarySearchFunc(s.removals, r.due, func(x removal, due time.Time) int {
		if x.due.After(due) {
			return 1
		}
		return -1
	})
	s.removals = slices.Insert(s.removals, at, r)
	select {
	case s.wakeRemoval <- struct{}{}:
	default:
	}
}

// removeDeleted removes what is due, as it becomes due.
func (s *Store) removeDeleted() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-timer.C:
		case <-s.wakeRemoval:
		}
		next, ok := s.removeDue()
		timer.Stop()
		if ok {
			timer.Reset(next)
		}
	}
}

// removeDue removes what is due by now and says when the next one will be.
func (s *Store) removeDue() (wait time.Duration, ok bool) {
	for {
		s.mu.Lock()
		if len(s.removals) == 0 {
			s.mu.Unlock()
			return 0, false
		}
		r := s.removals[0]
		if wait = r.due.Sub(s.o.Clock()); wait > 0 {
			s.mu.Unlock()
			return wait, true
		}
		s.removals = s.removals[1:]
		offline := r.dir.err != nil
		s.mu.Unlock()
		select {
		case <-s.stop:
			return 0, false
		default:
		}
		if offline {
			continue
		}
		for i, path := range r.paths {
			err := s.fs.RemoveAll(path)
			if err == nil {
				continue
			}
			if tooManyFiles(err) {
				s.mu.Lock()
				s.addRemovalLocked(r.dir, r.paths[i:], removeAgainMs)
				s.mu.Unlock()
				break
			}
			s.log.Warn("what was deleted is not removed; the next start tries again", "path", path, "error", err)
			s.logFailed(r.dir, &DirError{Dir: path, Path: path, Op: "remove", Err: reason(err)})
			break
		}
	}
}
