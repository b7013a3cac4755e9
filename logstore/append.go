package logstore

import (
	"errors"
	"sync"

	"klamm/observe"
	"klamm/protocol/batch"
)

// Append is one batch for Log.Append, and its result.
type Append struct {
	// Data is exactly one batch of magic 2, which the caller has validated. Log.Append writes
	// the base offset and the leader epoch (and the timestamp, for LogAppendTime) into it.
	Data []byte
	// Header is Data's header. Log.Append sets the offset and the leader epoch in it too.
	Header batch.Header
	// LogAppendTime says that the topic stamps batches with the time of the append
	// (message.timestamp.type).
	LogAppendTime bool
	Origin        Origin
	// Result is set by Log.Append.
	Result Result
}

// Result says what Log.Append did with a batch.
type Result struct {
	// BaseOffset and LastOffset are the batch's offsets in the log. For a duplicate they are
	// the offsets of the batch that the log holds already. With an error they are -1.
	BaseOffset, LastOffset int64
	// LogAppendTimeMs is the time that the log stamped the batch with, -1 for CreateTime.
	// For a duplicate it is the stored batch's largest timestamp, as in Apache Kafka.
	LogAppendTimeMs int64
	LogStartOffset  int64 // the log start offset at the time of the append
	// Size is how many bytes were appended; 0 for a duplicate and with an error.
	Size      int
	Duplicate bool // the log holds the batch already, and appended nothing
	// Err is nil, or one of the errors that errors.go lists.
	Err error
}

// appendQueue groups appends. While one group is written, further appends wait. The first
// of them then writes all of them together, as the next group.
type appendQueue struct {
	mu         sync.Mutex
	busy       bool
	head, tail *appendOp
	free       *appendOp // a list of unused ops, linked by next
}

type appendOp struct {
	batches     []Append
	leaderEpoch int32
	nowMs       int64
	next        *appendOp
	turn        chan bool // gets true when the op is to lead its group, and false when the group is done
}

// Append appends batches, each on its own: if it refuses one, it still appends the next.
// When Append returns, each batch's Result is set, and readers can read the appended
// batches. Append does not sync, so that the caller can wait for a sync elsewhere;
// FlushWanted says whether the log has to be synced before the batches count as written
// (flush.messages). Concurrent callers share one system call. nowMs is the time in ms.
func (l *Log) Append(batches []Append, leaderEpoch int32, nowMs int64) {
	for i := range batches {
		if a := &batches[i]; a.LogAppendTime {
			batch.SetLogAppendTime(a.Data, nowMs)
			a.Header, _ = batch.ParseHeader(a.Data) // no error: the caller has validated Data
		}
	}
	op, lead := l.queue.enter(batches, leaderEpoch, nowMs)
	if lead {
		l.appendGroup(op)
		l.queue.leave(op)
	}
	l.queue.put(op)
}

// enter waits until another caller has appended the batches, or until the present caller
// has to lead the group that begins with them. lead reports the latter.
func (q *appendQueue) enter(batches []Append, leaderEpoch int32, nowMs int64) (op *appendOp, lead bool) {
	q.mu.Lock()
	if op = q.free; op != nil {
		q.free = op.next
	} else {
		op = &appendOp{turn: make(chan bool, 1)}
	}
	op.batches, op.leaderEpoch, op.nowMs, op.next = batches, leaderEpoch, nowMs, nil
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return op, true
	}
	if q.tail == nil {
		q.head = op
	} else {
		q.tail.next = op
	}
	q.tail = op
	q.mu.Unlock()
	return op, <-op.turn
}

// leave tells the ops of a group that the group is done. If appends came meanwhile, leave
// wakes the first of them, which leads the next group.
func (q *appendQueue) leave(op *appendOp) {
	for rest := op.next; rest != nil; {
		// After the send another caller may use the op again, so read its next before.
		next := rest.next
		rest.turn <- false
		rest = next
	}
	q.mu.Lock()
	next := q.head
	q.head, q.tail = nil, nil
	q.busy = next != nil
	q.mu.Unlock()
	if next != nil {
		next.turn <- true
	}
}

// put keeps an op that nobody uses any more, for the next caller of enter.
func (q *appendQueue) put(op *appendOp) {
	q.mu.Lock()
	op.batches = nil
	op.next, q.free = q.free, op
	q.mu.Unlock()
}

// staged holds the batches that were checked, have their offsets, and wait to be written to
// the active segment. The next group reuses its slices.
type staged struct {
	appends []*Append
	iov     [][]byte
	bytes   int64
	end     int64 // the next batch's offset
	nowMs   int64
}

// appendGroup appends the batches of a group and sets their results.
func (l *Log) appendGroup(first *appendOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staged.end = l.view.end
	for op := first; op != nil; op = op.next {
		l.staged.nowMs = op.nowMs
		for i := range op.batches {
			a := &op.batches[i]
			a.Result = Result{BaseOffset: -1, LastOffset: -1, LogAppendTimeMs: batch.NoTimestamp, LogStartOffset: l.view.start}
			if err := l.stageLocked(a, op.leaderEpoch, op.nowMs); err != nil {
				a.Result.Err = err
			}
		}
	}
	l.commitLocked()
}

// stageLocked checks a batch, gives it its offsets and adds it to staged. For a duplicate it
// only sets the result.
func (l *Log) stageLocked(a *Append, leaderEpoch int32, nowMs int64) error {
	if err := l.takesRecordsLocked(); err != nil {
		return err
	}
	h := &a.Header
	if h.Size() != len(a.Data) {
		return &batch.CorruptError{Reason: "the bytes are not exactly one batch"}
	}
	if len(a.Data) > int(l.config.SegmentBytes) {
		return ErrBatchTooLarge
	}
	if h.HasProducerID() {
		l.settleProducerLocked(h.ProducerID)
		dup, isDup, err := l.producers.check(h, a.Origin)
		if err != nil {
			return err
		}
		if isDup {
			r := &a.Result
			r.BaseOffset, r.LastOffset, r.LogAppendTimeMs, r.Duplicate = dup.firstOffset(), dup.lastOffset, dup.timestamp, true
			return nil
		}
	}
	if err := l.settleLocked(); err != nil {
		return err
	}
	if err := l.settleEpochLocked(leaderEpoch); err != nil {
		return err
	}
	h.BaseOffset, h.PartitionLeaderEpoch = l.staged.end, leaderEpoch
	st := &l.staged
	roll, err := l.view.active().shouldRoll(&l.config, h, len(st.appends), st.bytes, nowMs)
	if err != nil {
		return l.dirError("read", l.view.active().path(logSuffix), err)
	}
	if roll {
		l.commitLocked()
		if err := l.rollLocked(nowMs); err != nil {
			return err
		}
		h.BaseOffset = l.staged.end // the write of the staged batches may have failed
	}
	batch.SetOffsets(a.Data, h.BaseOffset, leaderEpoch)
	st.appends = append(st.appends, a)
	st.iov = append(st.iov, a.Data)
	st.bytes += int64(len(a.Data))
	st.end = h.NextOffset()
	return nil
}

// takesRecordsLocked gives an error if the log takes no records.
func (l *Log) takesRecordsLocked() error {
	if err := l.usableLocked(); err != nil {
		return err
	}
	if l.full.Load() {
		return l.dirError("append to", l.Dir(), errNoRoom)
	}
	return l.completeCutLocked()
}

// settleProducerLocked writes the staged batches if one of them comes from the producer with
// this id, since the check of the producer's next batch needs the state after that one.
func (l *Log) settleProducerLocked(id int64) {
	for _, a := range l.staged.appends {
		if a.Header.ProducerID == id {
			l.commitLocked()
			return
		}
	}
}

// settleLocked makes the log's directory durable before its first record (UnifiedLog's
// maybeFlushMetadataFile): a record must not be found without its topic's id.
func (l *Log) settleLocked() error {
	if l.settle == nil {
		return nil
	}
	if err := l.settle(); passes(err) {
		return l.dirError("sync", l.Dir(), err)
	} else if err != nil {
		return l.fail("sync", l.Dir(), err)
	}
	l.settle = nil
	return nil
}

// settleEpochLocked has the leader epoch begin at the log end offset if it is a new one. It writes the leader epochs to
// the disk if the file may contradict the next batch.
func (l *Log) settleEpochLocked(epoch int32) error {
	if epoch >= 0 && epoch != l.epochs.latest() {
		l.commitLocked()
		l.pub.Lock()
		l.epochs.assign(epoch, l.view.end)
		l.pub.Unlock()
	}
	if l.epochs.cut {
		l.commitLocked()
	}
	return l.writeCutEpochsLocked()
}

// writeCutEpochsLocked writes the leader epochs to the disk if the file may contradict the next batch.
func (l *Log) writeCutEpochsLocked() error {
	if !l.epochs.cut {
		return nil
	}
	if err := l.writeEpochs(); err != nil {
		return err
	}
	l.epochs.cut = false
	return nil
}

// commitLocked writes the staged batches and makes them visible. If the write fails, it
// truncates the segment to its size before, and every staged batch gets the error.
func (l *Log) commitLocked() {
	st := &l.staged
	if len(st.appends) == 0 {
		return
	}
	active := l.view.active()
	size := active.size.Load()
	err := l.takesRecordsLocked() // again, since a roll may have taken the room that was left
	if err == nil {
		err = l.writeLocked(active, size)
	}
	if err == nil {
		l.publishLocked(active, size)
	}
	for i, a := range st.appends {
		r := &a.Result
		if r.Err = err; err == nil {
			r.BaseOffset, r.LastOffset, r.Size = a.Header.BaseOffset, a.Header.LastOffset(), len(a.Data)
			if a.LogAppendTime {
				r.LogAppendTimeMs = a.Header.MaxTimestamp
			}
		}
		st.appends[i], st.iov[i] = nil, nil
	}
	st.appends, st.iov, st.bytes, st.end = st.appends[:0], st.iov[:0], 0, l.view.end
}

// writeLocked writes staged.iov behind the first size bytes of the active segment.
func (l *Log) writeLocked(active *segment, size int64) error {
	if err := active.load(l.config.IndexIntervalBytes); err != nil {
		return l.dirError("read", active.path(indexSuffix), err)
	}
	f, err := active.log.acquire()
	if err != nil {
		return l.dirError("open", active.log.path, err)
	}
	defer active.log.release()
	if _, err = f.WritevAt(l.staged.iov, size); err == nil {
		return nil
	}
	if terr := f.Truncate(size); terr != nil {
		return l.fail("truncate", active.log.path, terr)
	}
	return l.dirError("write", active.log.path, err)
}

// publishLocked makes the staged batches visible, which writeLocked wrote at the position size.
func (l *Log) publishLocked(active *segment, size int64) {
	st := &l.staged
	pos := size
	active.size.Store(size + st.bytes) // before the indexes change, which must not point past size
	active.mu.Lock()
	for _, a := range st.appends {
		if pos == 0 {
			active.firstTimestamp = a.Header.MaxTimestamp
		}
		if err := active.indexLocked(&a.Header, pos, l.config.IndexIntervalBytes); err != nil {
			l.logger.Warn("index entries stay in memory", "segment", active.base, "error", err)
		}
		pos += int64(len(a.Data))
	}
	active.mu.Unlock()
	for _, a := range st.appends {
		l.producers.apply(&a.Header, a.Data)
		l.producers.seen(a.Header.ProducerID, st.nowMs)
	}
	l.extendLocked(st.end, size, st.bytes, st.nowMs)
}

// extendLocked lets readers see bytes that were written to the active segment at the position size. The log ends at end now.
func (l *Log) extendLocked(end, size, bytes, nowMs int64) {
	l.producers.mapEnd = end
	l.bytesAppended.Add(bytes)
	l.unflushed(nowMs)
	l.pub.Lock()
	l.view.end, l.view.last = end, size+bytes
	l.pub.Unlock()
}

// rollLocked seals the active segment and begins a new one at the log end offset. It has
// the sealed segment synced in the background, as Apache Kafka does. Until then the
// recovery point does not pass the sealed segment.
func (l *Log) rollLocked(nowMs int64) error {
	old, base := l.view.active(), l.view.end
	if old.base == base {
		return nil // the active segment is empty
	}
	if err := old.load(l.config.IndexIntervalBytes); err != nil {
		return l.dirError("read", old.path(indexSuffix), err)
	}
	if err := old.finishIndexes(); err != nil {
		return l.dirError("write", old.path(indexSuffix), err)
	}
	if err := old.trim(); err != nil {
		return l.dirError("truncate", old.path(logSuffix), err)
	}
	if err := old.markAppendedChecked(); err != nil {
		return l.dirError("stat", old.path(logSuffix), err)
	}
	l.producers.mapEnd = base
	if err := l.snapshotAtRollLocked(); err != nil {
		return err
	}
	next := l.newSegment(base, nowMs)
	if err := next.create(l.fullSize()); err != nil {
		var leftover *leftoverError
		if errors.As(err, &leftover) {
			return l.fail("create", next.path(logSuffix), err)
		}
		return l.dirError("create", next.path(logSuffix), err)
	}
	l.flush.mu.Lock()
	l.unsyncedSealed.CompareAndSwap(-1, old.base)
	l.pub.Lock()
	l.view.segments = append(l.view.segments[:len(l.view.segments):len(l.view.segments)], next)
	l.view.last = 0
	l.pub.Unlock()
	l.flush.mu.Unlock()
	l.syncSealed()
	l.observer.Tell(l.logger, observe.SegmentRolled{Topic: l.tp.Topic, Partition: l.tp.Partition, Base: old.base, Bytes: old.size.Load()})
	return nil
}

// syncSealed syncs the sealed segments in the background.
func (l *Log) syncSealed() {
	l.tasks.Add(1)
	l.run(func() {
		defer l.tasks.Done()
		_ = l.flushAll(false) // the log keeps a failure, and the next append gets it
	})
}

// Roll begins a new segment unless the active one is empty. nowMs is the time in ms.
func (l *Log) Roll(nowMs int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	return l.rollLocked(nowMs)
}
