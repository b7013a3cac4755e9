package metadata

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"klamm/cluster/order"
	"klamm/protocol"
)

// Endpoint is where clients reach a listener of a broker.
type Endpoint = order.Endpoint

// Snapshot is the cluster as clients see it, at one moment. It and all that it hands out are never changed;
// the next one shares with it what stayed the same.
type Snapshot struct {
	// ClusterID is the cluster's name for itself.
	ClusterID string
	// ControllerID is the broker that decides, -1 if that is not known.
	ControllerID int32
	// Brokers are the live ones, by id in order.
	Brokers []BrokerInfo
	topics  *topicTable
}

// shards cut the tables of topics so that a change copies one part of them only.
const shards = 256

type topicTable struct {
	count  int
	byName [shards]map[string]*Topic
	byID   [shards]map[protocol.UUID]*Topic

	sort   sync.Once
	sorted []*Topic // set by sort
}

// BrokerInfo is a live broker.
type BrokerInfo struct {
	ID int32
	// Epoch grows with each registration; -1 if it is not known, since UpdateMetadata does not carry it.
	Epoch     int64
	Endpoints []Endpoint
	Rack      *string
}

// Equal says whether all is the same of two brokers.
func (b BrokerInfo) Equal(other BrokerInfo) bool {
	sameRack := b.Rack == nil && other.Rack == nil || b.Rack != nil && other.Rack != nil && *b.Rack == *other.Rack
	return b.ID == other.ID && b.Epoch == other.Epoch && sameRack && slices.Equal(b.Endpoints, other.Endpoints)
}

// Endpoint finds a listener's address, false if the broker has no such listener.
func (b *BrokerInfo) Endpoint(listener string) (Endpoint, bool) {
	for _, e := range b.Endpoints {
		if e.Listener == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

// Topic is a topic as clients see it.
type Topic struct {
	Name string
	// ID is zero for a topic made before there were ids.
	ID         protocol.UUID
	Partitions Partitions
}

// IsInternal says whether the topic is one of Kafka's own.
func (t *Topic) IsInternal() bool { return IsInternalTopic(t.Name) }

// Kafka's own topics.
const (
	OffsetsTopic      = "__consumer_offsets"
	TransactionsTopic = "__transaction_state"
	shareGroupsTopic  = "__share_group_state"
)

// IsInternalTopic says whether a name is that of one of Kafka's own topics.
func IsInternalTopic(name string) bool {
	return name == OffsetsTopic || name == TransactionsTopic || name == shareGroupsTopic
}

// NoLeader stands for the leader of a partition that nobody leads.
const NoLeader int32 = -1

// Topic finds a topic by name, nil if there is none.
func (s *Snapshot) Topic(name string) *Topic { return s.topics.byName[shardOfName(name)][name] }

// TopicByID finds a topic by its id, nil if there is none.
func (s *Snapshot) TopicByID(id protocol.UUID) *Topic { return s.topics.byID[shardOfID(id)][id] }

// Partition finds a partition, nil if there is none.
func (s *Snapshot) Partition(tp protocol.TopicPartition) *Partition {
	t := s.Topic(tp.Topic)
	if t == nil || !t.Partitions.Has(tp.Partition) {
		return nil
	}
	return t.Partitions.At(int(tp.Partition))
}

// NumTopics counts the topics.
func (s *Snapshot) NumTopics() int { return s.topics.count }

// Topics goes over all topics, in no order.
func (s *Snapshot) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		for _, shard := range s.topics.byName {
			for _, t := range shard {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// SortedTopics are all topics by name. They are sorted once for a snapshot; the slice must not be changed.
func (s *Snapshot) SortedTopics() []*Topic {
	s.topics.sort.Do(func() {
		s.topics.sorted = slices.SortedFunc(s.Topics(), func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
	})
	return s.topics.sorted
}

// TopicNames are the names of all topics, sorted.
func (s *Snapshot) TopicNames() []string {
	names := make([]string, 0, s.topics.count)
	for _, t := range s.SortedTopics() {
		names = append(names, t.Name)
	}
	return names
}

// Broker finds a live broker, nil if it is not.
func (s *Snapshot) Broker(id int32) *BrokerInfo {
	for i := range s.Brokers {
		if s.Brokers[i].ID == id {
			return &s.Brokers[i]
		}
	}
	return nil
}

var nameSeed = maphash.MakeSeed()

func shardOfName(name string) int { return int(maphash.String(nameSeed, name) % shards) }

// shardOfID takes a byte of the id: ids are random.
func shardOfID(id protocol.UUID) int { return int(id[15]) % shards }

// with gives a table in which topics were put (or replaced) and others removed.
func (t *topicTable) with(put []*Topic, remove []string) *topicTable {
	next := &topicTable{count: t.count, byName: t.byName, byID: t.byID}
	var ownName, ownID [shards]bool
	drop := func(name string) {
		old := next.byName[shardOfName(name)][name]
		if old == nil {
			return
		}
		delete(own(&next.byName, &ownName, shardOfName(name)), name)
		if id := shardOfID(old.ID); next.byID[id][old.ID] == old {
			delete(own(&next.byID, &ownID, id), old.ID)
		}
		next.count--
	}
	for _, name := range remove {
		drop(name)
	}
	for _, topic := range put {
		drop(topic.Name)
		own(&next.byName, &ownName, shardOfName(topic.Name))[topic.Name] = topic
		if !topic.ID.IsZero() {
			own(&next.byID, &ownID, shardOfID(topic.ID))[topic.ID] = topic
		}
		next.count++
	}
	return next
}

// own gives a shard that may be changed: a copy, the first time.
func own[K comparable](all *[shards]map[K]*Topic, owned *[shards]bool, i int) map[K]*Topic {
	if !owned[i] {
		owned[i] = true
		if all[i] == nil {
			all[i] = map[K]*Topic{}
		} else {
			all[i] = maps.Clone(all[i])
		}
	}
	return all[i]
}
