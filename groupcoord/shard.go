package groupcoord

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// shard is a partition of __consumer_offsets that this broker leads, and the groups that belong in it: those whose id hashes to it
// (Coordinator.PartitionOf).
type shard struct {
	c         *Coordinator
	partition int32
	epoch     int32
	log       Log
	state     atomic.Int32
	quit      chan struct{} // closed when the state is gone
	begun     time.Time     // when reading it began

	// Guarded by Coordinator.mu.
	loaded  *replay      // the records, from when all are read until the groups are served; nil before and after
	deleted []Partitions // deleted while this partition was being read

	// strays are groups that were found here although another partition is their home (place.go), while this broker does not serve that.
	// Guarded by Coordinator.placing.
	strays []*group

	mu     sync.Mutex
	groups map[string]*entry // guarded by mu
}

func (c *Coordinator) newShard(partition, epoch int32, log Log) *shard {
	return &shard{c: c, partition: partition, epoch: epoch, log: log, groups: map[string]*entry{}, quit: make(chan struct{}), begun: c.o.Now()}
}

// The states of a shard. It goes through some of them, in this order.
const (
	loading     = iota // its records are being read
	unavailable        // reading them failed, and is tried again
	active             // its groups are served
	gone               // another broker leads it, or none
)

// entry is a group and what the shard needs to handle it.
type entry struct {
	s  *shard
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
	e := &entry{s: s, group: g, fires: never}
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

// run hands an event to a group, writes what the event wants written, and gives its answers.
func (s *shard) run(e *entry, event func(*effects)) {
	out := s.c.event()
	e.mu.Lock()
	size := e.size()
	event(&out)
	s.writeAllLocked(e, &out)
	s.armLocked(e, out.tickMs)
	s.c.bytes.Add(e.size() - size)
	if len(e.changed) > 0 {
		s.c.topics.update(e)
	}
	dead := e.state == Dead
	if dead {
		s.c.topics.remove(e)
	}
	e.mu.Unlock()
	if dead {
		s.remove(e)
	}
	for _, l := range out.logs { // before the answers, so that lines about what the client does next come later
		l.write(s.c.o.Logger)
	}
	for _, e := range out.events {
		s.c.o.Observer.Tell(s.c.o.Logger, e)
	}
	for _, answer := range out.answers {
		answer()
	}
}

// remove takes out a group that is dead.
func (s *shard) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[e.id] == e {
		delete(s.groups, e.id)
		s.c.bytes.Add(-e.size())
	}
}

// armLocked sets the group's timer. Most events put off when the group wants to be woken: the timer is left as it is then,
// and the group is asked again when it fires.
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
