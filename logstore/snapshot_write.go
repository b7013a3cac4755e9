package logstore

import (
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// maxSnapshotInPlace is how many producers a roll may write to their snapshot while appends wait. The file of 1,000 has 46 KB.
const maxSnapshotInPlace = 1000

// snapshotWrite is the writing of a producers' snapshot in the background. At most one runs for each log.
//
// A crash before the file is written and synced loses nothing: recovery reads the newest snapshot before it, and the batches since. Who
// depends on the file, removes, moves or copies snapshots waits for the write first (awaitSnapshotLocked).
type snapshotWrite struct {
	running sync.WaitGroup // Add and Wait are called with Log.mu held
	failed  atomic.Bool    // the file is missing or incomplete
}

// snapshotAtRollLocked writes the producers as of the base offset of the segment that begins. Where there are many, it only copies
// them, and a task in the background writes the file.
func (l *Log) snapshotAtRollLocked() error {
	l.awaitSnapshotLocked()
	p := &l.producers
	if len(p.byID) <= maxSnapshotInPlace {
		_, err := p.takeSnapshot(l.fs, l.Dir(), false)
		return l.dirError("write", l.Dir(), err)
	}
	if p.mapEnd <= p.snapEnd {
		return nil
	}
	content := copySnapshotEntries(p.byID)
	p.noteSnapshot()
	disk, path := l.fs, filepath.Join(l.Dir(), fileName(p.mapEnd, snapshotSuffix))
	l.snapshotWrite.running.Add(1)
	l.tasks.Add(1)
	l.run(func() {
		defer l.tasks.Done()
		err := writeFile(disk, path, content.encode(), true)
		l.snapshotWrite.failed.Store(err != nil)
		l.snapshotWrite.running.Done() // before the error is reported, which may need Log.mu
		if err != nil {
			l.readFailed(l.dirError("write", path, err))
		}
	})
	return nil
}

// awaitSnapshotLocked waits until no snapshot is being written. After a write that failed, the producers count as not written.
func (l *Log) awaitSnapshotLocked() {
	l.snapshotWrite.running.Wait()
	if !l.snapshotWrite.failed.Swap(false) {
		return
	}
	p := &l.producers
	_ = p.dropSnapshot(l.fs, l.Dir(), p.snapEnd) // recovery passes over an incomplete file that stays
	p.snapEnd = p.newest()
}

// rebuildSnapshotLocked writes the missing snapshot at the base offset of segment n, durably, from the snapshot before it and the
// batches between them. The appends wait for the reading; they do so only after a failed write or a crash.
func (l *Log) rebuildSnapshotLocked(n int) error {
	base := l.view.segments[n].base
	p := producers{max: l.producers.max, snapshots: slices.Clone(l.producers.snapshots)}
	// No producer expires here: the log decides below which ones it still knows.
	err := p.load(l.fs, l.Dir(), base, l.view.segments[0].base, 0, math.MaxInt64)
	l.producers.snapshots = p.snapshots // load removes those that are corrupt
	if err != nil {
		return l.dirError("read", l.Dir(), err)
	}
	for i := l.view.floor(p.mapEnd); i < n; i++ {
		s := l.view.segments[i]
		if err := s.replayProducers(&p, l.view.size(i), base, 0); err != nil {
			return l.dirError("read", s.path(logSuffix), err)
		}
	}
	for id, old := range p.byID {
		if now := l.producers.byID[id]; now != nil {
			old.seenMs = now.seenMs
		} else {
			delete(p.byID, id)
		}
	}
	p.mapEnd = base
	path, err := p.takeSnapshot(l.fs, l.Dir(), true)
	if err != nil {
		return l.dirError("write", l.Dir(), err)
	}
	l.producers.snapshots, l.producers.snapEnd = p.snapshots, max(l.producers.snapEnd, base)
	l.logger.Info("missing snapshot of producers written", "path", path, "producers", len(p.byID))
	return nil
}
