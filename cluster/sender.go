package cluster

import (
	"maps"
	"slices"

	"klamm/cluster/controller"
	"klamm/protocol"
)

// sender carries out the controller's orders on this broker.
type sender Broker

// Send implements controller.Sender for this broker; there is no other yet.
func (s *sender) Send(broker int32, lead []LeaderAndISR, stop []StopReplica) (leadErrs, stopErrs []error) {
	b := (*Broker)(s)
	if gone := b.takeGone(); len(gone) > 0 && b.o.TopicsDeleted != nil {
		b.o.TopicsDeleted(gone)
	}
	if broker != b.o.BrokerID {
		return nil, nil
	}
	if len(lead) > 0 {
		leadErrs = b.o.Replicas.LeaderAndISR(lead, b.TopicConfig)
	}
	if len(stop) > 0 {
		stopErrs = b.o.Replicas.StopReplica(stop)
	}
	return leadErrs, stopErrs
}

// takeGone gives the topics that are no more since it was called last.
func (b *Broker) takeGone() []*Topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := b.gone
	b.gone = nil
	return gone
}

// Configure implements controller.Sender.
func (s *sender) Configure(topic string, config map[string]string) {
	(*Broker)(s).setTopicConfig(topic, config)
}

// Remove implements controller.Sender. Who is told of deleted topics may have to write, so that happens in Send.
func (s *sender) Remove(topics []string) {
	s.mu.Lock()
	s.replaceLocked(nil, nil, topics)
	s.mu.Unlock()
	for _, topic := range topics {
		(*Broker)(s).setTopicConfig(topic, nil)
	}
}

// Publish implements controller.Sender.
func (s *sender) Publish(state *controller.State, changed []controller.Change) {
	var put []*Topic
	var remove []string
	if changed == nil {
		for name := range state.Topics {
			changed = append(changed, controller.Change{Topic: name})
		}
		for t := range s.metadata.Load().Topics() {
			if state.Topics[t.Name] == nil {
				remove = append(remove, t.Name)
			}
		}
	}
	// Held until the snapshot is there: a directory that fails meanwhile is marked in it afterwards.
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changed {
		t := state.Topics[c.Topic]
		if t == nil || state.Deleting[c.Topic] != nil {
			remove = append(remove, c.Topic)
			continue
		}
		// Partitions that could not be created and were removed again.
		maps.DeleteFunc(s.offline, func(tp protocol.TopicPartition, _ bool) bool {
			return tp.Topic == c.Topic && int(tp.Partition) >= len(t.Partitions)
		})
		put = append(put, (*Broker)(s).topicLocked(state, t, c.Partitions))
	}
	s.replaceLocked(state, put, remove)
}

// topicLocked makes a topic as clients see it. changed are the partitions that are not as they were; nil stands for all.
func (b *Broker) topicLocked(state *controller.State, t *controller.Topic, changed []int32) *Topic {
	topic := &Topic{Name: t.Name, ID: t.ID}
	var before Partitions
	if old := b.metadata.Load().Topic(t.Name); changed != nil && old != nil && old.ID == t.ID {
		before = old.Partitions
	}
	topic.Partitions = before.with(len(t.Partitions), changed, func(n int, p *Partition) {
		b.fillLocked(p, state, t, n)
	})
	return topic
}

// fillLocked makes a partition as clients see it.
func (b *Broker) fillLocked(p *Partition, state *controller.State, t *controller.Topic, n int) {
	from := &t.Partitions[n]
	*p = Partition{Index: int32(n), Leader: NoLeader, LeaderEpoch: -1, Replicas: from.Replicas.Replicas}
	for _, id := range p.Replicas {
		if state.Live[id] == nil {
			p.Offline = append(p.Offline, id)
		}
	}
	if from.Version >= 0 {
		p.LeaderEpoch, p.ISR = from.State.LeaderEpoch, from.State.ISR
		if state.Live[from.State.Leader] != nil {
			p.Leader = from.State.Leader
		}
	}
	tp := protocol.TopicPartition{Topic: t.Name, Partition: int32(n)}
	b.takeOfflineLocked(tp, p)
	if len(state.Failures.Lead) > 0 {
		showFailed(state, tp, p)
	}
}

// showFailed shows the replicas that could not be led as offline.
func showFailed(state *controller.State, tp protocol.TopicPartition, p *Partition) {
	for _, id := range p.Replicas {
		if _, failed := state.Failures.Lead[controller.Replica{Broker: id, TopicPartition: tp}]; failed {
			p.takeOffline(id)
		}
	}
}

// replaceLocked makes the next snapshot; with a state the brokers are new as well.
func (s *sender) replaceLocked(state *controller.State, put []*Topic, remove []string) {
	for _, name := range remove {
		if t := s.metadata.Load().Topic(name); t != nil {
			s.gone = append(s.gone, t)
		}
	}
	if len(remove) > 0 { // offline are few, or none
		maps.DeleteFunc(s.offline, func(tp protocol.TopicPartition, _ bool) bool { return slices.Contains(remove, tp.Topic) })
	}
	next := *s.metadata.Load()
	next.topics = next.topics.with(put, remove)
	if state != nil {
		next.ControllerID = state.BrokerID
		next.Brokers = make([]BrokerInfo, 0, len(state.Live))
		for id, live := range state.Live {
			next.Brokers = append(next.Brokers, BrokerInfo{ID: id, Epoch: live.Epoch, Rack: live.Rack, Endpoints: live.Endpoints})
		}
		slices.SortFunc(next.Brokers, func(a, b BrokerInfo) int { return int(a.ID) - int(b.ID) })
	}
	s.metadata.Store(&next)
}
