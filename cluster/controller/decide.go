package controller

import (
	"fmt"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// Rules are what decisions depend on besides the state.
type Rules struct {
	// Partitions and ReplicationFactor are num.partitions and default.replication.factor.
	Partitions        int32
	ReplicationFactor int16
	// ValidateConfig checks a topic's own properties; the message of its error goes to the client.
	ValidateConfig func(config map[string]string) error
	// Room says why there is no room for new partitions; nil for always.
	Room func() error
	// Intn draws a number from 0 to n-1: where an assignment begins in the list of brokers.
	Intn func(n int) int
}

// MaxPartitionsPerRequest bounds how many partitions one request may create, as Kafka 4 bounds it. 3.9 has no bound and
// runs out of memory.
const MaxPartitionsPerRequest = 10_000

// Decide takes one event. It changes the state to what it will be once the writes are done; if they fail,
// the state is of no more use.
func Decide(s *State, r *Rules, e Event) Decision {
	var d Decision
	switch e := e.(type) {
	case *Started:
		s.started(&d)
	case *CreateTopics:
		s.createTopics(&d, r, e)
	case *CreatePartitions:
		s.createPartitions(&d, r, e)
	case *DeleteTopics:
		s.deleteTopics(&d, e)
	case *OrdersAnswered:
		s.ordersAnswered(&d, e)
	case *RetryDue:
		s.retryDue(&d, e.NowMs)
	case *ReplicasStopped:
		s.replicasStopped(&d, e.Broker, e.Topics)
	case *ReplicasNotMade:
		s.replicasNotMade(&d, e)
	default:
		panic(fmt.Sprintf("controller: unknown event %T", e))
	}
	if len(d.Writes)+len(d.Remove) > 0 {
		// A controller that was succeeded changes nothing (I8).
		d.Writes = append([]meta.Op{meta.CheckOp(znode.ControllerEpoch, s.EpochVersion)}, d.Writes...)
	}
	return d
}

func (s *State) started(d *Decision) {
	for _, name := range s.names() {
		t := s.Topics[name]
		if s.Deleting[name] != nil {
			s.beginDeletion(d, t)
			continue
		}
		if missing := s.firstWithoutState(t); missing >= 0 {
			s.initialize(d, t, missing)
		}
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if p.Version < 0 {
				continue
			}
			if s.Live[p.State.Leader] == nil {
				s.elect(d, t, p)
			}
			s.order(d, t, p, false)
		}
		d.changeTopic(name)
	}
	// The topic of such a mark is gone: the removal was interrupted before the mark was deleted.
	for name := range s.Deleting {
		if s.Topics[name] == nil {
			d.Remove = append(d.Remove, znode.DeleteTopicPath(name))
			delete(s.Deleting, name)
		}
	}
}

// firstWithoutState is the number of the first partition that never had a leader, or -1.
func (s *State) firstWithoutState(t *Topic) int {
	for i := range t.Partitions {
		if t.Partitions[i].Version < 0 {
			return i
		}
	}
	return -1
}

// initialize gives the partitions from a number on their first leader: the first live replica, with all live ones in the ISR. A
// partition without a live replica is left without a state until a replica comes.
func (s *State) initialize(d *Decision, t *Topic, from int) {
	for i := from; i < len(t.Partitions); i++ {
		p := &t.Partitions[i]
		if p.Version >= 0 {
			continue
		}
		var live []int32
		for _, id := range p.Replicas.Replicas {
			if s.Live[id] != nil {
				live = append(live, id)
			}
		}
		if len(live) == 0 {
			continue
		}
		p.State = znode.PartitionState{ControllerEpoch: s.Epoch, Leader: live[0], ISR: live}
		p.Version = 0
		tp := protocol.TopicPartition{Topic: t.Name, Partition: p.Partition}
		if !t.HasNode {
			d.Writes = append(d.Writes, meta.CreateOp(znode.PartitionsPath(t.Name), nil, meta.Persistent))
			t.HasNode = true
		}
		if !p.HasNode {
			d.Writes = append(d.Writes, meta.CreateOp(znode.PartitionPath(tp), nil, meta.Persistent))
			p.HasNode = true
		}
		d.Writes = append(d.Writes, meta.CreateOp(znode.PartitionStatePath(tp), p.State.Encode(), meta.Persistent))
	}
}

// elect gives a partition whose leader is gone a new one: the first replica that lives and is in
// the ISR. Without one the partition waits for it.
func (s *State) elect(d *Decision, t *Topic, p *Partition) {
	inSync := map[int32]bool{}
	for _, id := range p.State.ISR {
		inSync[id] = true
	}
	var live []int32
	for _, id := range p.Replicas.Replicas {
		if inSync[id] && s.Live[id] != nil {
			live = append(live, id)
		}
	}
	if len(live) == 0 {
		return
	}
	p.State = znode.PartitionState{
		ControllerEpoch: s.Epoch, Leader: live[0], LeaderEpoch: p.State.LeaderEpoch + 1, ISR: live, Recovering: p.State.Recovering,
	}
	tp := protocol.TopicPartition{Topic: t.Name, Partition: p.Partition}
	d.Writes = append(d.Writes, meta.SetOp(znode.PartitionStatePath(tp), p.State.Encode(), p.Version))
	p.Version++
}

// order tells a partition's live replicas who leads it.
func (s *State) order(d *Decision, t *Topic, p *Partition, isNew bool) {
	if p.Version < 0 {
		return
	}
	for _, id := range p.Replicas.Replicas {
		if s.Live[id] != nil {
			d.lead(id, s.orderOf(t, p, isNew))
		}
	}
}

// orderOf is what a replica of a partition is told.
func (s *State) orderOf(t *Topic, p *Partition, isNew bool) order.LeaderAndISR {
	return order.LeaderAndISR{
		TopicPartition: protocol.TopicPartition{Topic: t.Name, Partition: p.Partition},
		TopicID:        t.ID, ControllerEpoch: s.Epoch,
		Leader: p.State.Leader, LeaderEpoch: p.State.LeaderEpoch, ISR: p.State.ISR,
		Replicas: p.Replicas.Replicas, PartitionEpoch: p.Version, IsNew: isNew,
	}
}
