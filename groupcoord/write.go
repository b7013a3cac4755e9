package groupcoord

import (
	"sync"
	"time"

	"klamm/protocol/batch"
)

// builders are reused: most batches are small and of one size. Brokers of one process share it: a builder in it is empty.
var builders = sync.Pool{New: func() any { return batch.NewBuilder(batch.None) }}

// writeAllLocked appends what a group wants written. The tombstones that the group owes come first: behind a newer record of the
// same offset they would remove it.
func (s *shard) writeAllLocked(e *entry, out *effects) {
	var unpaid error
	if len(out.writes) > 0 && len(e.owed) > 0 && !out.pays {
		s.writePartsLocked(e.pay(func(err error) { unpaid = err }), out)
	}
	for len(out.writes) > 0 {
		w := out.writes[0]
		out.writes = out.writes[1:]
		switch {
		case unpaid != nil && w.part != nil:
			w.part(0, unpaid, out)
		case unpaid != nil:
			s.wroteLocked(e, w, 0, true, unpaid, nil, out)
		case w.part != nil:
			s.writePartsLocked(w, out)
		default:
			s.writeLocked(e, w, out)
		}
	}
}

// writeLocked appends one batch, and tells the group when it is committed.
func (s *shard) writeLocked(e *entry, w write, out *effects) {
	data, err := s.encode(w.records, out.nowMs)
	var wait *commitWait
	done := func(error) {}
	if w.done != nil {
		wait = &commitWait{s: s, e: e, done: w.done}
		done = wait.committed
	}
	base, committed := int64(0), false
	if err == nil {
		base, committed, err = s.log.Append(data, done)
	}
	s.wroteLocked(e, w, base, committed, err, wait, out)
}

// wroteLocked tells the group what became of a batch, or waits until that is known.
func (s *shard) wroteLocked(e *entry, w write, base int64, committed bool, err error, wait *commitWait, out *effects) {
	switch {
	case err != nil && w.done == nil:
		s.c.o.Logger.Warn("cannot write a group's record", "group", shorten(e.id), "records", len(w.records), "error", err)
	case w.done == nil:
	case err != nil || committed:
		w.done(base, err, out)
	default:
		if w.pending != nil {
			w.pending()
		}
		wait.begin(base)
	}
}

// writePartsLocked appends records that each stand for themselves, in as many batches as they take.
func (s *shard) writePartsLocked(w write, out *effects) {
	err := s.appendParts(w.records, out.nowMs, w.committed, func(n int) { w.part(n, nil, out) })
	if err != nil {
		w.part(0, err, out)
	}
}

// appendParts appends records in batches that are not larger than the log takes, and calls appended with the number of records after
// each. committed is told of each batch when it is committed, on any goroutine; nil for nothing.
func (s *shard) appendParts(records []record, nowMs int64, committed func(error), appended func(n int)) error {
	if committed == nil {
		committed = func(error) {}
	}
	// Half of the limit leaves room for what a batch, and bytes that do not compress, take besides.
	most := s.log.MaxBatchBytes() / 2
	for len(records) > 0 {
		n, size := 0, batch.HeaderSize
		for n < len(records) && (n == 0 || size+records[n].size() <= most) {
			size += records[n].size()
			n++
		}
		data, err := s.encode(records[:n], nowMs)
		if err != nil {
			return err
		}
		_, done, err := s.log.Append(data, committed)
		if err != nil {
			return err
		}
		if done {
			committed(nil)
		}
		records = records[n:]
		appended(n)
	}
	return nil
}

// size is the most bytes that a record takes in a batch.
func (r *record) size() int {
	const fields = 40 // lengths, deltas and attributes
	return fields + len(r.key) + len(r.value)
}

// encode makes a batch of records.
func (s *shard) encode(records []record, nowMs int64) ([]byte, error) {
	b := builders.Get().(*batch.Builder)
	defer builders.Put(b)
	b.Codec = s.c.o.Config.Codec
	b.Reset()
	for _, r := range records {
		b.Add(nowMs, r.key, r.value)
	}
	return b.AppendTo(make([]byte, 0, b.Size()))
}

// commitWait is a batch that is in the log and not committed yet.
type commitWait struct {
	s    *shard
	e    *entry
	done func(base int64, err error, out *effects)

	mu    sync.Mutex
	began bool
	ended bool
	err   error
	base  int64
	stop  func() bool
}

// begin waits for committed, for offsets.commit.timeout.ms at most. committed may have been called before.
func (w *commitWait) begin(base int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.base = true, base
	if w.ended {
		go w.finish()
		return
	}
	w.stop = w.s.c.o.After(time.Duration(w.s.c.o.Config.CommitTimeoutMs)*time.Millisecond, func() { w.committed(ErrCommitTimedOut) })
}

// committed is told what became of the batch. The first call counts. The caller may hold locks.
func (w *commitWait) committed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.ended, w.err = true, err
	if w.began {
		w.stop()
		go w.finish()
	}
}

func (w *commitWait) finish() {
	w.s.run(w.e, func(out *effects) { w.done(w.base, w.err, out) })
}
