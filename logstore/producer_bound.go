package logstore

import (
	"cmp"
	"log/slog"
	"slices"
	"sync/atomic"
)

// A client invents producer ids for nothing, but each takes memory and a place in every snapshot until it expires. Therefore
// the number of producers is bounded, for each log and for all logs of a Store. The log forgets first those producers that have written
// nothing for longest. When a forgotten producer comes back, the log treats it as Apache Kafka 3.9.2 does after
// producer.id.expiration.ms: as a new producer, whose first batch may have any sequence (KIP-360). A batch that it sends
// again is stored again.
//
// A producer with an open transaction is not forgotten, since the log could not tell any more where that transaction begins.

// ProducerBudget bounds the producers that the logs of a Store know together.
type ProducerBudget struct {
	max    int64
	logger *slog.Logger // gets a line when producers are forgotten
	known  atomic.Int64
	over   chan struct{} // holds an element when there are too many
}

// NewProducerBudget makes a budget of max producers; 0 and less stand for no bound. logger gets a line whenever producers are forgotten.
func NewProducerBudget(max int, logger *slog.Logger) *ProducerBudget {
	return &ProducerBudget{max: int64(max), logger: logger, over: make(chan struct{}, 1)}
}

// Known gives how many producers the logs know now.
func (b *ProducerBudget) Known() int { return int(b.known.Load()) }

// add changes the count by n, and asks the Store to forget some when there are too many.
func (b *ProducerBudget) add(n int) {
	if b == nil || b.known.Add(int64(n)) <= b.max || b.max <= 0 || n <= 0 {
		return
	}
	select {
	case b.over <- struct{}{}:
	default:
	}
}

// spent reports whether the count is so far above max that logs must make room themselves: the Store cannot keep up.
func (b *ProducerBudget) spent() bool {
	return b != nil && b.max > 0 && b.known.Load() >= b.max+b.max/forgetShare+1
}

// forgetShare is the share of a bound that is forgotten at once: one in ten. To find the oldest producers means to look at all of
// them, so they are not looked for each time.
const forgetShare = 10

// joinBudget counts the producers in a budget from here on; leaveBudget ends that.
func (s *producers) joinBudget(b *ProducerBudget) {
	s.budget = b
	b.add(len(s.byID))
}

func (s *producers) leaveBudget() {
	s.budget.add(-len(s.byID))
	s.budget = nil
}

// keep adds a producer without a state, and first makes room for it where there is none.
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

// replace puts other producers in place of all. Of those it keeps as many as max allows.
func (s *producers) replace(byID map[int64]*producer) {
	s.budget.add(len(byID) - len(s.byID))
	s.byID = byID
	if s.max > 0 {
		s.forgetOldest(len(byID) - s.max)
	}
}

// use is the time, in ms, at which a producer wrote last, with the offset of its last batch to order those of the same ms.
type use struct{ ms, offset int64 }

func (a use) compare(b use) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.offset, b.offset))
}

// lastUse gives when the producer wrote last. Of one that was read from a snapshot only the timestamp is known.
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

// newest gives the latest of the n earliest uses. It sorts list.
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

// forgetProducers forgets, of the producers of all logs, the n that have written nothing for longest.
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
