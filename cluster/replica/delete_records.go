package replica

import (
	"context"

	"klamm/logstore"
	"klamm/protocol"
)

// Deletion asks to delete the records of one partition that lie before an offset.
type Deletion struct {
	Partition *Partition
	// Before is the first offset that stays readable; -1 stands for the high watermark.
	Before int64
	// LowWatermark is set by DeleteRecords: the lowest log start offset of a live replica afterwards, -1 with an error.
	LowWatermark int64
	// Err is set by DeleteRecords. A Before that is negative or past the high watermark is a
	// *logstore.OffsetOutOfRangeError; a follower that has not deleted the records in time gives the context's error.
	Err error
}

// DeleteRecords carries out deletions and fills in what became of each. When it returns, the new log start offsets are
// on the disk, written once for all of them: what was deleted does not come back, whatever happens next. The followers that live have deleted
// the records too, unless ctx ended before.
func (m *Manager) DeleteRecords(ctx context.Context, deletions []Deletion) {
	var moved []protocol.TopicPartition
	var at []int // where the moved ones stand in deletions
	for i := range deletions {
		d := &deletions[i]
		if d.LowWatermark, d.Err = d.Partition.deleteRecords(d.Before); d.Err == nil {
			moved, at = append(moved, d.Partition.tp), append(at, i)
		}
	}
	for i, err := range m.store.CheckpointStartOffsets(moved...) {
		if d := &deletions[at[i]]; err != nil {
			d.LowWatermark, d.Err = -1, err
		}
	}
	for i := range deletions {
		if d := &deletions[i]; d.Err == nil {
			d.LowWatermark, d.Err = d.Partition.awaitDeleted(ctx, d.LowWatermark)
		}
	}
}

// deleteRecords moves the log start offset, and gives what it is then. That is not on the disk yet.
func (p *Partition) deleteRecords(before int64) (int64, error) {
	p.fence.RLock()
	defer p.fence.RUnlock()
	if err := p.Leading(); err != nil {
		return -1, err
	}
	hw := p.hw.Load()
	if before == -1 {
		before = hw
	}
	if before < 0 || before > hw {
		return -1, &logstore.OffsetOutOfRangeError{Partition: p.tp.String(), Requested: before, Start: p.log.StartOffset(), End: hw}
	}
	start, err := p.log.DeleteRecordsBefore(before)
	if err != nil {
		return -1, err
	}
	return start, nil
}

// delayedDeletion waits until the followers have deleted the records before an offset. done is closed then, or when that has become
// impossible: err says why.
type delayedDeletion struct {
	offset int64
	done   chan struct{}
	err    error
}

// awaitDeleted waits until the live followers have deleted the records before an offset, and gives the low watermark.
func (p *Partition) awaitDeleted(ctx context.Context, offset int64) (low int64, err error) {
	p.mu.Lock()
	if p.lowWatermarkLocked() >= offset {
		defer p.mu.Unlock()
		return p.lowWatermarkLocked(), p.Leading()
	}
	d := &delayedDeletion{offset: offset, done: make(chan struct{})}
	p.deletions = append(p.deletions, d)
	p.mu.Unlock()
	select {
	case <-d.done:
		err = d.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.deletions {
		if p.deletions[i] == d {
			p.deletions = append(p.deletions[:i], p.deletions[i+1:]...)
			break
		}
	}
	if err != nil {
		return -1, err
	}
	return p.lowWatermarkLocked(), nil
}

// lowWatermarkLocked gives the lowest log start offset of a replica that lives.
func (p *Partition) lowWatermarkLocked() int64 {
	low := p.log.StartOffset()
	for i := range p.remotes {
		if r := &p.remotes[i]; r.start < low && p.manager.o.Alive(r.id) {
			low = r.start
		}
	}
	return low
}

// completeDeletionsLocked collects the deletions that all live followers have made.
func (p *Partition) completeDeletionsLocked(c *completions) {
	if len(p.deletions) == 0 {
		return
	}
	low, kept := p.lowWatermarkLocked(), p.deletions[:0]
	for _, d := range p.deletions {
		if d.offset <= low {
			c.deletions = append(c.deletions, d)
		} else {
			kept = append(kept, d)
		}
	}
	clear(p.deletions[len(kept):])
	p.deletions = kept
}
