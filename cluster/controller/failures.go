package controller

import (
	"cmp"
	"maps"
	"slices"

	"klamm/cluster/order"
	"klamm/protocol"
)

// Replica is one broker's replica of a partition.
type Replica struct {
	Broker int32
	protocol.TopicPartition
}

// Failures are the orders that brokers could not carry out. They stand in no znode.
type Failures struct {
	// Lead are the replicas that are offline for that, as clients are told.
	Lead map[Replica]FailedLead
	// Stop are topics being deleted of which a broker could not delete a replica yet. It is tried again.
	Stop map[string]FailedStop
}

// FailedLead is a LeaderAndISR that failed.
type FailedLead struct {
	Err error
	// IsNew says that the partition was being created, and neither its log nor its removal from the tree came off.
	IsNew bool
	retry
}

// FailedStop is a StopReplica that failed.
type FailedStop struct{ retry }

// retry says when an order is sent again.
type retry struct {
	// Attempts counts the orders that failed.
	Attempts int
	// DueMs is when the next is due, in ms since 1970; 0 when the answer to one is waited for, or none is to come.
	DueMs int64
}

// The first order that failed for a reason that passes is sent again after firstRetryMs, the next ones after twice the time
// before, up to lastRetryMs.
const (
	firstRetryMs = 100
	lastRetryMs  = 10_000
)

func (r retry) next(nowMs int64) retry {
	wait := int64(lastRetryMs)
	if r.Attempts < 10 {
		wait = min(int64(firstRetryMs)<<r.Attempts, lastRetryMs)
	}
	return retry{Attempts: r.Attempts + 1, DueMs: nowMs + wait}
}

func newFailures() Failures {
	return Failures{Lead: map[Replica]FailedLead{}, Stop: map[string]FailedStop{}}
}

func (f *Failures) clone() *Failures {
	return &Failures{Lead: maps.Clone(f.Lead), Stop: maps.Clone(f.Stop)}
}

// forget drops what failed of a topic's partitions from a number on.
func (f *Failures) forget(topic string, from int32) {
	maps.DeleteFunc(f.Lead, func(r Replica, _ FailedLead) bool { return r.Topic == topic && r.Partition >= from })
}

// nextMs is when the first order is due again, 0 for never.
func (f *Failures) nextMs() (dueMs int64) {
	sooner := func(r retry) {
		if r.DueMs > 0 && (dueMs == 0 || r.DueMs < dueMs) {
			dueMs = r.DueMs
		}
	}
	for _, lead := range f.Lead {
		sooner(lead.retry)
	}
	for _, stop := range f.Stop {
		sooner(stop.retry)
	}
	return dueMs
}

// ordersAnswered takes in what became of a broker's orders.
func (s *State) ordersAnswered(d *Decision, e *OrdersAnswered) {
	var notMade []NotMade
	for i := range e.Lead {
		o, err := &e.Lead[i], errorAt(e.LeadErrs, i)
		r := Replica{e.Broker, o.TopicPartition}
		was, failed := s.Failures.Lead[r]
		if t, _ := s.partition(o.TopicPartition); t == nil || t.ID != o.TopicID {
			continue // deleted meanwhile
		}
		if err == nil {
			if failed {
				delete(s.Failures.Lead, r)
				d.change(o.Topic, o.Partition)
			}
			continue
		}
		now := FailedLead{Err: err, IsNew: o.IsNew, retry: retry{Attempts: was.Attempts + 1}}
		if o.IsNew || order.IsTransient(err) {
			now.retry = was.next(e.NowMs)
		}
		s.Failures.Lead[r] = now
		d.change(o.Topic, o.Partition)
		// A partition that stayed although it was to be taken back may have records by now in the topic's others: from then on
		// its log is tried again, and nothing taken back.
		if o.IsNew && !failed && !slices.ContainsFunc(notMade, func(n NotMade) bool { return n.Name == o.Topic }) {
			notMade = append(notMade, NotMade{Name: o.Topic, From: firstNew(e.Lead, o.Topic), Err: err})
		}
	}
	if notMade != nil {
		d.Next = append(d.Next, &ReplicasNotMade{Broker: e.Broker, Topics: notMade})
	}
	s.stopsAnswered(d, e)
}

// firstNew is the number of the first new partition of a topic among orders.
func firstNew(orders []order.LeaderAndISR, topic string) int {
	first := -1
	for i := range orders {
		if o := &orders[i]; o.Topic == topic && o.IsNew && (first < 0 || int(o.Partition) < first) {
			first = int(o.Partition)
		}
	}
	return first
}

// stopsAnswered removes topics of which nothing is left. One of which something could not be deleted stays marked for
// deletion, until it can be or the broker starts again.
func (s *State) stopsAnswered(d *Decision, e *OrdersAnswered) {
	var topics []string
	errs := map[string]error{}
	for i := range e.Stop {
		name := e.Stop[i].Topic
		if _, seen := errs[name]; !seen {
			topics = append(topics, name)
			errs[name] = nil
		}
		if err := errorAt(e.StopErrs, i); err != nil && !order.IsTransient(errs[name]) {
			errs[name] = err
		}
	}
	stopped := topics[:0]
	for _, name := range topics {
		if err := errs[name]; err == nil {
			stopped = append(stopped, name)
		} else if s.Deleting[name] != nil && order.IsTransient(err) {
			s.Failures.Stop[name] = FailedStop{s.Failures.Stop[name].next(e.NowMs)}
		}
	}
	if len(stopped) > 0 {
		d.Next = append(d.Next, &ReplicasStopped{Broker: e.Broker, Topics: stopped})
	}
}

// retryDue sends the orders again that are due.
func (s *State) retryDue(d *Decision, nowMs int64) {
	leads := slices.SortedFunc(maps.Keys(s.Failures.Lead), func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Broker, b.Broker))
	})
	for _, r := range leads {
		f := s.Failures.Lead[r]
		if f.DueMs == 0 || f.DueMs > nowMs {
			continue
		}
		t, p := s.partition(r.TopicPartition)
		if t == nil || s.Live[r.Broker] == nil || !slices.Contains(p.Replicas.Replicas, r.Broker) {
			delete(s.Failures.Lead, r)
			continue
		}
		f.DueMs = 0
		s.Failures.Lead[r] = f
		d.lead(r.Broker, s.orderOf(t, p, f.IsNew))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Failures.Stop)) {
		f := s.Failures.Stop[name]
		if f.DueMs == 0 || f.DueMs > nowMs {
			continue
		}
		t := s.Topics[name]
		if t == nil || s.Deleting[name] == nil {
			delete(s.Failures.Stop, name)
			continue
		}
		f.DueMs = 0
		s.Failures.Stop[name] = f
		s.beginDeletion(d, t)
	}
}

// resumeDeletions has deletions go on that were under way when the state was read again: it does not say how far they came.
func (s *State) resumeDeletions(nowMs int64) {
	for name := range s.Deleting {
		if s.Failures.Stop[name].DueMs == 0 {
			s.Failures.Stop[name] = FailedStop{s.Failures.Stop[name].next(nowMs)}
		}
	}
}

// partition finds a partition that was led before and is not being deleted, nil if there is none.
func (s *State) partition(tp protocol.TopicPartition) (*Topic, *Partition) {
	t := s.Topics[tp.Topic]
	if t == nil || s.Deleting[tp.Topic] != nil || tp.Partition < 0 || int(tp.Partition) >= len(t.Partitions) {
		return nil, nil
	}
	p := &t.Partitions[tp.Partition]
	if p.Version < 0 {
		return nil, nil
	}
	return t, p
}

// errorAt is the error for the i-th order.
func errorAt(errs []error, i int) error {
	if i < len(errs) {
		return errs[i]
	}
	return nil
}
