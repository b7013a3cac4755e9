package replica

import (
	"errors"
	"slices"

	"klamm/cluster/order"
	"klamm/observe"
)

// FollowerFetch is what the fetch of a follower says of its log, once the fetch was served.
type FollowerFetch struct {
	// Replica is the follower.
	Replica int32
	// LeaderEpoch is the partition's leader epoch with which the log was read.
	LeaderEpoch int32
	// Offset is where the follower fetched from: the end of its log.
	Offset int64
	// LogStart is where the follower's log starts, -1 if it does not say.
	LogStart int64
	// LeaderEnd is the leader's log end offset, taken before the log was read.
	LeaderEnd int64
	// Watch is the partition in the follower's fetch session; nil for a fetch without one.
	Watch *FollowerWatch
}

// UpdateFollower takes in how far a follower is. A fetch that failed or found a diverging epoch says nothing of that (KAFKA-8400,
// KAFKA-14704), and a fetch that waited for records and is read again was counted the first time: neither comes here.
// nowMs is the time by Manager.NowMs. The error is an *UnknownReplicaError if the broker is none of the replicas, or why this broker does not
// lead the partition.
//
// The caller looks at the partition's Bounds after that, since the follower is not told again of what its own fetch has moved.
func (p *Partition) UpdateFollower(f FollowerFetch, nowMs int64) error {
	c := completions{by: f.Watch}
	p.mu.Lock()
	s := p.state.Load()
	if s.refusal != nil {
		p.mu.Unlock()
		return s.refusal
	}
	i := slices.IndexFunc(p.remotes, func(r remote) bool { return r.id == f.Replica })
	if i < 0 {
		p.mu.Unlock()
		return &UnknownReplicaError{Partition: p.tp, Replica: f.Replica}
	}
	if !s.ledSince(f.LeaderEpoch) { // read in an earlier leadership, after which the logs may have diverged
		p.mu.Unlock()
		return nil
	}
	r := &p.remotes[i]
	end, start := r.end, r.start
	if r.watch == f.Watch {
		r.unsettle()
	} else {
		p.unwatchLocked(&c, r)
	}
	r.fetched(&f, nowMs)
	if f.Watch != nil {
		p.watchLocked(&c, r, s, &f)
	}
	if !slices.Contains(s.MaximalISR, r.id) {
		p.expandLocked(s, nowMs, nowMs)
	}
	if r.end != end {
		p.advanceLocked(&c)
	}
	if r.start != start {
		p.completeDeletionsLocked(&c)
	}
	p.mu.Unlock()
	c.run()
	return nil
}

// alteration is a change of the ISR that the controller was asked for. Until it has answered, nothing else is asked for: what the ISR is
// meanwhile nobody knows.
type alteration struct {
	isr            []int32
	adds           bool // replicas join; otherwise some leave
	leaderEpoch    int32
	partitionEpoch int32
	askedMs        int64
	told           bool // the log has a line that it is asked again; the goroutine of alterations alone uses it
}

// expandLocked asks for the replicas to join the ISR that have all that is committed, and all from before this leader epoch (KAFKA-7128), by a
// fetch since a time: what a replica had once says nothing of one that has ceased to fetch.
func (p *Partition) expandLocked(s *State, sinceMs, nowMs int64) {
	if p.asked != nil || p.manager.o.AlterPartition == nil || s.Role != Leader {
		return
	}
	var isr []int32
	for i := range p.remotes {
		r := &p.remotes[i]
		if slices.Contains(s.ISR, r.id) || r.fetchedMs < sinceMs || r.end < max(p.hw.Load(), s.EpochStart) || nowMs < r.barredMs {
			continue
		}
		if p.lagsLocked(r) || !p.manager.o.Alive(r.id) {
			continue
		}
		if isr == nil {
			isr = slices.Clone(s.ISR)
		}
		isr = append(isr, r.id)
	}
	if isr != nil {
		p.askLocked(s, &alteration{isr: isr, adds: true, askedMs: nowMs})
	}
}

// lagsLocked says whether a replica misses more records than replica.lag.max.messages allows.
func (p *Partition) lagsLocked(r *remote) bool {
	most := p.manager.o.Settings().LagMessagesMax
	return most > 0 && p.end-r.end > most
}

// lagCheck looks for replicas that have not been caught up for replica.lag.time.max.ms: those in the ISR leave it, and the high watermark waits
// for no others.
func (p *Partition) lagCheck(nowMs int64) {
	if s := p.state.Load(); s.Role != Leader || len(s.Replicas) < 2 && len(s.ISR) < 2 {
		return
	}
	var c completions
	p.mu.Lock()
	p.shrinkLocked(p.state.Load(), nowMs)
	p.advanceLocked(&c)
	p.mu.Unlock()
	c.run()
}

// shrinkLocked asks for the replicas to leave the ISR that are not caught up.
func (p *Partition) shrinkLocked(s *State, nowMs int64) {
	if s.Role != Leader || p.asked != nil || len(s.ISR) < 2 {
		return
	}
	var stay []int32
	for _, id := range s.ISR {
		i := slices.IndexFunc(p.remotes, func(r remote) bool { return r.id == id })
		inSync := id == p.manager.o.BrokerID
		if i >= 0 {
			r := &p.remotes[i]
			inSync = r.caughtUp(p.end, nowMs, p.manager.lagMaxMs()) && !p.lagsLocked(r)
		}
		if inSync {
			stay = append(stay, id)
		}
	}
	if len(stay) < len(s.ISR) {
		p.askLocked(s, &alteration{isr: stay, askedMs: nowMs})
	}
}

// askLocked has the controller asked for a change of the ISR.
func (p *Partition) askLocked(s *State, a *alteration) {
	a.leaderEpoch, a.partitionEpoch = s.LeaderEpoch, s.PartitionEpoch
	p.asked = a
	p.state.Store(s.withISR(s.ISR, s.PartitionEpoch, a))
	p.manager.logger.Debug("asking the controller for another ISR", "partition", p.tp.String(), "from", s.ISR, "to", a.isr,
		"leader_epoch", a.leaderEpoch, "partition_epoch", a.partitionEpoch)
	p.manager.alterations.add(p, a)
}

// altered takes in the controller's answer to an alteration, and says whether it has to be asked again.
func (p *Partition) altered(a *alteration, res *order.AlterPartitionResult) (again bool) {
	var c completions
	p.mu.Lock()
	if p.asked != a { // an order of the controller has come before this answer
		p.mu.Unlock()
		return false
	}
	s := p.state.Load()
	switch {
	case res.Err != nil:
		again = p.refusedLocked(s, a, res.Err)
	case res.LeaderEpoch > s.LeaderEpoch:
		// An order with that epoch is on its way. Nothing else is asked for until then.
	default:
		p.asked = nil
		was, isr, epoch := s.ISR, s.ISR, s.PartitionEpoch
		if res.LeaderEpoch == s.LeaderEpoch && res.PartitionEpoch >= s.PartitionEpoch {
			isr, epoch = res.ISR, res.PartitionEpoch
		}
		s = s.withISR(isr, epoch, nil)
		p.state.Store(s)
		p.settleLocked(&c, s)
		p.manager.o.Observer.Tell(p.manager.logger, observe.ISRChanged{
			Topic: p.tp.Topic, Partition: p.tp.Partition, Was: was, ISR: isr, PartitionEpoch: epoch,
		})
		p.expandLocked(s, a.askedMs, p.manager.NowMs()) // for fetches that came meanwhile
		p.advanceLocked(&c)                             // the ISR may have lost who was behind (KAFKA-13091)
	}
	p.mu.Unlock()
	c.run()
	return again
}

// barredForMs is for how long a replica is not asked for again that the controller does not let into the ISR, as while it shuts down. It goes on
// to fetch, and each fetch would be a request to the controller.
const barredForMs = 500

// refusedLocked takes in why the controller refused an alteration, and says whether it has to be asked again.
func (p *Partition) refusedLocked(s *State, a *alteration, err error) (again bool) {
	switch {
	case errors.Is(err, order.ErrIneligibleReplica), errors.Is(err, order.ErrNotAttempted):
		// Nothing has changed. A later fetch, or the next look for replicas that lag, asks again if there is still reason to.
		for i := range p.remotes {
			if r := &p.remotes[i]; slices.Contains(a.isr, r.id) && !slices.Contains(s.ISR, r.id) {
				r.barredMs = p.manager.NowMs() + barredForMs
			}
		}
		p.asked = nil
		p.state.Store(s.withISR(s.ISR, s.PartitionEpoch, nil))
	case isFinal(err):
		p.manager.o.Observer.Add(observe.FailedISRUpdates, 1)
		p.manager.logger.Warn("the controller refuses another ISR; it stays as it may be until the next leader epoch", "partition", p.tp.String(),
			"isr", s.ISR, "asked", a.isr, "leader_epoch", a.leaderEpoch, "partition_epoch", a.partitionEpoch, "error", err)
	default:
		return true
	}
	return false
}

// isFinal says whether the controller's refusal stays until the partition has another leader epoch: it knows another state
// than this broker.
func isFinal(err error) bool {
	for _, final := range []error{order.ErrUnknownTopic, order.ErrUnknownPartition, order.ErrUnknownTopicID, order.ErrFencedLeaderEpoch,
		order.ErrInvalidUpdateVersion, order.ErrInvalidRequest} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
