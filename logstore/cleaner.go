package logstore

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"
)

// CleanerOptions say how compacted logs are compacted (Apache Kafka's
// CleanerConfig). The memory is that of all threads together, in bytes.
type CleanerOptions struct {
	// Threads (log.cleaner.threads) is how many logs are compacted at a time; 0 for
	// no compaction at all (log.cleaner.enable).
	Threads int
	// DedupeBufferBytes (log.cleaner.dedupe.buffer.size) bounds the maps from keys to
	// offsets, LoadFactor (log.cleaner.io.buffer.load.factor) says how much of them is
	// filled. Where a log has more keys it takes several passes. Memory is taken as
	// a pass needs it, and given back when there is nothing to do.
	DedupeBufferBytes int64
	LoadFactor        float64
	// IOBufferBytes (log.cleaner.io.buffer.size) is for reading and writing.
	IOBufferBytes int
	// MaxBytesPerSecond (log.cleaner.io.max.bytes.per.second) bounds what is read and
	// written; 0 for no bound.
	MaxBytesPerSecond float64
	// BackoffMs (log.cleaner.backoff.ms) is how long a thread sleeps when there was
	// nothing to do, and for how long a log is left alone that could not be cleaned.
	BackoffMs int64
}

// DefaultCleanerOptions gives Apache Kafka 3.9's defaults.
func DefaultCleanerOptions() CleanerOptions {
	return CleanerOptions{Threads: 1, DedupeBufferBytes: 128 << 20, LoadFactor: 0.9, IOBufferBytes: 512 << 10, BackoffMs: 15_000}
}

// leastMapBytes is what a pass needs to get anywhere.
const leastMapBytes = 4 * keySlotSize

// check refuses what could never make progress, as Apache's broker does.
func (o *CleanerOptions) check() error {
	if o.Threads <= 0 {
		return nil
	}
	if perThread := o.mapBytes(); perThread < leastMapBytes || float64(perThread/keySlotSize)*o.LoadFactor <= 1 || o.LoadFactor >= 1.0001 {
		return fmt.Errorf("log.cleaner.dedupe.buffer.size=%d over %d threads, filled to %g, does not hold even one key",
			o.DedupeBufferBytes, o.Threads, o.LoadFactor)
	}
	return nil
}

func (o *CleanerOptions) mapBytes() int64 {
	return min(o.DedupeBufferBytes/int64(o.Threads), math.MaxInt32)
}

// cleaner compacts the logs of a Store (LogCleaner with its manager). A log that cannot be
// compacted because of its content is uncleanable until it is opened again, which is
// logged once.
type cleaner struct {
	s *Store

	mu    sync.Mutex
	busy  map[*Log]bool      // guarded by mu; those that are being cleaned
	later map[*Log]time.Time // guarded by mu; those that could not be, and until when they are left alone

	set     sync.Mutex // orders SetCleaner
	stop    chan struct{}
	threads sync.WaitGroup
}

// cleanerCrew is the threads that go by one setting.
type cleanerCrew struct {
	*cleaner
	o        CleanerOptions
	throttle *throttle
	stop     chan struct{} // closed to end the threads
}

// SetCleaner changes how logs are compacted. A cleaning that is under way is
// given up and begun anew. The error is about options that cannot work.
func (s *Store) SetCleaner(o CleanerOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	c := &s.cleaner
	c.set.Lock()
	defer c.set.Unlock()
	c.endThreads()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed || o.Threads <= 0 {
		return nil
	}
	c.stop = make(chan struct{})
	crew := &cleanerCrew{cleaner: c, o: o, throttle: newThrottle(o.MaxBytesPerSecond, s.o.Clock, c.stop), stop: c.stop}
	for range o.Threads {
		c.threads.Go(func() { crew.run(crew.newWork()) })
	}
	return nil
}

// endThreads ends the threads there are, with c.set held.
func (c *cleaner) endThreads() {
	if c.stop != nil {
		close(c.stop)
		c.threads.Wait()
		c.stop = nil
	}
}

// close ends cleaning for good.
func (c *cleaner) close() {
	c.set.Lock()
	defer c.set.Unlock()
	c.endThreads()
}

// newWork makes what a thread keeps.
func (c *cleanerCrew) newWork() *cleanerWork {
	return &cleanerWork{
		mapBytes: c.o.mapBytes(), loadFactor: min(c.o.LoadFactor, 0.999),
		ioBytes: max(c.o.IOBufferBytes/c.o.Threads/2, recordHeaderRoom),
		spend:   c.throttle.spend,
		backoff: c.backoff(), stop: c.stop,
	}
}

// recordHeaderRoom is the least buffer that reading batches' headers takes.
const recordHeaderRoom = 4 << 10

func (c *cleanerCrew) backoff() time.Duration {
	return time.Duration(min(max(c.o.BackoffMs, 1), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// run cleans one log after the other, and sleeps when there is none.
func (c *cleanerCrew) run(work *cleanerWork) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-timer.C:
		}
		wait := time.Duration(0)
		if !c.s.cleanFilthiest(work) {
			work.keys.slots, work.read, work.out = nil, nil, nil
			wait = work.backoff
		}
		c.s.retainLogs(c.s.compacting()) // as Apache's cleaner does at each round
		timer.Reset(wait)
	}
}

// cleanFilthiest cleans the log with the largest dirty part, or where that fails the one
// that comes next, and reports whether it did. A log that could not be cleaned is put off:
// it must not keep the others from it.
func (s *Store) cleanFilthiest(work *cleanerWork) bool {
	nowMs := s.deletionMs()
	tried := map[*Log]bool{}
	for {
		p, c := s.grabFilthiest(s.compacted(), nowMs, tried)
		if p == nil {
			return false
		}
		err := s.cleanGrabbed(work, p, c, nowMs)
		s.cleaner.release(c.log)
		if err == nil {
			return true
		}
		s.cleaningFailed(p, c.log, err)
		select {
		case <-work.stop: // which is why it failed
			return false
		default:
		}
		tried[c.log] = true
		s.cleaner.putOff(c.log, s.o.Clock().Add(work.backoff))
	}
}

// cleanGrabbed cleans a log that was grabbed.
func (s *Store) cleanGrabbed(work *cleanerWork, p *partition, c *cleanable, nowMs int64) error {
	if len(work.read) != work.ioBytes {
		work.read = make([]byte, work.ioBytes)
	}
	c.log.noteCompacted(c)
	s.mu.Lock()
	here := s.logs[p.tp] == p
	s.mu.Unlock()
	if !here { // it has moved since it was listed, and belongs into another directory's checkpoint
		return errCleaningAborted
	}
	// Compaction leaves gaps below the recovery point. Opening the log after a crash must not take them for a loss, so the
	// checkpoints say so before there is one.
	for _, name := range []string{recoveryPointCheckpoint, cleanerCheckpoint} {
		if err := s.writeCheckpoint(p.dir, name); err != nil {
			return err
		}
	}
	stats, err := c.log.clean(c, work, nowMs)
	if err != nil {
		return err
	}
	if err := s.writeCheckpoint(p.dir, cleanerCheckpoint); err != nil {
		return err
	}
	s.cleanerLog.Info("log compacted", "partition", p.tp.String(), "from", stats.From, "to", stats.To,
		"bytes_before", stats.BytesRead, "bytes_after", stats.BytesWritten,
		"records_before", stats.RecordsRead, "records_after", stats.RecordsWritten, "keys", stats.Keys, "map_full", stats.Full)
	if stats.NoKey > 0 {
		s.cleanerLog.Warn("records without a key dropped from a compacted log", "partition", p.tp.String(), "records", stats.NoKey)
	}
	return nil
}

// cleaningFailed logs the error of a cleaning, and takes the directory offline or marks the
// log uncleanable where that is due.
func (s *Store) cleaningFailed(p *partition, l *Log, err error) {
	var dirErr *DirError
	switch {
	case errors.As(err, &dirErr) && passes(err):
		s.warnOfCleaning(p, err)
	case errors.As(err, &dirErr):
		s.cleanerLog.Warn("compaction failed", "partition", p.tp.String(), "error", err)
		s.logFailed(p.dir, err)
	case errors.Is(err, errCleaningAborted), errors.Is(err, ErrClosed), errors.Is(err, errRetired):
		// The log changed or goes; there will be another time.
	default:
		l.uncleanable.Store(true)
		s.cleanerLog.Error("log is uncleanable: it is not compacted before the next start, and keeps growing",
			"partition", p.tp.String(), "error", err)
	}
}

// warnOfCleaning logs now and then that a log waits for room, or for descriptors.
func (s *Store) warnOfCleaning(p *partition, err error) {
	if s.dueToSay(&p.dir.cleaningSaid) {
		s.cleanerLog.Warn("compaction failed and is tried again; other logs are compacted meanwhile", "partition", p.tp.String(), "error", err)
	}
}

// grabFilthiest chooses one of these logs, other than those that were tried or put off, and
// keeps the other threads from it until release.
func (s *Store) grabFilthiest(logs []*partition, nowMs int64, tried map[*Log]bool) (*partition, *cleanable) {
	now := s.o.Clock()
	c := &s.cleaner
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.later, func(_ *Log, until time.Time) bool { return !now.Before(until) })
	var best *partition
	var what cleanable
	for _, p := range logs {
		if _, later := c.later[p.log]; later || c.busy[p.log] || tried[p.log] {
			continue
		}
		x, err := p.log.cleanable(nowMs)
		if err != nil {
			s.cleaningFailed(p, p.log, err)
			continue
		}
		if x.wanted() && (best == nil || x.ratio() > what.ratio()) {
			best, what = p, x
		}
	}
	if best == nil {
		return nil, nil
	}
	c.busy[what.log] = true
	return best, &what
}

// putOff keeps all threads from a log for some time.
func (c *cleaner) putOff(l *Log, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.later == nil {
		c.later = map[*Log]time.Time{}
	}
	c.later[l] = until
}

func (c *cleaner) release(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, l)
}

// compacted lists the logs that are to be compacted and can be, of those whose
// topic's configuration is known.
func (s *Store) compacted() (list []*partition) {
	for _, p := range s.compacting() {
		if !p.log.uncleanable.Load() && !p.log.moving.Load() && p.log.Err() == nil {
			list = append(list, p)
		}
	}
	return list
}

// compacting lists the logs with cleanup.policy=compact that are usable, of those whose topic's
// configuration is known.
func (s *Store) compacting() (list []*partition) {
	logs := s.notices.compacted()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range logs {
		p := s.logs[l.tp]
		if p != nil && !p.isReady() {
			continue
		}
		switch {
		case p == nil || p.log != l:
			s.notices.forgetCompacted(l, true)
		case !l.compact.Load():
			s.notices.forgetCompacted(l, false)
		case p.wanted && p.usableLocked():
			list = append(list, p)
		}
	}
	return list
}

// throttle bounds the bytes per second of all threads together.
type throttle struct {
	clock func() time.Time
	stop  <-chan struct{}

	mu        sync.Mutex
	perSecond float64       // guarded by mu; 0 for no bound
	changed   chan struct{} // guarded by mu; closed when perSecond changes
	free      time.Time     // when what was spent so far is paid for; guarded by mu
}

// throttleBurst is how far a thread may be ahead of the rate.
const throttleBurst = 50 * time.Millisecond

func newThrottle(perSecond float64, clock func() time.Time, stop <-chan struct{}) *throttle {
	return &throttle{perSecond: perSecond, clock: clock, stop: stop, changed: make(chan struct{})}
}

// setRate changes the rate. Who waits by the old one goes on at once.
func (t *throttle) setRate(perSecond float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.perSecond, t.free = perSecond, time.Time{}
	close(t.changed)
	t.changed = make(chan struct{})
}

// throttleStep is how often a thread that waits looks whether it still should.
const throttleStep = 100 * time.Millisecond

// spend takes n bytes and waits until the rate allows them, unless the thread is
// to end (errCleaningAborted) or alive fails.
func (t *throttle) spend(n int, alive func() error) error {
	wait, changed := t.take(n, t.clock())
	for {
		select {
		case <-t.stop:
			return errCleaningAborted
		default:
		}
		if wait <= throttleBurst {
			return nil
		}
		if err := alive(); err != nil {
			return err
		}
		step := min(wait, throttleStep)
		timer := time.NewTimer(step)
		select {
		case <-t.stop:
		case <-changed:
			step = wait
		case <-timer.C:
		}
		timer.Stop()
		wait -= step
	}
}

// take notes n bytes and gives how long they have to wait, and what is closed
// when that is not so any more.
func (t *throttle) take(n int, now time.Time) (wait time.Duration, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.perSecond <= 0 {
		return 0, t.changed
	}
	if t.free.Before(now) {
		t.free = now
	}
	seconds := min(float64(n)/t.perSecond, math.MaxInt32)
	t.free = t.free.Add(time.Duration(seconds * float64(time.Second)))
	return t.free.Sub(now), t.changed
}
