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
func (s *sender) Send(broker int32, lead []LeaderAndISR, stop []StopReplica) []controller.Event {
	b := (*Broker)(s)
	if broker != b.o.BrokerID {
		return nil
	}
	var follow []controller.Event
	if len(lead) > 0 {
		if failed := b.lead(lead); len(failed) > 0 {
			follow = append(follow, &controller.ReplicasNotMade{Broker: broker, Topics: failed})
		}
	}
	if len(stop) > 0 {
		follow = append(follow, &controller.ReplicasStopped{Broker: broker, Topics: b.stop(stop)})
	}
	return follow
}

// lead gives the topics of which new partitions could not be made.
func (b *Broker) lead(orders []LeaderAndISR) []controller.NotMade {
	errs := b.o.Replicas.LeaderAndISR(orders, b.TopicConfig)
	var failed []controller.NotMade
	for i, err := range errs {
		if err == nil {
			continue
		}
		tp := orders[i].TopicPartition
		b.mu.Lock()
		b.offline[tp] = true
		b.mu.Unlock()
		if orders[i].IsNew {
			b.o.Logger.Error("partition cannot be made", "partition", tp, "error", err)
			if n := len(failed); n == 0 || failed[n-1].Name != tp.Topic {
				failed = append(failed, controller.NotMade{Name: tp.Topic, From: firstNew(orders, tp.Topic), Err: err})
			}
		} else {
			b.o.Logger.Error("partition is offline", "partition", tp, "error", err)
		}
	}
	return failed
}

// firstNew is the number of the first new partition of a topic.
func firstNew(orders []LeaderAndISR, topic string) int {
	first := -1
	for i := range orders {
		if o := &orders[i]; o.Topic == topic && o.IsNew && (first < 0 || int(o.Partition) < first) {
			first = int(o.Partition)
		}
	}
	return first
}

// stop gives the topics of which nothing is left here. A topic of which something could not be deleted stays marked for
// deletion, to be tried again at the next start.
func (b *Broker) stop(orders []StopReplica) []string {
	errs := b.o.Replicas.StopReplica(orders)
	kept := map[string]bool{}
	var topics []string
	for i, order := range orders {
		if i < len(errs) && errs[i] != nil {
			kept[order.Topic] = true
			b.o.Logger.Error("partition could not be deleted", "partition", order.TopicPartition, "error", errs[i])
		}
		if len(topics) == 0 || topics[len(topics)-1] != order.Topic {
			topics = append(topics, order.Topic)
		}
	}
	return slices.DeleteFunc(topics, func(t string) bool { return kept[t] })
}

// Configure implements controller.Sender.
func (s *sender) Configure(topic string, config map[string]string) {
	(*Broker)(s).setTopicConfig(topic, config)
}

// Remove implements controller.Sender.
func (s *sender) Remove(topics []string) {
	for _, topic := range topics {
		(*Broker)(s).setTopicConfig(topic, nil)
	}
	s.replace(nil, nil, topics)
}

// Publish implements controller.Sender.
func (s *sender) Publish(state *controller.State, topics []string) {
	var put []*Topic
	var remove []string
	s.mu.Lock()
	for _, name := range topics {
		t := state.Topics[name]
		if t == nil || state.Deleting[name] != nil {
			remove = append(remove, name)
			continue
		}
		// Partitions that could not be made and were taken back.
		maps.DeleteFunc(s.offline, func(tp protocol.TopicPartition, _ bool) bool {
			return tp.Topic == name && int(tp.Partition) >= len(t.Partitions)
		})
		put = append(put, (*Broker)(s).topicLocked(state, t))
	}
	s.mu.Unlock()
	s.replace(state, put, remove)
}

// topicLocked makes a topic as clients see it.
func (b *Broker) topicLocked(state *controller.State, t *controller.Topic) *Topic {
	topic := &Topic{Name: t.Name, ID: t.ID, Partitions: make([]Partition, len(t.Partitions))}
	for i := range t.Partitions {
		from, p := &t.Partitions[i], &topic.Partitions[i]
		*p = Partition{Index: int32(i), Leader: NoLeader, LeaderEpoch: -1, Replicas: from.Replicas.Replicas}
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
		b.takeOfflineLocked(protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}, p)
	}
	return topic
}

// replace makes the next snapshot; with a state the brokers are new as well.
func (s *sender) replace(state *controller.State, put []*Topic, remove []string) {
	if gone := s.swap(state, put, remove); len(gone) > 0 && s.o.TopicsDeleted != nil {
		s.o.TopicsDeleted(gone)
	}
}

// swap does that, and gives the topics that are no more.
func (s *sender) swap(state *controller.State, put []*Topic, remove []string) (gone []*Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range remove {
		if t := s.metadata.Load().Topic(name); t != nil {
			gone = append(gone, t)
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
	return gone
}
