package replica

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol"
)

// maxParallel bounds how many logs are created or deleted at the same time. A deletion waits for
// the disk.
const maxParallel = 16

// eachOf calls f with 0 to n-1, several at the same time.
func eachOf(n int, f func(int)) {
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i := range n {
		group.Go(func() error { f(i); return nil })
	}
	_ = group.Wait()
}

// ordered is one partition of a LeaderAndISR while it is carried out.
type ordered struct {
	*order.LeaderAndISR
	does      action
	partition *Partition // nil while it is not here
	log       *logstore.Log
	err       error
	leads     bool // it has begun to lead
	follows   bool // it has begun to follow
}

// action is what an order asks for.
type action int8

const (
	doNothing action = iota
	doAssignID
	doLead
	doFollow
	doFollowNobody // the leader is not live, by what the controller told last
)

// LeaderAndISR makes this broker the leader or a follower of partitions. It opens their logs, or creates those that do not exist. topicConfig gives
// a topic's own properties. The caller has checked from whom the request comes.
//
// For a partition the error is order.ErrStaleControllerEpoch where the leader epoch is not news, also when a request comes twice;
// ErrInconsistentTopicID; ErrUnknownPartition where this broker is none of the replicas; or ErrStorage, beside the error of
// logstore.Store.Create, which an *order.TransientError wraps where it passes by itself.
func (m *Manager) LeaderAndISR(req *order.LeaderAndISRRequest, topicConfig func(topic string) map[string]string) order.Answer {
	m.ordering.Lock()
	defer m.ordering.Unlock()
	list := make([]ordered, len(req.Partitions))
	topics := map[string]bool{}
	for i := range req.Partitions {
		list[i].LeaderAndISR = &req.Partitions[i]
		m.judge(&list[i])
		if name := list[i].Topic; list[i].does != doNothing && !topics[name] {
			topics[name] = true
			m.pin(name, topicConfig)
			defer m.unpin(name)
		}
	}
	eachOf(len(list), func(i int) { m.open(&list[i]) })
	m.stopFetching(list)
	eachOf(len(list), func(i int) { m.carryOut(&list[i]) })
	m.startFetching(list)
	m.tellLeaderships(list)
	answer := order.Answer{Partitions: make([]error, len(list))}
	for i := range list {
		answer.Partitions[i] = list[i].err
	}
	return answer
}

// tellLeaderships tells of the partitions that this broker leads or follows now and did not before.
func (m *Manager) tellLeaderships(list []ordered) {
	var e observe.LeadershipsChanged
	for i := range list {
		switch o := &list[i]; {
		case o.leads:
			e.Leads++
		case o.follows:
			e.Follows++
		default:
			continue
		}
		if e.First == "" {
			e.First = list[i].TopicPartition.String()
		}
	}
	if e.First != "" {
		m.o.Observer.Tell(m.logger, e)
	}
}

// judge finds out what an order asks for, or why it is refused.
func (m *Manager) judge(o *ordered) {
	s := &State{LeaderEpoch: -1}
	if p, err := m.Partition(o.TopicPartition); err == nil {
		o.partition, s = p, p.state.Load()
	}
	switch {
	case o.partition != nil && (s.Role == Offline || o.partition.log.Err() != nil):
		// In whatever epoch the order is: by its answer the controller learns which partitions a directory that failed had.
		o.err = storageFailed(o.partition.offline())
	case !s.TopicID.IsZero() && !o.TopicID.IsZero() && s.TopicID != o.TopicID:
		o.err = fmt.Errorf("%w: partition %s is of topic %s, not %s", order.ErrInconsistentTopicID, o.TopicPartition, s.TopicID, o.TopicID)
	case o.LeaderEpoch == s.LeaderEpoch && o.partition != nil && s.TopicID.IsZero() && !o.TopicID.IsZero():
		o.does = doAssignID
	case o.LeaderEpoch <= s.LeaderEpoch:
		o.err = fmt.Errorf("%w: leader epoch %d of partition %s, which is in %d", order.ErrStaleControllerEpoch, o.LeaderEpoch, o.TopicPartition, s.LeaderEpoch)
	case o.PartitionEpoch < s.PartitionEpoch:
		// An answer to AlterPartition has overtaken this order; another order follows (KAFKA-12686).
	case !slices.Contains(o.Replicas, m.o.BrokerID):
		o.err = fmt.Errorf("%w: broker %d is none of the replicas %v of partition %s", order.ErrUnknownPartition, m.o.BrokerID, o.Replicas, o.TopicPartition)
	case o.Leader == m.o.BrokerID:
		o.does = doLead
	case o.Leader >= 0 && m.o.Alive(o.Leader):
		o.does = doFollow
	default:
		o.does = doFollowNobody
	}
}

// open opens the partition's log, or creates it.
func (m *Manager) open(o *ordered) {
	if o.does == doNothing {
		return
	}
	open := m.store.GetOrCreate
	if o.IsNew {
		open = m.store.Create
	}
	var err error
	if o.log, err = open(o.TopicPartition, o.TopicID, m.configOf(o.Topic).Log); err != nil {
		o.fail(err)
	}
}

// fail notes that the log cannot be used.
func (o *ordered) fail(err error) {
	o.does = doNothing
	if errors.As(err, new(*logstore.TopicIDError)) {
		o.err = fmt.Errorf("%w: %w", order.ErrInconsistentTopicID, err)
		return
	}
	o.err = storageFailed(err)
}

// storageFailed says that the log of a partition cannot be used, and whether that passes.
func storageFailed(err error) error { return transient(&storageError{err}) }

// transient marks an error that passes by itself.
func transient(err error) error {
	if err != nil && logstore.Transient(err) {
		return &order.TransientError{Err: err}
	}
	return err
}

// stopFetching ends the fetching of what gets another role or leader epoch, before that changes.
func (m *Manager) stopFetching(list []ordered) {
	var stopped []protocol.TopicPartition
	for i := range list {
		if o := &list[i]; o.does == doLead || o.does == doFollow {
			stopped = append(stopped, o.TopicPartition)
		}
	}
	m.endFetching(stopped)
}

// endFetching has partitions not fetched any more.
func (m *Manager) endFetching(partitions []protocol.TopicPartition) {
	if len(partitions) > 0 {
		m.fetching.Lock()
		defer m.fetching.Unlock()
		m.fetchers.Remove(partitions)
	}
}

// carryOut gives one partition its role.
func (m *Manager) carryOut(o *ordered) {
	if o.does == doNothing {
		return
	}
	if o.does == doLead && (o.partition == nil || o.partition.state.Load().Role != Leader) && o.log.FlushWanted() {
		// Records that a killed broker left in the kernel's memory count as stored from here on: a producer that
		// sends them again is answered as for a duplicate.
		if err := o.log.Flush(o.log.EndOffset()); err != nil {
			m.store.ReportFailure(o.TopicPartition, err)
			o.fail(err)
			return
		}
	}
	p := m.put(o)
	p.configure()
	p.changing.Lock()
	defer p.changing.Unlock()
	var led bool
	var err error
	switch o.does {
	case doAssignID:
		p.assignTopicID(o.LeaderAndISR)
	case doLead:
		if o.leads, err = p.becomeLeader(o.LeaderAndISR, m.NowMs()); o.leads && m.onLead != nil {
			m.onLead(p)
		}
	case doFollow:
		o.follows, led, err = p.becomeFollower(o.LeaderAndISR)
	case doFollowNobody:
		// Who leads is not known until the next order, whose leader epoch may be that of this one. But another epoch has begun.
		if err = p.log.Err(); err == nil && p.state.Load().Role == Leader {
			led = p.becomeNothing(NoRole, &NotLeaderError{p.tp})
		}
	}
	if led && m.onStop != nil {
		m.onStop(p.tp)
	}
	if err != nil {
		o.fail(err)
	}
}

// put gives the partition, and adds it if it is not here.
func (m *Manager) put(o *ordered) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[o.TopicPartition]
	if p == nil {
		id, _ := m.store.TopicID(o.TopicPartition) // the order may have none
		p = m.newPartition(o.TopicPartition, id, o.log)
		t := m.topics[o.Topic]
		t.partitions++
		p.config.Store(t.config)
		p.counts = t.counts
		m.partitions[o.TopicPartition] = p
	}
	return p
}

// startFetching has the partitions fetched that have begun to follow, and still do.
func (m *Manager) startFetching(list []ordered) {
	var followed []Followed
	m.fetching.Lock()
	defer m.fetching.Unlock()
	for i := range list {
		o := &list[i]
		if !o.follows && o.does != doAssignID {
			continue
		}
		if p, err := m.Partition(o.TopicPartition); err == nil && p.state.Load().Role == Follower {
			f := p.followed()
			f.InSync = slices.Contains(o.ISR, m.o.BrokerID)
			followed = append(followed, f)
		}
	}
	if len(followed) > 0 {
		m.fetchers.Set(followed)
	}
}

// StopReplica ends the service of partitions on this broker, and deletes their logs where that is asked. A partition that is not here counts as
// stopped, and its log is deleted all the same. One that is not deleted stays known with its leader epoch, so that older orders are refused.
//
// For a partition the error is order.ErrFencedLeaderEpoch for an older leader epoch, or ErrStorage, which an *order.TransientError wraps
// where it passes by itself.
func (m *Manager) StopReplica(req *order.StopReplicaRequest) order.Answer {
	m.ordering.Lock()
	defer m.ordering.Unlock()
	errs := make([]error, len(req.Partitions))
	var stopped []protocol.TopicPartition
	for i := range req.Partitions {
		o := &req.Partitions[i]
		if errs[i] = m.fences(o); errs[i] == nil {
			stopped = append(stopped, o.TopicPartition)
		}
	}
	m.endFetching(stopped)
	eachOf(len(errs), func(i int) {
		if errs[i] == nil {
			errs[i] = m.stop(&req.Partitions[i])
		}
	})
	return order.Answer{Partitions: errs}
}

// fences refuses an order to stop that is older than what is known. One of the same leader epoch is taken: a reassignment that was taken back
// bumps none (KAFKA-13972).
func (m *Manager) fences(o *order.StopReplica) error {
	p, err := m.Partition(o.TopicPartition)
	if err != nil || o.LeaderEpoch == order.NoLeaderEpoch || o.LeaderEpoch == order.LeaderEpochDuringDelete {
		return nil
	}
	if epoch := p.LeaderEpoch(); o.LeaderEpoch < epoch {
		return fmt.Errorf("%w: leader epoch %d of partition %s, which is in %d", order.ErrFencedLeaderEpoch, o.LeaderEpoch, o.TopicPartition, epoch)
	}
	return nil
}

// stop stops one partition.
func (m *Manager) stop(o *order.StopReplica) error {
	tp := o.TopicPartition
	if o.Delete {
		if p := m.remove(tp); p != nil {
			m.resign(p, NoRole, &UnknownPartitionError{tp})
		}
		if err := m.store.Delete(tp); err != nil && !errors.Is(err, logstore.ErrNoLog) {
			return storageFailed(err)
		}
		return nil
	}
	if p, err := m.Partition(tp); err == nil {
		if s := p.state.Load(); s.Role == Offline {
			return storageFailed(s.refusal)
		}
		m.resign(p, NoRole, &NotLeaderError{tp})
	}
	return nil
}

// Resign ends this broker's leaderships of partitions that have other replicas, before it stops: it serves no followers any more, so that an
// append that waits for them would wait in vain, and what it still took would be lost to the next leader. Clients are told to look for that.
func (m *Manager) Resign() {
	m.ordering.Lock()
	defer m.ordering.Unlock()
	all := m.all()
	eachOf(len(all), func(i int) {
		if s := all[i].state.Load(); s.Role == Leader && len(s.Replicas) > 1 {
			m.resign(all[i], NoRole, &NotLeaderError{all[i].tp})
		}
	})
}

// resign ends a partition's role.
func (m *Manager) resign(p *Partition, role Role, why error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.becomeNothing(role, why) && m.onStop != nil {
		m.onStop(p.tp)
	}
}

// remove takes a partition out and gives it, nil when it is not here.
func (m *Manager) remove(tp protocol.TopicPartition) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[tp]
	if p != nil {
		delete(m.partitions, tp)
		m.releaseTopicLocked(tp.Topic)
	}
	return p
}

// LogsFailed says that the directory of partitions failed. They are offline until the broker starts again.
func (m *Manager) LogsFailed(partitions []protocol.TopicPartition) {
	eachOf(len(partitions), func(i int) { // at the same time, since a write that hangs holds up its partition
		if p, err := m.Partition(partitions[i]); err == nil {
			m.resign(p, Offline, p.offline())
		}
	})
	m.endFetching(partitions)
}
