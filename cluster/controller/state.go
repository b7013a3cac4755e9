package controller

import (
	"maps"
	"slices"
	"strings"

	"klamm/cluster/znode"
	"klamm/protocol"
)

// State is all that the controller knows. It belongs to the goroutine that decides.
type State struct {
	// BrokerID is the controller's own.
	BrokerID int32
	// Epoch is the controller's, and EpochVersion its znode's: a write is conditional on it.
	Epoch, EpochVersion int32
	// Live are the registered brokers.
	Live map[int32]*LiveBroker
	// Topics are those in the tree, also those being deleted.
	Topics map[string]*Topic
	// Deleting are the topics marked for deletion, with the brokers that still have to delete their replicas.
	Deleting map[string]map[int32]bool

	// Unreadable are topics whose znode cannot be read: nothing is done with them, and their names stay taken.
	Unreadable map[string]bool

	// Failures are the orders that failed.
	Failures Failures

	byID     map[protocol.UUID]string
	collides map[string]string // '.' taken for '_' -> a topic so named
}

// LiveBroker is a registered broker.
type LiveBroker struct {
	znode.Broker
	// Epoch is the transaction that registered it.
	Epoch int64
}

// Topic is a topic with its partitions in order.
type Topic struct {
	Name string
	ID   protocol.UUID
	// Version is that of the topic's znode.
	Version int32
	// HasNode says whether the parent of the partitions is in the tree yet.
	HasNode    bool
	Partitions []Partition
}

// Partition is a partition's assignment and, once it was first led, its state.
type Partition struct {
	znode.Replicas
	State znode.PartitionState
	// Version is that of the state's znode (the partition's epoch), -1 while there is none.
	Version int32
	// HasNode says whether the state's parent is in the tree yet.
	HasNode bool
}

// NewState is a controller's knowledge before anything was read.
func NewState(brokerID int32) *State {
	return &State{
		BrokerID:   brokerID,
		Live:       map[int32]*LiveBroker{},
		Topics:     map[string]*Topic{},
		Deleting:   map[string]map[int32]bool{},
		Unreadable: map[string]bool{},
		Failures:   newFailures(),
		byID:       map[protocol.UUID]string{},
		collides:   map[string]string{},
	}
}

// PutTopic adds a topic, or replaces the one of that name.
func (s *State) PutTopic(t *Topic) {
	s.Topics[t.Name] = t
	if !t.ID.IsZero() {
		s.byID[t.ID] = t.Name
	}
	if hasCollisionChars(t.Name) {
		s.collides[unified(t.Name)] = t.Name
	}
}

func (s *State) removeTopic(name string) {
	t := s.Topics[name]
	if t == nil {
		return
	}
	delete(s.Topics, name)
	delete(s.Deleting, name)
	delete(s.Failures.Stop, name)
	if s.byID[t.ID] == name {
		delete(s.byID, t.ID)
	}
	if s.collides[unified(name)] == name {
		delete(s.collides, unified(name))
	}
}

// TopicByID finds a topic's name by its id.
func (s *State) TopicByID(id protocol.UUID) (string, bool) {
	name, ok := s.byID[id]
	return name, ok
}

// liveIDs are the registered brokers' ids in order.
func (s *State) liveIDs() []int32 { return slices.Sorted(maps.Keys(s.Live)) }

// names are the topics' names in order, so that decisions do not depend on the order of a map.
func (s *State) names() []string { return slices.Sorted(maps.Keys(s.Topics)) }

func hasCollisionChars(topic string) bool { return strings.ContainsAny(topic, "._") }

// unified is the name that a topic has in metrics, where '.' and '_' are the same: two topics must not share it.
func unified(topic string) string { return strings.ReplaceAll(topic, ".", "_") }
