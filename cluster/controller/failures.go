package controller

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"klamm/cluster/order"
)

// failures are the orders that brokers could not carry out. They stand in no znode.
type failures struct {
	// lead are the replicas that are offline for that: their log directory failed, or their log could not be made or opened.
	lead map[Replica]failure
	// stop are replicas of topics being deleted that could not be deleted yet, for a reason that passes.
	stop map[Replica]failure
}

// failure is an order that failed.
type failure struct {
	err error
	// attempts counts the orders that failed.
	attempts int
	// dueMs is when it is given again, by Controller.now; 0 when the answer to one is waited for, or none is to come.
	dueMs int64
	// isNew says that the replica was new and has not been created since.
	isNew bool
}

// The first order that failed for a reason that passes is given again after firstRetryMs, the next ones after twice the time
// before, up to lastRetryMs.
const (
	firstRetryMs = 100
	lastRetryMs  = 10_000
)

// next is the failure after one more attempt.
func (f failure) next(err error, nowMs int64, again bool) failure {
	next := failure{err: err, attempts: f.attempts + 1}
	if again {
		wait := int64(lastRetryMs)
		if f.attempts < 10 {
			wait = min(int64(firstRetryMs)<<f.attempts, lastRetryMs)
		}
		next.dueMs = nowMs + wait
	}
	return next
}

func newFailures() failures {
	return failures{lead: map[Replica]failure{}, stop: map[Replica]failure{}}
}

func (f *failures) has(r Replica) bool { _, failed := f.lead[r]; return failed }

func (f *failures) drop(r Replica) {
	delete(f.lead, r)
	delete(f.stop, r)
}

// forget drops what failed of a topic's partitions from a number on.
func (f *failures) forget(topic string, from int32) {
	drop := func(r Replica, _ failure) bool { return r.Topic == topic && r.Partition >= from }
	maps.DeleteFunc(f.lead, drop)
	maps.DeleteFunc(f.stop, drop)
}

// forgetBroker drops what failed on a broker: it is told anew when it registers.
func (f *failures) forgetBroker(id int32) {
	drop := func(r Replica, _ failure) bool { return r.Broker == id }
	maps.DeleteFunc(f.lead, drop)
	maps.DeleteFunc(f.stop, drop)
}

// nextMs is when the first order is due again, 0 for never.
func (f *failures) nextMs() (dueMs int64) {
	for _, list := range []map[Replica]failure{f.lead, f.stop} {
		for _, one := range list {
			if one.dueMs > 0 && (dueMs == 0 || one.dueMs < dueMs) {
				dueMs = one.dueMs
			}
		}
	}
	return dueMs
}

// due takes out what is due, in order.
func due(list map[Replica]failure, nowMs int64) []Replica {
	var replicas []Replica
	for r, f := range list {
		if f.dueMs > 0 && f.dueMs <= nowMs {
			f.dueMs = 0
			list[r] = f
			replicas = append(replicas, r)
		}
	}
	slices.SortFunc(replicas, func(a, b Replica) int {
		return cmp.Or(compare(a.TopicPartition, b.TopicPartition), cmp.Compare(a.Broker, b.Broker))
	})
	return replicas
}

// retryDue gives orders again that are due.
func (s *State) retryDue(d *Decision) {
	for _, r := range due(s.failures.lead, s.nowMs) {
		p := s.partition(r.TopicPartition)
		if p == nil || p.replica(r.Broker) == nil || !p.led() || p.topic.isFrozen() {
			s.failures.drop(r)
			continue
		}
		d.tellAgain(p, p.replica(r.Broker), s.failures.lead[r].isNew)
	}
	for _, r := range due(s.failures.stop, s.nowMs) {
		p := s.partition(r.TopicPartition)
		if p == nil || p.replica(r.Broker) == nil || p.replica(r.Broker).status != replicaDeletionIneligible {
			s.failures.drop(r)
			continue
		}
		d.moveReplica(p, p.replica(r.Broker), replicaOffline)
		s.queueTopic(p.topic)
	}
}

// ordersAnswered takes in what became of a broker's orders.
func (s *State) ordersAnswered(d *Decision, e *OrdersAnswered) {
	b := s.brokers[e.Broker]
	if b == nil || b.epoch != e.BrokerEpoch {
		return // it has registered again since, and was told anew
	}
	if e.Err != nil {
		d.log(slog.LevelError, "broker refused an order", "broker_id", e.Broker, "error", e.Err)
	}
	for i := range e.Lead {
		if e.Err == nil {
			s.leadAnswered(d, e.Broker, &e.Lead[i], e.At(i))
		}
	}
	answered := map[*topic]bool{}
	for i := range e.Lead {
		if p := s.firstAnswer(e.Broker, &e.Lead[i]); p != nil {
			answered[p.topic] = true
		}
	}
	for t := range answered {
		s.reveal(d, t)
	}
	for i := range e.Stop {
		err := e.Err
		if err == nil {
			err = e.At(i)
		}
		s.stopAnswered(d, e.Broker, &e.Stop[i], err)
	}
}

// firstAnswer notes that the first leader of a new partition has answered, and gives the partition; nil if it is not about one.
func (s *State) firstAnswer(id int32, o *order.LeaderAndISR) *partition {
	p := s.partition(o.TopicPartition)
	if p == nil || !p.hidden || p.topic.id != o.TopicID || p.State.Leader != id || p.topic.isTakenBack() {
		return nil
	}
	p.ready = true
	return p
}

// reveal has brokers told of a topic's new partitions when the first leaders of all have answered: clients that see one find it served,
// and one that could not be made is taken back unseen. They are shown together, since clients cannot bear a topic of which they see
// partition 1 and not partition 0.
func (s *State) reveal(d *Decision, t *topic) {
	if slices.ContainsFunc(t.partitions, func(p *partition) bool { return p.hidden && !p.ready }) {
		return
	}
	for _, p := range t.partitions {
		if p.hidden {
			p.hidden = false
			d.show(p)
		}
	}
}

// isOffline says whether the answer to a LeaderAndIsr means that the replica cannot be used. The refusals of the protocol mean that
// the broker was told something newer before: they are not the replica's fault.
//
// A broker that is to make a replica and has a log of another topic of that name never can: it was not there when that topic's replica left it. A replica
// that was made before is not taken offline for its topic's id. Tools of before 2.8 write topics without their ids, so that the topic gets another id
// from the next controller, and the brokers go on to serve what they have.
func isOffline(err error, isNew bool) bool {
	if errors.Is(err, order.ErrInconsistentTopicID) {
		return isNew
	}
	for _, kind := range []error{order.ErrStaleControllerEpoch, order.ErrStaleBrokerEpoch, order.ErrUnknownPartition, order.ErrUnknownTopicID,
		order.ErrFencedLeaderEpoch, order.ErrInvalidUpdateVersion, order.ErrInvalidRequest, order.ErrNotController} {
		if errors.Is(err, kind) {
			return false
		}
	}
	return err != nil
}

// leadAnswered takes in the answer to one LeaderAndIsr.
func (s *State) leadAnswered(d *Decision, id int32, o *order.LeaderAndISR, err error) {
	p := s.partition(o.TopicPartition)
	if p == nil || p.topic.id != o.TopicID || p.topic.isFrozen() || p.replica(id) == nil {
		return // deleted meanwhile
	}
	key := Replica{id, o.TopicPartition}
	was, failed := s.failures.lead[key]
	isNew := o.IsNew || failed && was.isNew // until the replica is created, whatever the order after the first says
	if !isOffline(err, isNew) {
		if err != nil {
			d.log(slog.LevelDebug, "broker did not act on an order", "partition", o.TopicPartition, "broker_id", id, "error", err)
			return
		}
		if failed {
			d.log(slog.LevelInfo, "partition is online again", "partition", o.TopicPartition, "broker_id", id, "attempts", was.attempts+1)
			delete(s.failures.lead, key)
			s.queue(p)
		}
		return
	}
	if !failed || was.err.Error() != err.Error() {
		s.logFailure(d, id, o, isNew, err)
	}
	now := was.next(err, s.nowMs, isNew || order.IsTransient(err))
	now.isNew = isNew
	s.failures.lead[key] = now
	// What is taken back is deleted on the brokers, and nobody asked them to delete the log of another topic.
	deletable := !errors.Is(err, order.ErrInconsistentTopicID)
	if c := p.topic.creation; c != nil && int(p.Partition) >= c.from && deletable && s.takeBack(d, p, id, err) {
		return
	}
	if !failed {
		s.replicaLost(d, p, p.replica(id))
	}
}

func (s *State) logFailure(d *Decision, id int32, o *order.LeaderAndISR, isNew bool, err error) {
	switch {
	case isNew:
		d.log(slog.LevelError, "partition cannot be created", "partition", o.TopicPartition, "broker_id", id, "error", err)
	case order.IsTransient(err):
		d.log(slog.LevelWarn, "partition is offline, and is tried again", "partition", o.TopicPartition, "broker_id", id, "error", err)
	default:
		d.log(slog.LevelError, "partition is offline: its broker cannot use the log", "partition", o.TopicPartition, "broker_id", id, "error", err)
	}
}

// stopAnswered takes in the answer to one StopReplica. Only those of topics being deleted are waited for.
func (s *State) stopAnswered(d *Decision, id int32, o *order.StopReplica, err error) {
	p := s.partition(o.TopicPartition)
	if err != nil {
		d.log(slog.LevelError, "partition could not be stopped", "partition", o.TopicPartition, "broker_id", id, "delete", o.Delete, "error", err)
	}
	if p == nil || !p.topic.isFrozen() || !o.Delete {
		return
	}
	r := p.replica(id)
	if r == nil || r.status != replicaDeletionStarted {
		return
	}
	key := Replica{id, o.TopicPartition}
	if err == nil {
		delete(s.failures.stop, key)
		d.moveReplica(p, r, replicaDeletionSuccessful)
		s.queueTopic(p.topic)
		return
	}
	d.moveReplica(p, r, replicaDeletionIneligible)
	if order.IsTransient(err) {
		s.failures.stop[key] = s.failures.stop[key].next(err, s.nowMs, true)
	}
}
