package plan

import (
	"cmp"
	"slices"
)

// exchange is something that brokers have a count of, replicas or leaderships, and that goes from one to another in single steps.
type exchange struct {
	count []int
	each  func(visit func(step))   // every step that is possible now
	do    func(step) bool          // says whether a step is still possible
	move  func(p *part, i, to int) // takes a step, and takes it back
}

// step moves the replica i of a partition, or the leadership to the replica i, from one broker to another. It costs 1 if it leaves where it was in the
// beginning, and -1 if it returns there.
type step struct {
	part     *part
	i        int
	from, to int
	cost     int
}

// far is more than any path costs.
const far = 1 << 30

// choices are the cheapest steps from one broker to another, at most maxChoices of them. They cost the same.
type choices []step

const maxChoices = 64

// even evens counts out over paths of steps: from a broker that has at least two more than another, to that one, each broker on the way passing on what it
// gets. It ends when no such path is left.
func (s *state) even(x exchange) {
	n := len(s.ids)
	order := s.alive(-1)
	for progress := len(order) > 0; progress; {
		progress = false
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x.count[b], x.count[a]) })
		if x.count[order[0]]-x.count[order[len(order)-1]] <= 1 {
			return
		}
		between := make([]choices, n*n)
		x.each(func(st step) {
			c := &between[st.from*n+st.to]
			if len(*c) > 0 && st.cost < (*c)[0].cost {
				*c = (*c)[:0]
			}
			if len(*c) == 0 || len(*c) < maxChoices && st.cost == (*c)[0].cost {
				*c = append(*c, st)
			}
		})
		for _, from := range order {
			for x.count[from]-lowest(x.count, order) > 1 {
				path := s.cheapest(x.count, between, from)
				if len(path) == 0 {
					break
				}
				if s.follow(x, between, path) {
					progress = true
				}
			}
		}
	}
}

// lowest is the lowest count of some brokers.
func lowest(count, of []int) int {
	least := count[of[0]]
	for _, b := range of {
		least = min(least, count[b])
	}
	return least
}

// cheapest gives the path from a broker to the one with the lowest count that it can reach, and of these the cheapest path (Bellman and Ford), as the
// brokers on the way. Where steps back make a circle that costs less than nothing, it counts steps instead.
func (s *state) cheapest(count []int, between []choices, from int) []int {
	path, circle := s.search(count, between, from, func(c choices) int { return c[0].cost })
	if circle {
		path, _ = s.search(count, between, from, func(choices) int { return 1 })
	}
	return path
}

func (s *state) search(count []int, between []choices, from int, price func(choices) int) (path []int, circle bool) {
	n := len(s.ids)
	cost, by := make([]int, n), make([]int, n)
	for b := range cost {
		cost[b], by[b] = far, -1
	}
	cost[from] = 0
	for pass, changed := 0, true; changed; pass++ {
		if pass == n {
			return nil, true
		}
		changed = false
		for a := range n {
			if cost[a] == far {
				continue
			}
			for b, c := range between[a*n : a*n+n] {
				s.steps++
				if len(c) > 0 && cost[a]+price(c) < cost[b] {
					cost[b], by[b], changed = cost[a]+price(c), a, true
				}
			}
		}
	}
	to := -1
	for b := range n {
		if b == from || cost[b] == far || count[from]-count[b] < 2 {
			continue
		}
		if to < 0 || cmp.Or(cmp.Compare(count[b], count[to]), cmp.Compare(cost[b], cost[to])) < 0 {
			to = b
		}
	}
	if to < 0 {
		return nil, false
	}
	for b := to; b != from; b = by[b] {
		path = append(path, b)
	}
	path = append(path, from)
	slices.Reverse(path)
	return path, false
}

// follow takes a path as often as it pays. It says whether it did at all; if not, one of the brokers on the way has no choice left.
func (s *state) follow(x exchange, between []choices, path []int) (done bool) {
	from, to := path[0], path[len(path)-1]
	for x.count[from]-x.count[to] > 1 {
		if !s.take(x, between, path) {
			return done
		}
		done = true
	}
	return done
}

// take takes one step from each broker of a path to the next, or none.
func (s *state) take(x exchange, between []choices, path []int) bool {
	var taken []step
	for i, to := range path[1:] {
		c := &between[path[i]*len(s.ids)+to]
		found := false
		for len(*c) > 0 && !found {
			st := (*c)[len(*c)-1]
			*c = (*c)[:len(*c)-1]
			if found = x.do(st); found {
				x.move(st.part, st.i, st.to)
				taken = append(taken, st)
			}
		}
		if !found {
			for _, st := range slices.Backward(taken) {
				x.move(st.part, st.i, st.from)
			}
			return false
		}
	}
	return true
}
