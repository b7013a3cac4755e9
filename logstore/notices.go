package logstore

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// notices is what logs tell their Store, so that it need not ask each of ten thousand every
// second whether there is something to do.
type notices struct {
	// highWatermarks says that a high watermark has moved, or a log has come, since they were written last.
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

// forgetCompacted takes out a log that is gone, or to be compacted no more: it is noted anew
// behind the change that says otherwise.
func (n *notices) forgetCompacted(l *Log, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if gone || !l.compact.Load() {
		delete(n.compacts, l)
	}
}

// look asks the Store to look at a log when it looks next.
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

// highWatermarkMoved is told when there is something to write.
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

// flushDue makes durable what waits for longer than flush.ms, and notices logs
// that have failed.
func (s *Store) flushDue() {
	nowMs := s.o.Clock().UnixMilli()
	for l := range s.notices.take() {
		if s.isClosing() || s.flushOne(l, nowMs) {
			s.notices.look(l)
		}
	}
}

// flushOne does for one log what is due, and reports whether something will be.
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

// isClosing says that background work is to end.
func (s *Store) isClosing() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}
