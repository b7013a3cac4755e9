package controller

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// AlterPartition is a leader that asks for other ISRs (KIP-497).
type AlterPartition struct {
	Request order.AlterPartitionRequest
	// Err refuses the whole request; else Results has one for each partition, in order.
	Err     error
	Results []order.AlterPartitionResult
}

// ControlledShutdown is a broker that is about to stop. Its leaderships move as far as other replicas are in sync.
type ControlledShutdown struct {
	Request order.ControlledShutdownRequest
	// Err is why nothing is done; else Remaining are the partitions of more than one replica that the broker still leads.
	Err       error
	Remaining []protocol.TopicPartition

	state *State // set if there is something to do
}

// AllocateProducerIDs is a broker that asks for a block of producer ids.
type AllocateProducerIDs struct {
	BrokerID    int32
	BrokerEpoch int64
	Err         error
	IDs         order.ProducerIDs
}

func (*AlterPartition) event()      {}
func (*ControlledShutdown) event()  {}
func (*AllocateProducerIDs) event() {}

// alterPartition grants or refuses each ISR; the checks come in the order of 3.9's processAlterPartition.
func (s *State) alterPartition(d *Decision, e *AlterPartition) {
	b := s.brokers[e.Request.BrokerID]
	if b == nil || b.epoch != e.Request.BrokerEpoch {
		e.Err = &order.Error{Kind: order.ErrStaleBrokerEpoch}
		return
	}
	e.Results = make([]order.AlterPartitionResult, len(e.Request.Partitions))
	for i := range e.Request.Partitions {
		a, res := &e.Request.Partitions[i], &e.Results[i]
		p := s.alteredPartition(a)
		if p == nil {
			res.Err = &order.Error{Kind: order.ErrUnknownPartition}
			if !a.TopicID.IsZero() && s.byID[a.TopicID] == "" {
				res.Err = &order.Error{Kind: order.ErrUnknownTopicID}
			}
			continue
		}
		// In both cases ErrNotAttempted would be a promise that an earlier request of the leader changed nothing either: it would take the ISR back
		// that it asked for, while the tree may have it (Partition.handleAlterPartitionError).
		if p.broken {
			res.Err = &order.Error{Kind: order.ErrInvalidUpdateVersion} // waits for another leader epoch
			continue
		}
		if p.busy || p.unread {
			res.Err = &order.Error{Kind: order.ErrTimedOut} // asks again
			continue
		}
		d.show(p)
		s.tryISR(d, p, b.id, a, res)
	}
}

// tryISR changes a partition's ISR if that is granted. If the write was refused because of others in its transaction, or its outcome
// was lost, the request is looked at again with what the tree has.
func (s *State) tryISR(d *Decision, p *partition, leader int32, a *order.AlterPartition, res *order.AlterPartitionResult) {
	wanted, err := s.checkISR(p, leader, a)
	if err != nil || !wanted {
		*res = p.result()
		res.Err = err
		return
	}
	next := p.State
	next.ControllerEpoch, next.ISR, next.Recovering = s.Epoch, slices.Clone(a.ISR), a.Recovering
	c := newStateChange(p, next, changeISR)
	c.answer = func(d *Decision, err error) {
		switch {
		case err == nil:
			*res = p.result()
		case passes(err) && !p.unread && !p.broken && p.led():
			s.tryISR(d, p, leader, a, res)
		default:
			res.Err = err
		}
	}
	p.busy = true
	d.change(c)
}

// alteredPartition finds a partition by its topic's id, or by the name from a broker that sends none.
func (s *State) alteredPartition(a *order.AlterPartition) *partition {
	tp := a.TopicPartition
	if !a.TopicID.IsZero() {
		name, known := s.byID[a.TopicID]
		if !known {
			return nil
		}
		tp.Topic = name
	}
	if p := s.partition(tp); p != nil && p.led() && !p.topic.isFrozen() {
		return p
	}
	return nil
}

// result is a partition's state as the answer to its leader.
func (p *partition) result() order.AlterPartitionResult {
	return order.AlterPartitionResult{
		Leader: p.State.Leader, LeaderEpoch: p.State.LeaderEpoch, ISR: p.State.ISR, Recovering: p.State.Recovering, PartitionEpoch: p.version,
	}
}

// checkISR says whether a partition's ISR is to change. Neither an error nor a change is wanted if it is already as asked: the answer
// to the first request was lost.
func (s *State) checkISR(p *partition, leader int32, a *order.AlterPartition) (wanted bool, err error) {
	refuse := func(kind error) (bool, error) { return false, &order.Error{Kind: kind} }
	switch now := &p.State; {
	case a.PartitionEpoch > p.version || a.LeaderEpoch > now.LeaderEpoch:
		// The leader was told by a controller that knows more.
		return refuse(order.ErrNotController)
	case a.LeaderEpoch < now.LeaderEpoch:
		return refuse(order.ErrFencedLeaderEpoch)
	case now.Leader == leader && slices.Equal(now.ISR, a.ISR) && now.Recovering == a.Recovering:
		return false, nil
	case a.PartitionEpoch < p.version:
		return refuse(order.ErrInvalidUpdateVersion)
	case now.Leader != leader, !slices.Contains(a.ISR, leader):
		return refuse(order.ErrInvalidRequest)
	case a.Recovering && (len(a.ISR) > 1 || !now.Recovering):
		return refuse(order.ErrInvalidRequest)
	}
	for _, id := range a.ISR {
		if id != leader && !s.isOnline(p, id) {
			return refuse(order.ErrIneligibleReplica)
		}
	}
	return true, nil
}

func checkShutdown(b *broker, r *order.ControlledShutdownRequest) error {
	switch {
	case b == nil && r.BrokerEpoch >= 0:
		return fmt.Errorf("controlled shutdown: broker %d is not registered", r.BrokerID)
	case b == nil:
		return order.Refuse(order.ErrBrokerNotAvailable, "Broker id %d does not exist.", r.BrokerID)
	case r.BrokerEpoch >= 0 && r.BrokerEpoch < b.epoch:
		return order.Refuse(order.ErrStaleBrokerEpoch, "Received controlled shutdown request from an old broker epoch %d for broker %d. Current broker epoch is %d.",
			r.BrokerEpoch, r.BrokerID, b.epoch)
	}
	return nil
}

// finish says what the broker still leads, when all that could be moved is moved.
func (e *ControlledShutdown) finish() {
	if e.state == nil {
		return
	}
	for p := range e.state.all {
		if p.led() && p.topic.deletion == nil && p.State.Leader == e.Request.BrokerID && len(p.effective()) > 1 {
			e.Remaining = append(e.Remaining, p.tp())
		}
	}
}

func (s *State) allocateProducerIDs(d *Decision, e *AllocateProducerIDs) {
	b := s.brokers[e.BrokerID]
	switch {
	case b == nil:
		e.Err = &order.Error{Kind: order.ErrBrokerIDNotRegistered}
	case b.epoch != e.BrokerEpoch:
		e.Err = &order.Error{Kind: order.ErrStaleBrokerEpoch}
	default:
		s.nextBlock(d, e)
	}
}

// nextBlock reads which block of producer ids was the last, and takes the next one.
func (s *State) nextBlock(d *Decision, e *AllocateProducerIDs) {
	d.askFor(Read{Nodes: []string{znode.LatestProducerIDBlock}}, func(err error) { e.Err = err }, func(d *Decision, r ReadResult) {
		n := r.Nodes[0]
		if n.Err != nil {
			e.Err = n.Err
			return
		}
		next := znode.ProducerIDBlock{Broker: e.BrokerID, Start: 0, End: znode.ProducerIDs - 1}
		if len(n.Data) > 0 {
			last, err := znode.DecodeProducerIDBlock(n.Data)
			if err == nil && last.End > math.MaxInt64-znode.ProducerIDs {
				err = fmt.Errorf("producer ids are used up: the last block ends at %d", last.End)
			}
			if err != nil {
				d.log(slog.LevelError, "no producer ids can be given out", "error", err)
				e.Err = err
				return
			}
			next.Start, next.End = last.End+1, last.End+znode.ProducerIDs
		}
		d.change(&blockChange{e: e, block: next, nodeWrite: setNode(znode.LatestProducerIDBlock, next.Encode(), n.Stat.Version)})
	})
}

// blockChange takes a block of producer ids for a broker.
type blockChange struct {
	nodeWrite
	e     *AllocateProducerIDs
	block znode.ProducerIDBlock
}

func (c *blockChange) done(*State, *Decision) {
	c.e.Err, c.e.IDs = nil, order.ProducerIDs{First: c.block.Start, Count: znode.ProducerIDs}
}

func (c *blockChange) lost(s *State, d *Decision, _ meta.Node, err error) {
	c.e.Err = err
	if passes(err) && !errors.Is(err, meta.ErrNoNode) {
		s.nextBlock(d, c.e)
	}
}
