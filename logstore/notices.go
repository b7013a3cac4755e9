package logstore

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// notices is where logs note that they have work for the Store's background. The Store
// need not ask each of ten thousand logs every second.
type notices struct {
	// highWatermarks says that a high watermark moved, or a log was added, since the checkpoint was written.
	highWatermarks atomic.Bool

	mu   sync.Mutex
	logs map[*Log]struct{} // guarded by mu; logs that have failed, or hold records that flush.ms is about
	// compacts are the logs with cleanup.policy=compact, and some that had it once. Guarded by mu.
	compacts map[*Log]struct{}
}

// compact notes that a log is to be compacted.
func (n *notices) compact(l *Log) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.compacts == nil {
		n.compacts = map[*Log]struct{}{}
	}
	n.compacts[l] = struct{}{}
}

// compacted lists the logs that were to be compacted when they were configured.
func (n *notices) compacted() []*Log {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.compacts))
}

// forgetCompacted removes a log that is gone, or that is no longer compacted. A change of
// cleanup.policy adds it again.
func (n *notices) forgetCompacted(l *Log, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if gone || !l.compact.Load() {
		delete(n.compacts, l)
	}
}

// look has the Store look at a log in its next round.
func (n *notices) look(l *Log) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.logs == nil {
		n.logs = map[*Log]struct{}{}
	}
	n.logs[l] = struct{}{}
}

// take gives the logs that are to be looked at, each once for all that asked.
func (n *notices) take() map[*Log]struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	logs := n.logs
	n.logs = nil
	return logs
}

// highWatermarkMoved notes that the checkpoint of high watermarks has to be written.
func (n *notices) highWatermarkMoved() {
	if !n.highWatermarks.Load() { // mostly it is set: what every producer writes, every processor waits for
		n.highWatermarks.Store(true)
	}
}

// unflushed notes that there are records that no sync has made durable, since nowMs unless there were some before.
func (l *Log) unflushed(nowMs int64) {
	if l.unflushedSince.CompareAndSwap(-1, nowMs) && l.flushesByTime() {
		l.notices.look(l)
	}
}

// flushesByTime says whether flush.ms is set.
func (l *Log) flushesByTime() bool { return l.flushMs.Load() < math.MaxInt64 }

// flushDue syncs records that have waited for longer than flush.ms, and reports logs
// that have failed.
func (s *Store) flushDue() {
	nowMs := s.o.Clock().UnixMilli()
	for l := range s.notices.take() {
		if s.isClosing() || s.flushOne(l, nowMs) {
			s.notices.look(l)
		}
	}
}

// flushOne syncs one log if that is due, and says whether it has to be looked at again.
func (s *Store) flushOne(l *Log, nowMs int64) (again bool) {
	s.mu.Lock()
	p := s.logs[l.tp]
	loading := p != nil && !p.isReady()
	mine := p != nil && !loading && p.usableLocked() && p.log == l
	s.mu.Unlock()
	if !mine {
		return loading
	}
	err := l.Err()
	if err == nil && l.FlushDue(nowMs) {
		err = l.Flush(l.EndOffset())
	}
	s.failedAt("flush", p, err)
	return l.Err() == nil && l.flushesByTime() && l.unflushedSince.Load() >= 0
}

// isClosing says whether background work has to end.
func (s *Store) isClosing() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}
