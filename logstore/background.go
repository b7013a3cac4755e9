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

// startBackground starts what runs by the clock until the Store is closed.
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

// dirCheckMs is how often it is looked whether directories are still there, and
// whether a full one has room again.
const dirCheckMs = 1000

// rotCheckMs is how long a part of a sealed segment counts as intact after its CRCs were
// compared.
const rotCheckMs = 600_000

func (s *Store) recheckSegments() {
	for _, l := range s.All() {
		l.RecheckSegments()
	}
}

func (s *Store) checkDirs() {
	s.deletionMs() // so that it sees the clock jump when it does
	for _, d := range s.online() {
		err := d.check()
		if err == nil && d.reserve.spent.Load() {
			if err = s.fillReserve(d); err == nil && !d.reserve.spent.Load() {
				s.log.Info("there is room again; records are taken", "dir", d.path)
			}
		}
		s.logFailed(d, err)
	}
}

// online lists the directories that are.
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

// every runs task after firstMs, or after one interval where that is 0, and then
// each interval. An interval too long for a timer, such as the largest number that
// Kafka's own defaults have for never, is never.
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

// usable lists the usable logs that are meant; nil means all. meant is called with the
// Store locked and must not wait.
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

// eachLog calls f for each log of a list, until the Store is closed. What it
// answers of the disk takes the log's directory offline.
func (s *Store) eachLog(list []*partition, what string, f func(*partition) error) {
	for _, p := range list {
		if s.isClosing() {
			return
		}
		s.failedAt(what, p, f(p))
	}
}

// failedAt logs that a task failed for one log, and takes its directory offline if the disk failed.
func (s *Store) failedAt(task string, p *partition, err error) {
	if err != nil && !errors.Is(err, ErrClosed) {
		s.log.Warn(task+" failed", "partition", p.tp.String(), "error", err)
		s.logFailed(p.dir, err)
	}
}

// Checkpoint writes all checkpoints now.
func (s *Store) Checkpoint() {
	for _, name := range checkpointKinds {
		s.checkpointAll(name)
	}
}

// CheckpointStartOffsets makes the partitions' log start offsets durable, with one write for each
// log directory, and gives an error for each partition. Whoever
// moved them for a client (DeleteRecords) calls this before answering: after a
// crash the deleted records must not come back. Callers share a sync.
func (s *Store) CheckpointStartOffsets(tps ...protocol.TopicPartition) []error {
	errs := make([]error, len(tps))
	at := make(map[*logDir][]int) // where a directory's partitions stand in tps
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
		return // it is written often, and asking each log costs an idle broker most of its time
	}
	for _, d := range s.online() {
		if err := s.writeCheckpoint(d, name); err != nil {
			s.notices.highWatermarkMoved()
			s.log.Warn("checkpoint is not written", "error", err)
			s.logFailed(d, err)
		}
	}
}

// writeCheckpoint writes one checkpoint of one directory. What it holds of a
// partition that is not loaded stays.
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

// forget takes a partition out of a directory's checkpoints before a log of its
// name is made: what they say is of a deleted one, and a recovery point or start
// offset of that would hide records of the new one. Other partitions that are
// here no more go with it, so that this happens once for many.
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

// checkpointed gives what a checkpoint says of a log; ok is false when it says nothing.
func checkpointed(name string, l *Log) (offset int64, ok bool) {
	switch name {
	case recoveryPointCheckpoint:
		return l.RecoveryPoint(), true
	case highWatermarkCheckpoint:
		return l.HighWatermark(), true
	case cleanerCheckpoint:
		return l.CleanedTo(), l.CleanedTo() >= 0
	}
	// A log that starts where its first segment does needs no entry.
	v := l.snapshot()
	start := max(v.start, l.pendingStart.Load())
	return start, start > v.segments[0].base
}

// retain deletes old segments. Of partitions that nobody has asked for since the start the
// topic's configuration is not known: the one that they are loaded with may not be theirs, and
// deletes nothing.
func (s *Store) retain() { s.retainLogs(s.usable(func(p *partition) bool { return p.wanted })) }

// retainLogs deletes old segments of these logs: all logs' starts are made durable in between, which a
// full disk may refuse; deleting is what helps then.
func (s *Store) retainLogs(list []*partition) {
	// What one Expire finds must not be deleted before its own checkpoint is written.
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
