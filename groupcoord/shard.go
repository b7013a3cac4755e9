package groupcoord

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"klamm/protocol/batch"
)

// shard is a partition of __consumer_offsets that this broker leads, and the groups whose records are in it.
type shard struct {
	c         *Coordinator
	partition int32
	epoch     int32
	log       Log
	state     atomic.Int32

	mu     sync.Mutex
	groups map[string]*entry // guarded by mu
}

// The states of a shard; they only go up.
const (
	loading = iota // its records are being read
	active
	gone // another broker leads it, or none
)

// entry is a group and what the shard needs to handle it.
type entry struct {
	mu sync.Mutex
	*group
	fires int64 // tick at which the timer fires; never when it does not
	stop  func() bool
}

// find gives a group, nil if there is none and none is to be made.
func (s *shard) find(id string, create bool) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.groups[id]
	if e == nil && create {
		e = s.addLocked(newGroup(&s.c.o.Config, id, s.c.o.Now().UnixMilli()))
	}
	return e
}

func (s *shard) addLocked(g *group) *entry {
	e := &entry{group: g, fires: never}
	s.groups[g.id] = e
	s.c.bytes.Add(g.size())
	if s.state.Load() == gone {
		g.state = Dead
	}
	return e
}

// all lists the groups.
func (s *shard) all() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*entry, 0, len(s.groups))
	for _, e := range s.groups {
		list = append(list, e)
	}
	return list
}

// run hands an event to a group and sees to what comes of it.
func (s *shard) run(e *entry, event func(*effects)) {
	out := s.c.event()
	e.mu.Lock()
	size := e.size()
	event(&out)
	for len(out.writes) > 0 {
		w := out.writes[0]
		out.writes = out.writes[1:]
		s.writeLocked(e, w, &out)
	}
	s.armLocked(e, out.tickMs)
	s.c.bytes.Add(e.size() - size)
	dead := e.state == Dead
	e.mu.Unlock()
	if dead {
		s.remove(e)
	}
	for _, answer := range out.answers {
		answer()
	}
	for _, l := range out.logs {
		l.write(s.c.o.Logger)
	}
}

// remove takes out a group that is no more.
func (s *shard) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[e.id] == e {
		delete(s.groups, e.id)
		s.c.bytes.Add(-e.size())
	}
}

// builders are used again: most batches are small and all alike.
var builders = sync.Pool{New: func() any { return batch.NewBuilder(batch.None) }}

// writeLocked appends what a group wants written, and tells it when it counts.
func (s *shard) writeLocked(e *entry, w write, out *effects) {
	b := builders.Get().(*batch.Builder)
	b.Codec = s.c.o.Config.Codec
	b.Reset()
	for _, r := range w.records {
		b.Add(out.nowMs, r.key, r.value)
	}
	data, err := b.AppendTo(make([]byte, 0, b.Size()))
	builders.Put(b)
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
	switch {
	case err != nil && wait == nil:
		s.c.o.Logger.Warn("a group's record is not written", "group", e.id, "records", len(w.records), "error", err)
	case wait == nil:
	case err != nil || committed:
		w.done(base, err, out)
	default:
		if w.pending != nil {
			w.pending()
		}
		wait.begin(base)
	}
}

// commitWait is records that are in the log and do not count yet.
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

// committed is told once what became of the records; what it is told then, counts. Who calls it may hold locks.
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

// armLocked sees to it that the group is woken when it wants to be. Most events put that off: the timer is left as it is
// then, and the group asked again when it fires.
func (s *shard) armLocked(e *entry, tickMs int64) {
	if e.wakeMs >= e.fires && e.state != Dead {
		return
	}
	if e.stop != nil {
		e.stop()
	}
	if e.fires = e.wakeMs; e.fires == never {
		return
	}
	wait := min(max(e.wakeMs-tickMs, 0), math.MaxInt64/int64(time.Millisecond))
	e.stop = s.c.o.After(time.Duration(wait)*time.Millisecond, func() { s.wake(e) })
}

// wake is what a group's timer calls.
func (s *shard) wake(e *entry) {
	s.run(e, func(out *effects) {
		e.fires = never
		e.wake(out)
	})
}
