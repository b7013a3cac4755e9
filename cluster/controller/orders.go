package controller

import (
	"cmp"
	"maps"
	"slices"

	"klamm/cluster/order"
	"klamm/protocol"
)

// Batch has orders of one decision. Each broker gets its LeaderAndIsr first, then UpdateMetadata, then StopReplica.
type Batch struct {
	// LeaderAndISR and Stop are by broker, and sorted by partition.
	LeaderAndISR map[int32][]order.LeaderAndISR
	Stop         map[int32][]order.StopReplica
	// MetadataTo are the brokers that get an UpdateMetadata: with the partitions of Metadata, and the brokers of [Batch.ShownTo].
	MetadataTo []int32
	Metadata   []order.TopicMetadata
	// Live are the registered brokers, and Suspects those of them that are suspected to be dead.
	Live     []order.LiveBroker
	Suspects []int32
}

// ShownTo are the live brokers as a broker is told of them: those that shut down are still there, and suspects are not, but a suspect
// sees itself.
func (b *Batch) ShownTo(id int32) []order.LiveBroker {
	if len(b.Suspects) == 0 {
		return b.Live
	}
	return slices.DeleteFunc(slices.Clone(b.Live), func(l order.LiveBroker) bool { return l.ID != id && slices.Contains(b.Suspects, l.ID) })
}

// orders are what a decision has to tell brokers. They are made at its end, from the states as they are written then.
type orders struct {
	tell  map[int32]map[*partition]bool // by broker; whether the replica is new
	stop  map[int32]map[protocol.TopicPartition]order.StopReplica
	show  map[*partition]bool
	gone  []order.TopicMetadata // partitions that are no more
	toAll bool                  // every broker gets an UpdateMetadata, even if no partition changed
	// greeted are brokers that registered: they get all partitions before any other order.
	greeted []int32
}

// tell has a broker get a LeaderAndIsr for a partition, and every broker an UpdateMetadata.
func (d *Decision) tell(p *partition, r *replica, isNew bool) {
	d.tellAgain(p, r, isNew)
	d.show(p)
}

// tellAgain has a broker get a LeaderAndIsr for a partition that is as it was shown last. A broker whose log lacks room for hours gets its
// orders every few seconds, and an UpdateMetadata of them all would cost every broker what it has prepared for clients. If the order changes something,
// the answer has that shown.
func (d *Decision) tellAgain(p *partition, r *replica, isNew bool) {
	r.untold = false
	if d.orders.tell == nil {
		d.orders.tell = map[int32]map[*partition]bool{}
	}
	told := d.orders.tell[r.broker]
	if told == nil {
		told = map[*partition]bool{}
		d.orders.tell[r.broker] = told
	}
	told[p] = told[p] || isNew
}

// show has every broker get an UpdateMetadata with a partition.
func (d *Decision) show(p *partition) {
	if d.orders.show == nil {
		d.orders.show = map[*partition]bool{}
	}
	d.orders.show[p] = true
}

// stop has a broker get a StopReplica. One that deletes the log is not replaced by one that does not.
func (d *Decision) stop(id int32, p *partition, leaderEpoch int32, remove bool) {
	if d.orders.stop == nil {
		d.orders.stop = map[int32]map[protocol.TopicPartition]order.StopReplica{}
	}
	stops := d.orders.stop[id]
	if stops == nil {
		stops = map[protocol.TopicPartition]order.StopReplica{}
		d.orders.stop[id] = stops
	}
	tp := p.tp()
	stops[tp] = order.StopReplica{TopicPartition: tp, LeaderEpoch: leaderEpoch, Delete: remove || stops[tp].Delete}
}

// deliver makes batches of what is to be told.
func (d *Decision) deliver(s *State) {
	o := &d.orders
	if len(o.tell)+len(o.stop)+len(o.show)+len(o.gone) == 0 && !o.toAll {
		return
	}
	live, suspects := s.live(), s.suspects()
	all := s.brokerIDs()
	if len(o.greeted) > 0 {
		// A broker learns who is there before it is told to follow somebody.
		slices.Sort(o.greeted)
		if before := without(all, o.greeted); len(before) > 0 {
			d.Batches = append(d.Batches, Batch{MetadataTo: before, Live: live, Suspects: suspects})
		}
		var led []*partition
		for p := range s.all {
			led = append(led, p)
		}
		d.Batches = append(d.Batches, Batch{MetadataTo: o.greeted, Metadata: s.metadataOf(led), Live: live, Suspects: suspects})
		o.toAll = false
		if len(o.greeted) == len(all) {
			clear(o.show) // all have seen all partitions
		}
		if len(o.tell)+len(o.stop)+len(o.show)+len(o.gone) == 0 {
			return
		}
	}
	b := Batch{Live: live, Suspects: suspects, LeaderAndISR: map[int32][]order.LeaderAndISR{}, Stop: map[int32][]order.StopReplica{}}
	for id, told := range o.tell {
		if s.brokers[id] == nil {
			continue
		}
		list := make([]order.LeaderAndISR, 0, len(told))
		for _, p := range sorted(told) {
			list = append(list, p.order(told[p]))
		}
		b.LeaderAndISR[id] = list
	}
	for p := range o.show {
		if p.busy || p.asking {
			delete(o.show, p) // it is told when the change is made, or not
		}
	}
	for id, stops := range o.stop {
		if s.brokers[id] == nil {
			continue
		}
		b.Stop[id] = slices.SortedFunc(maps.Values(stops), func(a, b order.StopReplica) int { return compare(a.TopicPartition, b.TopicPartition) })
	}
	b.Metadata = append(o.gone, s.metadataOf(sorted(o.show))...)
	if len(b.Metadata) > 0 || o.toAll {
		b.MetadataTo = all
	}
	if len(b.LeaderAndISR)+len(b.MetadataTo)+len(b.Stop) > 0 {
		d.Batches = append(d.Batches, b)
	}
}

func compare(a, b protocol.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// sorted are the partitions of a set by topic and number.
func sorted(set map[*partition]bool) []*partition {
	return slices.SortedFunc(maps.Keys(set), func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.topic.name, b.topic.name), cmp.Compare(a.Partition, b.Partition))
	})
}

// effective are the replicas that a partition has to brokers. When a reassignment is at its end these are the target's, before the
// tree says so: the leader has to drop the others before they are stopped.
func (p *partition) effective() []int32 {
	if p.completing {
		return p.target()
	}
	return p.Replicas.Replicas
}

// order is what a replica of a partition is told.
func (p *partition) order(isNew bool) order.LeaderAndISR {
	o := order.LeaderAndISR{
		TopicPartition: p.tp(), TopicID: p.topic.id, ControllerEpoch: p.State.ControllerEpoch,
		Leader: p.State.Leader, LeaderEpoch: p.State.LeaderEpoch, ISR: p.State.ISR, Recovering: p.State.Recovering,
		Replicas: p.effective(), PartitionEpoch: p.version, IsNew: isNew,
	}
	if !p.completing {
		o.Adding, o.Removing = p.Adding, p.Removing
	}
	return o
}

// metadataOf are partitions as every broker is told of them. One whose first leader has not answered is left out; one of a topic that
// is being deleted has a leader that stands for that.
func (s *State) metadataOf(partitions []*partition) []order.TopicMetadata {
	var list []order.TopicMetadata
	for i, p := range partitions {
		if !p.led() || p.hidden {
			continue
		}
		if n := len(list); n == 0 || list[n-1].Name != p.topic.name {
			end := i + 1
			for end < len(partitions) && partitions[end].topic == p.topic {
				end++
			}
			list = append(list, order.TopicMetadata{Name: p.topic.name, ID: p.topic.id, Partitions: make([]order.PartitionMetadata, 0, end-i)})
		}
		t := &list[len(list)-1]
		t.Partitions = append(t.Partitions, s.metadata(p))
	}
	return list
}

func (s *State) metadata(p *partition) order.PartitionMetadata {
	m := order.PartitionMetadata{
		Partition: p.Partition, ControllerEpoch: p.State.ControllerEpoch, Leader: p.State.Leader, LeaderEpoch: p.State.LeaderEpoch,
		ISR: p.State.ISR, PartitionEpoch: p.version, Replicas: p.effective(),
	}
	if p.topic.deletion != nil {
		m.Leader = order.LeaderDuringDelete
	}
	for _, id := range m.Replicas {
		if !s.isOnline(p, id) {
			m.Offline = append(m.Offline, id)
		}
	}
	return m
}

// goneOf are partitions of a topic that are no more, from a number on.
func goneOf(t *topic, partitions []*partition) order.TopicMetadata {
	gone := order.TopicMetadata{Name: t.name, ID: t.id}
	for _, p := range partitions {
		gone.Partitions = append(gone.Partitions, order.PartitionMetadata{Partition: p.Partition, Leader: order.LeaderDuringDelete, Replicas: p.Replicas.Replicas})
	}
	return gone
}
