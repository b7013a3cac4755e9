package logstore

import (
	"encoding/binary"
	"fmt"
	"math"

	"klamm/protocol/batch"
)

// UnexpectedOffsetError says that the batches that a leader sent do not continue the follower's log: First and Last are the
// offsets of the first batch, End is the log end offset.
type UnexpectedOffsetError struct {
	Partition        string
	First, Last, End int64
}

func (e *UnexpectedOffsetError) Error() string {
	return fmt.Sprintf("%s: the leader sent a batch with offsets %d to %d, and the log ends at %d", e.Partition, e.First, e.Last, e.End)
}

// AppendAsFollower appends record batches as the partition's leader sent them: it keeps their offsets and leader epochs,
// decodes no record, and writes what goes into one segment with one system call. records are as a Fetch answer has them;
// AppendAsFollower does not change or keep them.
//
//   - Bytes at the end that are no whole batch are left out: the leader cut its answer there. So are batches of a leader epoch
//     above leaderEpoch, that of this follower's role: the leader was elected anew since, and truncation goes by the epochs.
//   - The form and the CRC of each batch are checked. Of batches behind one that is corrupt nothing is appended, and the
//     error wraps a *batch.CorruptError.
//   - The first batch begins at the log end offset or, where the leader's log has a gap, above it: *UnexpectedOffsetError. A log
//     without records may begin with a batch that holds its log start offset (KAFKA-6975).
//   - A producer's epoch and sequence are not checked, since the leader did so. Messages of magic 0 and 1 clear the leader
//     epochs, which they do not have.
//
// It gives how many bytes were appended, with an error too: some batches may have been appended before it. AppendAsFollower does not
// sync: see FlushWanted. The caller sees to it that nobody else appends. nowMs is the time in ms.
func (l *Log) AppendAsFollower(records []byte, leaderEpoch int32, nowMs int64) (size int, err error) {
	n, damage := checkReplicated(records, leaderEpoch)
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.bytesAppended.Load()
	err = l.replicateLocked(records[:n], nowMs)
	if err == nil && damage != nil {
		err = fmt.Errorf("%s: the leader sent a batch that is not what was written: %w", l.name, damage)
	}
	return int(l.bytesAppended.Load() - before), err
}

// checkReplicated gives how many of the bytes are whole, intact batches with ascending offsets and a leader epoch of at most
// leaderEpoch. The error is nil where a batch that is not whole, or a later leader's, ends them.
func checkReplicated(records []byte, leaderEpoch int32) (n int, err error) {
	next := int64(0)
	for len(records)-n >= batch.Overhead {
		b := records[n:]
		size := int64(int32(binary.BigEndian.Uint32(b[batch.Overhead-4:]))) + batch.Overhead
		if size > int64(len(b)) {
			return n, nil
		}
		h, err := parseFrame(b[:max(size, batch.Overhead)])
		if err != nil {
			return n, err
		}
		switch {
		case h.BaseOffset < next || h.LastOffsetDelta < 0 || h.NextOffset() <= h.BaseOffset:
			return n, &batch.CorruptError{Reason: fmt.Sprintf("offsets %d to %d after %d", h.BaseOffset, h.LastOffset(), next-1)}
		case h.Count < 0 || int64(h.Count) > int64(h.LastOffsetDelta)+1:
			return n, &batch.CorruptError{Reason: fmt.Sprintf("%d records with offsets %d to %d", h.Count, h.BaseOffset, h.LastOffset())}
		case h.PartitionLeaderEpoch > leaderEpoch:
			return n, nil
		}
		if err := matchFrameCRC(&h, frameCRC(&h, 0, b[crcFrom(&h):size])); err != nil {
			return n, err
		}
		n, next = n+int(size), h.NextOffset()
	}
	return n, nil
}

// replicateLocked appends batches that checkReplicated has let pass.
func (l *Log) replicateLocked(records []byte, nowMs int64) (err error) {
	if err := l.takesRecordsLocked(); err != nil || len(records) == 0 {
		return err
	}
	if err := l.settleLocked(); err != nil {
		return err
	}
	if err := l.continueLocked(records, nowMs); err != nil {
		return err
	}
	defer func() {
		if err != nil { // perhaps an epoch whose batch was not written
			l.pub.Lock()
			l.epochs.truncateFromEnd(l.view.end)
			l.pub.Unlock()
		}
	}()
	run, count := 0, 0 // where the batches begin that are to be written next, and their number
	for at := 0; at < len(records); count++ {
		h, _ := parseFrame(records[at:]) // no error: it was checked
		roll, err := l.view.active().shouldRoll(&l.config, &h, count, int64(at-run), nowMs)
		if err != nil {
			return l.dirError("read", l.view.active().path(logSuffix), err)
		}
		if roll || l.epochs.begins(&h) {
			if err := l.writeRunLocked(records[run:at], nowMs); err != nil {
				return err
			}
			run, count = at, 0
		}
		if err := l.adoptEpochLocked(&h); err != nil {
			return err
		}
		if roll {
			if err := l.rollForLocked(&h, nowMs); err != nil {
				return err
			}
		}
		at += h.Size()
	}
	return l.writeRunLocked(records[run:], nowMs)
}

// continueLocked checks that the first batch continues the log. A log without records begins anew with a batch that holds its
// log start offset: the leader's records were deleted up to an offset within that batch.
func (l *Log) continueLocked(records []byte, nowMs int64) error {
	h, _ := parseFrame(records)
	end := l.view.end
	switch {
	case h.BaseOffset >= end:
		return nil
	case l.view.start == end && h.LastOffset() >= end:
		return l.restartLocked(h.BaseOffset, end, nowMs)
	}
	return &UnexpectedOffsetError{Partition: l.name, First: h.BaseOffset, Last: h.LastOffset(), End: end}
}

// begins says whether a batch of the leader changes the epochs.
func (c *leaderEpochs) begins(h *batch.Header) bool {
	if h.Magic < batch.Magic {
		return len(c.entries) > 0
	}
	return h.PartitionLeaderEpoch >= 0 && h.PartitionLeaderEpoch != c.latest()
}

// adoptEpochLocked records the leader epoch of a batch that comes next, and nothing is left to be written before it. It
// writes the epochs to the disk if the file may contradict the batch.
func (l *Log) adoptEpochLocked(h *batch.Header) error {
	if l.epochs.begins(h) {
		l.pub.Lock()
		if h.Magic < batch.Magic {
			l.epochs.truncateFromEnd(-1)
		} else {
			l.epochs.assign(h.PartitionLeaderEpoch, h.BaseOffset)
		}
		l.pub.Unlock()
	}
	return l.writeCutEpochsLocked()
}

// rollForLocked begins a new segment for a batch. After a gap of more offsets than a segment can have, the segment begins at the
// first base offset that lets it hold the batch. (A start after a crash that comes before the next recovery point is in its
// checkpoint sets such a segment aside, and the follower fetches it again.)
func (l *Log) rollForLocked(h *batch.Header, nowMs int64) error {
	if base := h.LastOffset() - math.MaxInt32; base > l.view.end {
		l.pub.Lock()
		l.view.end = base
		l.pub.Unlock()
	}
	return l.rollLocked(nowMs)
}

// writeRunLocked appends batches that go into the active segment, and makes them visible.
func (l *Log) writeRunLocked(run []byte, nowMs int64) error {
	if len(run) == 0 {
		return nil
	}
	if err := l.takesRecordsLocked(); err != nil { // again, since a roll may have taken the room that was left
		return err
	}
	active := l.view.active()
	size := active.size.Load()
	l.staged.iov = append(l.staged.iov[:0], run)
	err := l.writeLocked(active, size)
	l.staged.iov[0] = nil
	l.staged.iov = l.staged.iov[:0]
	if err != nil {
		return err
	}
	active.size.Store(size + int64(len(run))) // before the indexes change, which must not point past size
	var h batch.Header
	active.mu.Lock()
	for at := 0; at < len(run); at += h.Size() {
		h, _ = parseFrame(run[at:])
		if size == 0 && at == 0 {
			active.firstTimestamp = h.MaxTimestamp
		}
		if err := active.indexLocked(&h, size+int64(at), l.config.IndexIntervalBytes); err != nil {
			l.logger.Warn("index entries stay in memory", "segment", active.base, "error", err)
		}
		l.producers.apply(&h, run[at:at+h.Size()])
		l.producers.seen(h.ProducerID, nowMs)
	}
	active.mu.Unlock()
	l.extendLocked(h.NextOffset(), size, int64(len(run)), nowMs)
	return nil
}
