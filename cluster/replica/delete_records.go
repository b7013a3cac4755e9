package replica

import (
	"klamm/logstore"
	"klamm/protocol"
)

// Deletion asks to delete the records of one partition that lie before an offset.
type Deletion struct {
	Partition *Partition
	// Before is the first offset that stays readable; -1 stands for the high watermark.
	Before int64
	// LowWatermark is set by DeleteRecords: the log start offset afterwards, -1 with an error.
	LowWatermark int64
	// Err is set by DeleteRecords. A Before that is negative or past the high watermark is a
	// *logstore.OffsetOutOfRangeError.
	Err error
}

// DeleteRecords carries out deletions and fills in what became of each. When it returns, the new log start offsets are
// on the disk, written once for all of them: what was deleted does not come back, whatever happens next.
func (m *Manager) DeleteRecords(deletions []Deletion) {
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
}

// deleteRecords moves the log start offset, and gives what it is then. That is not on the disk yet.
func (p *Partition) deleteRecords(before int64) (int64, error) {
	hw := p.hw.Load()
	if before == -1 {
		before = hw
	}
	if before < 0 || before > hw {
		return -1, &logstore.OffsetOutOfRangeError{Requested: before, Start: p.log.StartOffset(), End: hw}
	}
	start, err := p.log.DeleteRecordsBefore(before)
	if err != nil {
		return -1, err
	}
	return start, nil
}
