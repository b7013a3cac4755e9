package logstore

import (
	"errors"
	"math"
	"sync"
	"time"

	"klamm/protocol"
)

// checkpointKinds are the checkpoint files that the Store keeps.
var checkpointKinds = []string{recoveryPointCheckpoint, startOffsetCheckpoint, highWatermarkCheckpoint, cleanerCheckpoint}

// startBackground starts the tasks that run at intervals until the Store is closed.
func (s *Store) startBackground() {
	s.background.Go(s.removeDeleted)
	s.background.Go(s.boundProducers)
	first := s.o.InitialTaskDelayMs
	s.every(first, s.o.RetentionCheckMs, s.retain)
	s.every(0, s.o.FlushCheckMs, s.flushDue)
	s.every(0, dirCheckMs, s.checkDirs)
	s.every(0, rotCheckMs, s.recheckSegments)
	s.every(0, s.o.ProducerExpiryCheckMs, s.expireProducers)
	for _, c := range []struct {
		firstMs, intervalMs int64
		name                string
	}{
		{first, s.o.RecoveryPointCheckpointMs, recoveryPointCheckpoint},
		{first, s.o.StartOffsetCheckpointMs, startOffsetCheckpoint},
		{0, s.o.HighWatermarkCheckpointMs, highWatermarkCheckpoint},
	} {
		s.every(c.firstMs, c.intervalMs, func() { s.checkpointAll(c.name) })
	}
}

// dirCheckMs is the time, in ms, between two checks whether the log directories still
// exist, and whether a full one has room again.
const dirCheckMs = 1000

// rotCheckMs is how long, in ms, a part of a sealed segment counts as intact after the
// log compared its CRCs.
const rotCheckMs = 600_000

func (s *Store) recheckSegments() {
	for _, l := range s.All() {
		l.RecheckSegments()
	}
}

func (s *Store) checkDirs() {
	s.deletionMs() // so that it notices soon when the clock jumps
	for _, d := range s.online() {
		err := d.check()
		if err == nil && d.reserve.spent.Load() {
			if err = s.fillReserve(d); err == nil && !d.reserve.spent.Load() {
				s.log.Info("there is room again; records are taken", "log_dir", d.path)
			}
		}
		s.logFailed(d, err)
	}
}

// online lists the directories that are online.
func (s *Store) online() []*logDir {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*logDir
	for _, d := range s.dirs {
		if d.err == nil {
			list = append(list, d)
		}
	}
	return list
}

// every runs task after firstMs, or after one interval if firstMs is 0, and then once per
// interval. It never runs task if the interval is too long for a timer, such as the largest
// number, with which Kafka's defaults say never.
func (s *Store) every(firstMs, intervalMs int64, task func()) {
	if intervalMs <= 0 || intervalMs > math.MaxInt64/int64(time.Millisecond) {
		return
	}
	interval := time.Duration(intervalMs) * time.Millisecond
	wait := interval
	if firstMs > 0 {
		wait = time.Duration(firstMs) * time.Millisecond
	}
	s.background.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-timer.C:
				task()
				timer.Reset(interval)
			}
		}
	})
}

// usable lists the partitions whose log may be used and for which meant reports true; with
// nil it lists all. The caller of meant holds Store.mu, so meant must not wait.
func (s *Store) usable(meant func(*partition) bool) (list []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.logs {
		if p.usableLocked() && (meant == nil || meant(p)) {
			list = append(list, p)
		}
	}
	return list
}

// eachLog calls f for each log of a list, until the Store is closed. If f gives an error
// of the disk, the log's directory goes offline. what names the task in the log line.
func (s *Store) eachLog(list []*partition, what string, f func(*partition) error) {
	for _, p := range list {
		if s.isClosing() {
			return
		}
		s.failedAt(what, p, f(p))
	}
}

// failedAt logs that a task failed for one log, and takes the log's directory offline if the disk failed.
func (s *Store) failedAt(task string, p *partition, err error) {
	if err != nil && !errors.Is(err, ErrClosed) {
		s.log.Warn("background work on a log failed", "task", task, "partition", p.tp.String(), "error", err)
		s.logFailed(p.dir, err)
	}
}

// Checkpoint writes all checkpoints now. It logs errors.
func (s *Store) Checkpoint() {
	for _, name := range checkpointKinds {
		s.checkpointAll(name)
	}
}

// CheckpointStartOffsets makes the partitions' log start offsets durable, with one write for each
// log directory. It gives one error, or nil, for each partition, in the order of tps. DeleteRecords calls
// it before it answers, since the deleted records must not come back after a crash. Concurrent callers
// share a write.
func (s *Store) CheckpointStartOffsets(tps ...protocol.TopicPartition) []error {
	errs := make([]error, len(tps))
	at := make(map[*logDir][]int) // the indexes in tps of a directory's partitions
	s.mu.Lock()
	for i, tp := range tps {
		if p := s.logs[tp]; p != nil {
			at[p.dir] = append(at[p.dir], i)
		} else {
			errs[i] = ErrNoLog
		}
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for d, places := range at {
		wg.Go(func() {
			err := d.starts.do(func() error { return s.writeCheckpoint(d, startOffsetCheckpoint) })
			s.logFailed(d, err)
			for _, i := range places {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errs
}

func (s *Store) checkpointAll(name string) {
	if name == highWatermarkCheckpoint && !s.notices.highWatermarks.Swap(false) {
		return // this checkpoint is due often, and to ask each log would take most of an idle broker's time
	}
	for _, d := range s.online() {
		if err := s.writeCheckpoint(d, name); err != nil {
			s.notices.highWatermarkMoved()
			s.log.Warn("checkpoint is not written", "error", err)
			s.logFailed(d, err)
		}
	}
}

// writeCheckpoint writes one checkpoint of one directory. The entry of a partition that is
// not loaded stays as it is.
func (s *Store) writeCheckpoint(d *logDir, name string) error {
	d.cpMu.Lock()
	defer d.cpMu.Unlock()
	if err := d.check(); err != nil {
		return err
	}
	c := d.checkpoints[name]
	logs := make(map[protocol.TopicPartition]*Log, len(c.entries))
	entries := make(offsets, len(c.entries))
	moves := map[*move]*Log{}
	s.mu.Lock()
	for tp, p := range s.logs {
		switch {
		case p.move != nil && p.move.to == d && p.usableLocked():
			moves[p.move] = p.log
		case p.dir != d || p.gone != nil:
		case p.usableLocked():
			logs[tp] = p.log
		default:
			if offset, ok := c.entries[tp]; ok {
				entries[tp] = offset
			}
		}
	}
	s.mu.Unlock()
	for tp, l := range logs {
		if offset, ok := checkpointed(name, l); ok {
			entries[tp] = offset
		}
	}
	for m, l := range moves {
		if offset, ok := m.checkpointed(name, l); ok {
			entries[m.p.tp] = offset
		}
	}
	if err := c.write(d.fs, entries); err != nil {
		return &DirError{Dir: d.path, Path: c.path, Op: "write", Err: reason(err)}
	}
	return nil
}

// lowerCheckpoints is Options.OffsetsLowered: the log of a partition is being truncated. Mostly the records that are cut
// off are newer than all checkpoints, and it writes none.
func (s *Store) lowerCheckpoints(tp protocol.TopicPartition) error {
	s.mu.Lock()
	p := s.logs[tp] // as it is now: it may have moved
	s.mu.Unlock()
	if p == nil {
		return ErrNoLog
	}
	for _, name := range checkpointKinds {
		if !p.dir.outdated(name, tp, p.log) {
			continue
		}
		if err := s.writeCheckpoint(p.dir, name); err != nil {
			return err
		}
	}
	return nil
}

// outdated says whether a checkpoint on the disk says more of a log than is so.
func (d *logDir) outdated(name string, tp protocol.TopicPartition, l *Log) bool {
	d.cpMu.Lock()
	defer d.cpMu.Unlock()
	c := d.checkpoints[name]
	entry, written := c.entries[tp]
	now, ok := checkpointed(name, l)
	switch {
	case c.unsure:
		return true
	case name == startOffsetCheckpoint:
		return written != ok || ok && entry != now
	case name == recoveryPointCheckpoint: // unsynced indexes of a sealed segment lower it too, which nothing hangs on here
		now = max(now, l.recoveryPoint.Load())
	}
	return written && (!ok || entry > now)
}

// forget removes a partition from the checkpoints of a directory before the Store makes a
// new log of this name. The entries belong to a deleted log, and its recovery point or log
// start offset would hide records of the new log. forget also removes the entries of all
// other partitions that the directory does not hold any more, so that one write removes
// many entries.
func (s *Store) forget(d *logDir, tp protocol.TopicPartition) error {
	d.cpMu.Lock()
	defer d.cpMu.Unlock()
	for _, name := range checkpointKinds {
		c := d.checkpoints[name]
		if _, ok := c.entries[tp]; !ok && !c.unsure {
			continue
		}
		kept := offsets{}
		s.mu.Lock()
		for other, offset := range c.entries {
			if p := s.logs[other]; p != nil && (p.dir == d || p.move != nil && p.move.to == d) && p.gone == nil && other != tp {
				kept[other] = offset
			}
		}
		s.mu.Unlock()
		if err := c.write(d.fs, kept); err != nil {
			return &DirError{Dir: d.path, Path: c.path, Op: "write", Err: reason(err)}
		}
	}
	return nil
}

// checkpointed gives the offset of a log in a checkpoint; ok is false when the log has no entry.
func checkpointed(name string, l *Log) (offset int64, ok bool) {
	switch name {
	case recoveryPointCheckpoint:
		return l.RecoveryPoint(), true
	case highWatermarkCheckpoint:
		return l.HighWatermark(), true
	case cleanerCheckpoint:
		return l.CleanedTo(), l.CleanedTo() >= 0
	}
	// A log whose start offset is the base offset of its first segment needs no entry.
	v := l.snapshot()
	start := max(v.start, l.pendingStart.Load())
	return start, start > v.segments[0].base
}

// retain deletes old segments, but not those of a partition whose log nobody has asked for since
// the start. The Store does not know the topic's configuration then: the partition may have been
// loaded with another one.
func (s *Store) retain() { s.retainLogs(s.usable(func(p *partition) bool { return p.wanted })) }

// retainLogs deletes old segments of these logs. Before it deletes them, it writes the new log start
// offsets to their checkpoint. If a full disk refuses that write, it deletes the segments all the same,
// since that makes room.
func (s *Store) retainLogs(list []*partition) {
	// One call must not delete what the Expire of another call found, before that call has
	// written its checkpoint.
	s.retaining.Lock()
	defer s.retaining.Unlock()
	nowMs := s.deletionMs()
	var expired []*partition
	s.eachLog(list, "retention", func(p *partition) error {
		moved, err := p.log.Expire(nowMs)
		if moved {
			expired = append(expired, p)
		}
		return err
	})
	if len(expired) == 0 {
		return
	}
	s.checkpointAll(startOffsetCheckpoint)
	s.eachLog(expired, "retention", func(p *partition) error {
		segments, bytes, err := p.log.DeleteExpired()
		if segments > 0 {
			s.log.Info("old segments deleted", "partition", p.tp.String(), "segments", segments, "bytes", bytes)
		}
		return err
	})
}

// expireProducers forgets producers that have been silent for too long.
func (s *Store) expireProducers() {
	nowMs := s.deletionMs()
	s.eachLog(s.usable(nil), "expiry of producers", func(p *partition) error {
		p.log.ExpireProducers(nowMs)
		return nil
	})
}
