package plan

import (
	"cmp"
	"iter"
	"slices"
)

// state is a cluster while it is planned for. Brokers are named by their index.
type state struct {
	ids    []int32       // by broker: those that are alive first, in the order of their ids
	at     map[int32]int // the index by id
	usable []bool        // by broker: it may get replicas
	rack   []int         // by broker
	room   []int         // by rack: how many usable brokers it has
	parts  []part        // by topic and partition

	replicas []int // by broker
	leaders  []int // by broker: how often it is the first replica
	bytes    []int64

	topic []int // countTopic's
	steps int   // how many moves were considered
}

type part struct {
	Partition
	was, now []int
	fixed    bool
}

func newState(brokers []Broker, partitions []Partition) *state {
	s := &state{at: map[int32]int{}}
	brokers = slices.SortedFunc(slices.Values(brokers), func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	aware := !slices.ContainsFunc(brokers, func(b Broker) bool { return b.Rack == "" })
	racks := map[string]int{}
	for _, b := range brokers {
		if !aware {
			b.Rack = ""
		}
		r, known := racks[b.Rack]
		if !known {
			r = len(racks)
			racks[b.Rack] = r
			s.room = append(s.room, 0)
		}
		s.room[r]++
		s.broker(b.ID, r, true)
	}
	gone := len(s.room) // the last one is the rack of brokers that are not alive
	s.room = append(s.room, 0)
	s.parts = make([]part, len(partitions))
	for i, p := range partitions {
		n := len(p.Replicas)
		both := make([]int, 2*n)
		s.parts[i] = part{Partition: p, was: both[:n:n], now: both[n:], fixed: p.Fixed}
		for j, id := range p.Replicas {
			b, known := s.at[id]
			if !known {
				b = s.broker(id, gone, false)
			}
			s.parts[i].was[j] = b
			s.parts[i].now[j] = b
			s.count(&s.parts[i], b, 1)
		}
		if n > 0 {
			s.leaders[s.parts[i].now[0]]++
		}
	}
	slices.SortFunc(s.parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID)) })
	s.topic = make([]int, len(s.ids))
	return s
}

func (s *state) broker(id int32, rack int, usable bool) int {
	b := len(s.ids)
	s.at[id] = b
	s.ids, s.rack, s.usable = append(s.ids, id), append(s.rack, rack), append(s.usable, usable)
	s.replicas, s.leaders, s.bytes = append(s.replicas, 0), append(s.leaders, 0), append(s.bytes, 0)
	return b
}

// gone says whether a broker is not alive.
func (s *state) gone(b int) bool { return s.rack[b] == len(s.room)-1 }

// lost says whether a replica of a partition can never be in sync where it is, or has to leave there.
func (s *state) lost(p *part, b int) bool {
	return !s.usable[b] || slices.Contains(p.Offline, s.ids[b])
}

// offline counts the brokers that may get replicas, but not of this partition, since its replica there is offline.
func (s *state) offline(p *part) (n int) {
	for _, id := range p.Offline {
		n += as(s.usable[s.at[id]])
	}
	return n
}

// dead are the brokers with a replica of a partition that are not alive, or where it is offline.
func (s *state) dead(p *part) (ids []int32) {
	for _, b := range p.now {
		if s.gone(b) || slices.Contains(p.Offline, s.ids[b]) {
			ids = append(ids, s.ids[b])
		}
	}
	return ids
}

// copyable says whether a replica in sync is on a broker that is alive, and is online.
func (s *state) copyable(p *part) bool {
	return slices.ContainsFunc(p.InSync, func(id int32) bool {
		b, known := s.at[id]
		return known && !s.gone(b) && !slices.Contains(p.Offline, id)
	})
}

func (s *state) count(p *part, b, n int) {
	s.replicas[b] += n
	s.bytes[b] += int64(n) * p.Bytes
}

// replace puts the replica i of a partition on another broker.
func (s *state) replace(p *part, i, to int) {
	s.count(p, p.now[i], -1)
	s.count(p, to, 1)
	if i == 0 {
		s.leaders[p.now[0]]--
		s.leaders[to]++
	}
	p.now[i] = to
}

// lead makes the replica i the first one.
func (s *state) lead(p *part, i int) {
	s.leaders[p.now[0]]--
	s.leaders[p.now[i]]++
	p.now[0], p.now[i] = p.now[i], p.now[0]
}

func (s *state) add(p *part, to int) {
	if len(p.now) == 0 {
		s.leaders[to]++
	}
	p.now = append(p.now, to)
	s.count(p, to, 1)
}

func (s *state) remove(p *part, i int) {
	s.count(p, p.now[i], -1)
	if i == 0 {
		s.leaders[p.now[0]]--
		s.leaders[p.now[1]]++
	}
	p.now = slices.Delete(p.now, i, i+1)
}

// may says whether the replica i of a partition may go to a broker: it has none yet, and the new rack has fewer than the old one.
func (s *state) may(p *part, i, to int) bool {
	s.steps++
	if p.fixed || !s.usable[to] {
		return false
	}
	a, b := s.rack[p.now[i]], s.rack[to]
	inA, inB := 0, 0
	for _, r := range p.now {
		switch {
		case r == to:
			return false
		case s.rack[r] == a:
			inA++
		case s.rack[r] == b:
			inB++
		}
	}
	return a == b || inB < inA
}

// place gives the best broker for the replica i of a partition, or for another replica where i is negative: the rack with the fewest replicas of the
// partition, then the broker with the fewest replicas, then that with the fewest of the topic. It gives -1 where none is left.
func (s *state) place(p *part, i int, topic []int) int {
	best, least := -1, [3]int{}
	for b, usable := range s.usable {
		if !usable || slices.Contains(p.now, b) || slices.Contains(p.Offline, s.ids[b]) {
			continue
		}
		s.steps++
		key := [3]int{0, s.replicas[b], topic[b]}
		for j, r := range p.now {
			if j != i && s.rack[r] == s.rack[b] {
				key[0]++
			}
		}
		if best < 0 || slices.Compare(key[:], least[:]) < 0 {
			best, least = b, key
		}
	}
	return best
}

// leastNeeded gives the replica that goes first: on a dead broker or offline, then out of sync, then not the preferred leader, then in the rack with
// the most, then on the broker with the most.
func (s *state) leastNeeded(p *part) int {
	least, most := 0, [5]int{}
	for i, b := range p.now {
		key := [5]int{as(s.lost(p, b)), as(!slices.Contains(p.InSync, s.ids[b])), as(i > 0), 0, s.replicas[b]}
		for _, r := range p.now {
			key[3] += as(s.rack[r] == s.rack[b])
		}
		if slices.Compare(key[:], most[:]) > 0 {
			least, most = i, key
		}
	}
	return least
}

func as(b bool) int {
	if b {
		return 1
	}
	return 0
}

// topics gives the partitions of each topic.
func (s *state) topics() iter.Seq[[]part] {
	return func(yield func([]part) bool) {
		for from := 0; from < len(s.parts); {
			to := from + 1
			for to < len(s.parts) && s.parts[to].Topic == s.parts[from].Topic {
				to++
			}
			if !yield(s.parts[from:to]) {
				return
			}
			from = to
		}
	}
}

// countTopic counts the replicas of a topic by broker. The next call reuses what it gives.
func (s *state) countTopic(topic []part) []int {
	clear(s.topic)
	for i := range topic {
		for _, b := range topic[i].now {
			s.topic[b]++
		}
	}
	return s.topic
}

// moves are the differences from the beginning.
func (s *state) moves() (all []Move) {
	for i := range s.parts {
		p := &s.parts[i]
		if slices.Equal(p.was, p.now) {
			continue
		}
		m := Move{Topic: p.Topic, Partition: p.ID, From: p.Replicas, Bytes: p.Bytes}
		for _, b := range p.now {
			m.To = append(m.To, s.ids[b])
		}
		all = append(all, m)
	}
	return all
}
