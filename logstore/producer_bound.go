package logstore

import (
	"cmp"
	"log/slog"
	"slices"
	"sync/atomic"
)

// A client can invent producer ids at no cost, but the log keeps each in memory and in every snapshot until it expires.
// Therefore klamm bounds the number of producers, for each log and for all logs of a Store. A log first forgets the
// producers that have written nothing for longest. When a forgotten producer comes back, the log treats it as Apache Kafka
// 3.9.2 does after producer.id.expiration.ms: as a new producer, whose first batch may have any sequence (KIP-360). If the
// producer sends an old batch again, the log stores the batch again.
//
// A log does not forget a producer with an open transaction, since it would lose the offset at which that transaction begins.

// ProducerBudget bounds the producers that the logs of a Store know together.
type ProducerBudget struct {
	max    int64
	logger *slog.Logger // gets a line when producers are forgotten
	known  atomic.Int64
	over   chan struct{} // holds an element when the logs know too many producers
}

// NewProducerBudget makes a budget of max producers; 0 or less means no bound. logger gets a line whenever producers are forgotten.
func NewProducerBudget(max int, logger *slog.Logger) *ProducerBudget {
	return &ProducerBudget{max: int64(max), logger: logger, over: make(chan struct{}, 1)}
}

// Known gives how many producers the logs know now.
func (b *ProducerBudget) Known() int { return int(b.known.Load()) }

// add changes the count by n. If the count is above max then, it asks the Store to forget producers.
func (b *ProducerBudget) add(n int) {
	if b == nil || b.known.Add(int64(n)) <= b.max || b.max <= 0 || n <= 0 {
		return
	}
	select {
	case b.over <- struct{}{}:
	default:
	}
}

// spent reports whether the count is so far above max that a log must make room itself, since the Store cannot keep up.
func (b *ProducerBudget) spent() bool {
	return b != nil && b.max > 0 && b.known.Load() >= b.max+b.max/forgetShare+1
}

// forgetShare says how many producers are forgotten at once: one in forgetShare. A search for the oldest producers has to look at
// all of them, so one search makes room for many.
const forgetShare = 10

// joinBudget makes the budget count the producers, until leaveBudget.
func (s *producers) joinBudget(b *ProducerBudget) {
	s.budget = b
	b.add(len(s.byID))
}

func (s *producers) leaveBudget() {
	s.budget.add(-len(s.byID))
	s.budget = nil
}

// keep adds a producer with an empty state. If there is no room for it, keep first forgets the oldest producers.
func (s *producers) keep(id int64) *producer {
	switch n := len(s.byID); {
	case s.max > 0 && n >= s.max:
		s.forgetOldest(n - s.max + 1 + s.max/forgetShare)
	case n > 0 && s.budget.spent():
		s.forgetOldest(1 + n/forgetShare)
	}
	p := newProducer()
	s.byID[id] = p
	s.budget.add(1)
	return p
}

func (s *producers) forget(id int64) {
	delete(s.byID, id)
	s.budget.add(-1)
}

// replace puts the producers in byID in place of the present ones. If byID has more than max, it forgets the oldest.
func (s *producers) replace(byID map[int64]*producer) {
	s.budget.add(len(byID) - len(s.byID))
	s.byID = byID
	if s.max > 0 {
		s.forgetOldest(len(byID) - s.max)
	}
}

// use is the time, in ms, at which a producer last wrote. The offset of its last batch orders producers with the same time.
type use struct{ ms, offset int64 }

func (a use) compare(b use) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.offset, b.offset))
}

// lastUse gives when the producer last wrote. For a producer that was read from a snapshot only the batch's timestamp is known.
func (p *producer) lastUse() use {
	if p.seenMs == 0 {
		return use{max(p.lastTimestamp, 0), p.last().lastOffset}
	}
	return use{p.seenMs, p.last().lastOffset}
}

// forgetOldest forgets the n producers that have written nothing for longest.
func (s *producers) forgetOldest(n int) {
	if n <= 0 {
		return
	}
	limit, forgotten := newest(s.uses(nil), n), 0
	for id, p := range s.byID {
		if p.txnFirstOffset < 0 && p.lastUse().compare(limit) <= 0 {
			s.forget(id)
			forgotten++
		}
	}
	if s.budget != nil {
		s.budget.logger.Warn("the partition has too many producers, and forgets those that wrote nothing for longest",
			"partition", s.name, "forgotten", forgotten, "known", len(s.byID), "property", "klamm.producer.ids.max.per.partition")
	}
}

// uses appends the last use of each producer that may be forgotten.
func (s *producers) uses(list []use) []use {
	for _, p := range s.byID {
		if p.txnFirstOffset < 0 {
			list = append(list, p.lastUse())
		}
	}
	return list
}

// newest gives the latest of the n earliest uses in list. It sorts list.
func newest(list []use, n int) use {
	if len(list) == 0 {
		return use{-1, -1}
	}
	slices.SortFunc(list, use.compare)
	return list[min(n, len(list))-1]
}

// boundProducers forgets producers whenever all logs together know too many. It runs until the Store is closed.
func (s *Store) boundProducers() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.producers.over:
			s.forgetProducers(s.producers.Known() - int(s.producers.max-s.producers.max/forgetShare))
		}
	}
}

// forgetProducers forgets, among the producers of all logs, the n that have written nothing for longest.
func (s *Store) forgetProducers(n int) {
	if n <= 0 {
		return
	}
	list := s.usable(nil)
	var all []use
	for _, p := range list {
		p.log.mu.Lock()
		all = p.log.producers.uses(all)
		p.log.mu.Unlock()
	}
	limit := newest(all, n)
	forgotten := 0
	for _, p := range list {
		forgotten += p.log.forgetProducers(limit, n-forgotten)
	}
	s.producers.logger.Warn("the broker knows too many producers, and forgets those that wrote nothing for longest",
		"forgotten", forgotten, "known", s.producers.Known(), "property", "klamm.producer.ids.max")
}

// forgetProducers forgets at most n producers that wrote no later than limit.
func (l *Log) forgetProducers(limit use, n int) (forgotten int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, p := range l.producers.byID {
		if forgotten < n && p.txnFirstOffset < 0 && p.lastUse().compare(limit) <= 0 {
			l.producers.forget(id)
			forgotten++
		}
	}
	return forgotten
}
