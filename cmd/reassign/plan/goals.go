package plan

import (
	"cmp"
	"slices"
)

// spreadRacks moves replicas from racks with several of a partition to racks that lack one.
func (s *state) spreadRacks() {
	in := make([]int, len(s.room))
	for i := range s.parts {
		p := &s.parts[i]
		for !p.fixed {
			clear(in)
			for _, b := range p.now {
				in[s.rack[b]]++
			}
			least := -1
			for r, n := range in {
				if n < s.room[r] && (least < 0 || n < in[least]) {
					least = r
				}
			}
			from := 0 // a replica in the rack with the most, on the broker with the most
			for j, b := range p.now {
				a := p.now[from]
				if cmp.Or(cmp.Compare(in[s.rack[b]], in[s.rack[a]]), cmp.Compare(s.replicas[b], s.replicas[a])) > 0 {
					from = j
				}
			}
			if least < 0 || in[s.rack[p.now[from]]] < in[least]+2 {
				break
			}
			to := -1
			for b := range s.ids {
				if s.rack[b] == least && s.may(p, from, b) && (to < 0 || s.replicas[b] < s.replicas[to]) {
					to = b
				}
			}
			s.replace(p, from, to)
		}
	}
}

// targets shares what brokers have evenly among some of them. Those that have the most get what is left over, so that the least moves.
func (s *state) targets(count []int, among []int) []int {
	total := 0
	for _, b := range among {
		total += count[b]
	}
	target := slices.Clone(count)
	for i, b := range slices.SortedStableFunc(slices.Values(among), func(a, b int) int { return cmp.Compare(count[b], count[a]) }) {
		target[b] = total/len(among) + as(i < total%len(among))
	}
	return target
}

// alive are the brokers that may get replicas, of one rack or, if it is negative, of all.
func (s *state) alive(rack int) (all []int) {
	for b, usable := range s.usable {
		if usable && (rack < 0 || s.rack[b] == rack) {
			all = append(all, b)
		}
	}
	return all
}

// spreadReplicas evens out how many replicas brokers have. First replicas go straight from brokers with more than their share to brokers with less, which
// is the fewest that can move: first those of topics that the giver has many of. Where racks stand in the way, shares within each rack follow, and
// then moves over several brokers.
func (s *state) spreadReplicas() {
	for rack := -1; rack < len(s.room); rack++ {
		among := s.alive(rack)
		if len(among) == 0 {
			continue
		}
		target := s.targets(s.replicas, among)
		s.shift(target, among, true)
		s.shift(target, among, false)
	}
	s.even(exchange{
		count: s.replicas,
		each: func(visit func(step)) {
			for i := range s.parts {
				p := &s.parts[i]
				for j, from := range p.now {
					for to := range s.ids {
						if s.may(p, j, to) {
							visit(step{p, j, from, to, as(!slices.Contains(p.was, to)) - as(!slices.Contains(p.was, from))})
						}
					}
				}
			}
		},
		do:   func(st step) bool { return st.part.now[st.i] == st.from && s.may(st.part, st.i, st.to) },
		move: func(p *part, i, to int) { s.replace(p, i, to) },
	})
}

// shift moves replicas from brokers above their targets to brokers below, each to the one that has the fewest of its topic. With crowded it takes only
// those of topics that the giver has more of than the average.
func (s *state) shift(target, among []int, crowded bool) {
	var below []int
	for _, b := range among {
		if s.replicas[b] < target[b] {
			below = append(below, b)
		}
	}
	for topic := range s.topics() {
		if len(below) == 0 {
			return
		}
		counts, total := s.countTopic(topic), 0
		for _, n := range counts {
			total += n
		}
		for j := range topic {
			p := &topic[j]
			for i, from := range p.now {
				if s.replicas[from] <= target[from] || crowded && counts[from]*len(among) <= total {
					continue
				}
				to := -1
				for _, b := range below {
					if (to < 0 || cmp.Or(cmp.Compare(counts[b], counts[to]), cmp.Compare(s.replicas[b], s.replicas[to])) < 0) && s.may(p, i, b) {
						to = b
					}
				}
				if to < 0 {
					continue
				}
				counts[from]--
				counts[to]++
				s.replace(p, i, to)
				if s.replicas[to] == target[to] {
					below = slices.DeleteFunc(below, func(b int) bool { return b == to })
				}
			}
		}
	}
}

// spreadLeaders evens out how often brokers are the first replica, by the order of replicas alone.
func (s *state) spreadLeaders() {
	among := s.alive(-1)
	target := s.targets(s.leaders, among)
	for i := range s.parts {
		p := &s.parts[i]
		for j := 1; j < len(p.now) && !p.fixed; j++ {
			s.steps++
			from, to := p.now[0], p.now[j]
			if s.usable[to] && s.leaders[from] > target[from] && s.leaders[to] < target[to] {
				s.lead(p, j)
			}
		}
	}
	s.even(exchange{
		count: s.leaders,
		each: func(visit func(step)) {
			for i := range s.parts {
				p := &s.parts[i]
				for j := 1; j < len(p.now) && !p.fixed; j++ {
					s.steps++
					if from, to := p.now[0], p.now[j]; s.usable[to] {
						visit(step{p, j, from, to, as(to != p.was[0]) - as(from != p.was[0])})
					}
				}
			}
		},
		do:   func(st step) bool { return st.part.now[0] == st.from && st.part.now[st.i] == st.to },
		move: func(p *part, i, _ int) { s.lead(p, i) },
	})
}

// tolerance is how far the bytes of a broker may be from the average: one part in so many.
const tolerance = 10

// spreadBytes evens out the bytes of brokers. Each move brings two brokers nearer to each other. With keepReplicas, brokers have
// equally many replicas afterwards if they had before: where a move would change that, the smallest replica of the receiver goes back.
func (s *state) spreadBytes(keepReplicas bool) {
	among := s.alive(-1)
	total := int64(0)
	for _, b := range among {
		total += s.bytes[b]
	}
	if total == 0 {
		return
	}
	average := total / int64(len(among))
	on := make([][]*part, len(s.ids)) // the largest first
	for i := range s.parts {
		if p := &s.parts[i]; !p.fixed && p.Bytes > 0 || keepReplicas && !p.fixed {
			for _, b := range p.now {
				on[b] = append(on[b], p)
			}
		}
	}
	for _, parts := range on {
		slices.SortStableFunc(parts, func(a, b *part) int { return cmp.Compare(b.Bytes, a.Bytes) })
	}
	stuck := make([]bool, len(s.ids)*len(s.ids))
	for {
		from, to := -1, -1
		for _, a := range among { // the two that are farthest apart, of which one is off the average
			for _, b := range among {
				off := s.bytes[a] > average+average/tolerance || s.bytes[b] < average-average/tolerance
				if off && s.bytes[a] > s.bytes[b] && !stuck[a*len(s.ids)+b] && (from < 0 || s.bytes[a]-s.bytes[b] > s.bytes[from]-s.bytes[to]) {
					from, to = a, b
				}
			}
		}
		if from < 0 {
			return
		}
		if !s.moveBytes(on, from, to, average, keepReplicas) {
			stuck[from*len(s.ids)+to] = true
		}
	}
}

// moveBytes moves the largest replica from one broker to another that leaves the giver above the average and the receiver below, or else the smallest
// that brings them nearer to each other. It says whether there was one.
func (s *state) moveBytes(on [][]*part, from, to int, average int64, keepReplicas bool) bool {
	var chosen, back *part
	gap := s.bytes[from] - s.bytes[to]
	fits := min(s.bytes[from]-average, average-s.bytes[to])
	for _, p := range on[from] {
		i := slices.Index(p.now, from)
		if p.Bytes == 0 || !s.may(p, i, to) {
			continue
		}
		var q *part
		if keepReplicas && s.replicas[from] <= s.replicas[to] {
			for _, r := range slices.Backward(on[to]) {
				if r != p && s.may(r, slices.Index(r.now, to), from) {
					q = r
					break
				}
			}
			if q == nil {
				continue
			}
		}
		gain := p.Bytes
		if q != nil {
			gain -= q.Bytes
		}
		if gain <= 0 || gain >= gap {
			continue
		}
		chosen, back = p, q
		if gain <= fits {
			break
		}
	}
	if chosen == nil {
		return false
	}
	s.carry(on, chosen, from, to)
	if back != nil {
		s.carry(on, back, to, from)
	}
	return true
}

// carry moves a replica and keeps the lists of replicas by broker in order.
func (s *state) carry(on [][]*part, p *part, from, to int) {
	s.replace(p, slices.Index(p.now, from), to)
	on[from] = slices.DeleteFunc(on[from], func(q *part) bool { return q == p })
	i, _ := slices.BinarySearchFunc(on[to], p, func(a, b *part) int { return cmp.Compare(b.Bytes, a.Bytes) })
	on[to] = slices.Insert(on[to], i, p)
}
