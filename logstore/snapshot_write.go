package logstore

import (
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
	if i, found := slices.BinarySearch(p.snapshots, p.snapEnd); found {
		p.snapshots = slices.Delete(p.snapshots, i, i+1)
	}
	p.snapEnd = p.newest()
}
