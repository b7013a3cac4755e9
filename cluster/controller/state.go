package controller

import (
	"maps"
	"slices"
	"strings"

	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// State is all that the controller knows. Memory follows the tree: what the state says of topics and partitions
// is what was read or written there last. It belongs to the goroutine that decides.
type State struct {
	// BrokerID is the controller's own.
	BrokerID int32
	// Epoch is the controller's, and EpochVersion that of its znode: every write is conditional on it.
	Epoch, EpochVersion int32

	rules  *Rules
	loaded bool // the tree was read once

	brokers  map[int32]*broker // the registered ones
	topics   map[string]*topic // those in the tree, also those that are being deleted
	setAside map[string]bool   // topics whose znode cannot be read: nothing is done with them, and their names stay taken

	byID     map[protocol.UUID]string
	collides map[string]string // '.' taken for '_' -> a topic so named

	failures failures
	legacy   legacyReassignment

	// unclean remembers, for the event in hand, which topics may elect a leader that is not in sync.
	unclean map[string]bool

	// What is left to plan, and what the plan waits for; see plan.go and effects.go.
	dirty       []*partition
	dirtyTopics []*topic
	unread      []*partition
	undecided   []*partition // their topics' configurations say whether they may have a leader that is not in sync
	effects     effects

	nowMs int64
}

// broker is a registered broker.
type broker struct {
	id int32
	znode.Broker
	// epoch is the czxid of the registration.
	epoch int64
	// shuttingDown says that the broker asked for a controlled shutdown: it leads and joins nothing any more.
	shuttingDown bool
	// suspect says that its process seems to be dead: see Suspected.
	suspect bool
}

// topic is a topic with its partitions in order.
type topic struct {
	name string
	id   protocol.UUID
	// version is that of the topic's znode.
	version int32
	// hasNode says whether the parent of the partitions is in the tree yet.
	hasNode    bool
	partitions []*partition

	deletion *deletion // nil unless the topic is marked for deletion
	creation *creation // nil unless somebody waits for partitions that were just created

	busy   bool // a change of the topic's znode is under way
	queued bool // it is in dirtyTopics
	// extra are partitions in the topic's znode that a topic being deleted must not have.
	extra bool
}

// partition is a partition's assignment and, once it was first led, its state.
type partition struct {
	topic *topic
	// Replicas is the assignment as it stands in the topic's znode.
	znode.Replicas
	// next is the assignment that the topic's znode is to have, nil if it is to stay.
	next *znode.Replicas

	// State is as in the tree; version is its znode's (the partition's epoch), -1 while there is none.
	State   znode.PartitionState
	version int32
	// hasNode says whether the state's parent is in the tree yet.
	hasNode bool

	status   partitionStatus
	replicas []*replica

	// What a plan remembers from one step to the next.
	busy       bool // a change of the state is under way
	asking     bool // the topic's configuration is read before a leader is elected
	unread     bool // the tree has to be asked what the state is
	broken     bool // the body of the state cannot be read: nothing is done with the partition
	queued     bool // it is in dirty
	bump       bool // the leader epoch has to grow, so that brokers act on what they are told
	told       bool // the replicas that a reassignment adds were told by this controller
	moved      bool // a replica that a reassignment keeps leads in a leader epoch that was written for that
	hidden     bool // it is new, and nobody is told of it yet: see reveal
	ready      bool // its first leader has answered, or another leads it by now
	completing bool // the state is that of the end of a reassignment, and the topic's znode not yet
	election   *election
	reassigner func(error) // told if the tree cannot be told of next, nil if nobody waits for that
}

// replica is one broker's replica of a partition.
type replica struct {
	broker int32
	status replicaStatus
	// untold says that the broker was told nothing of the partition since it registered.
	untold bool
}

// isUsable says that the replica's log works, as far as is known.
func (r *replica) isUsable() bool { return r.status == replicaOnline || r.status == replicaNew }

// NewState is a controller's knowledge before anything was read.
func NewState(brokerID, epoch, epochVersion int32, rules *Rules) *State {
	return &State{
		BrokerID: brokerID, Epoch: epoch, EpochVersion: epochVersion, rules: rules,
		brokers: map[int32]*broker{}, topics: map[string]*topic{}, setAside: map[string]bool{},
		byID: map[protocol.UUID]string{}, collides: map[string]string{},
		failures: newFailures(), legacy: legacyReassignment{version: -1}, unclean: map[string]bool{},
	}
}

// putTopic adds a topic, or replaces the one of that name.
func (s *State) putTopic(t *topic) {
	s.topics[t.name] = t
	if !t.id.IsZero() {
		s.byID[t.id] = t.name
	}
	if hasCollisionChars(t.name) {
		s.collides[unified(t.name)] = t.name
	}
}

// removeTopic forgets a topic that the tree does not have any more.
func (s *State) removeTopic(t *topic) {
	if s.topics[t.name] != t {
		return
	}
	delete(s.topics, t.name)
	s.failures.forget(t.name, 0)
	if s.byID[t.id] == t.name {
		delete(s.byID, t.id)
	}
	if s.collides[unified(t.name)] == t.name {
		delete(s.collides, unified(t.name))
	}
}

// partition finds a partition, nil if there is none.
func (s *State) partition(tp protocol.TopicPartition) *partition {
	t := s.topics[tp.Topic]
	if t == nil || tp.Partition < 0 || int(tp.Partition) >= len(t.partitions) {
		return nil
	}
	return t.partitions[tp.Partition]
}

// brokerIDs are the registered brokers' ids in order.
func (s *State) brokerIDs() []int32 { return slices.Sorted(maps.Keys(s.brokers)) }

// liveIDs are the registered brokers that are not shutting down, in order.
func (s *State) liveIDs() []int32 {
	return slices.DeleteFunc(s.brokerIDs(), func(id int32) bool { return !s.isLive(id) })
}

// isLive says whether a broker is registered, not shutting down, and not suspected to be dead.
func (s *State) isLive(id int32) bool {
	b := s.brokers[id]
	return b != nil && !b.shuttingDown && !b.suspect
}

// suspects are the registered brokers that are suspected to be dead.
func (s *State) suspects() []int32 {
	return slices.DeleteFunc(s.brokerIDs(), func(id int32) bool { return !s.brokers[id].suspect })
}

// live are the registered brokers.
func (s *State) live() []order.LiveBroker {
	list := make([]order.LiveBroker, 0, len(s.brokers))
	for _, id := range s.brokerIDs() {
		b := s.brokers[id]
		list = append(list, order.LiveBroker{ID: id, Epoch: b.epoch, Endpoints: b.Endpoints, Rack: b.Rack})
	}
	return list
}

// names are the topics' names in order, so that decisions do not depend on the order of a map.
func (s *State) names() []string { return slices.Sorted(maps.Keys(s.topics)) }

// all goes over all partitions, by topic and number.
func (s *State) all(yield func(*partition) bool) {
	for _, name := range s.names() {
		for _, p := range s.topics[name].partitions {
			if !yield(p) {
				return
			}
		}
	}
}

func (p *partition) tp() protocol.TopicPartition {
	return protocol.TopicPartition{Topic: p.topic.name, Partition: p.Partition}
}

// led says whether the partition ever had a leader.
func (p *partition) led() bool { return p.version >= 0 }

// replica finds a broker's replica, nil if it has none.
func (p *partition) replica(id int32) *replica {
	for _, r := range p.replicas {
		if r.broker == id {
			return r
		}
	}
	return nil
}

// isReassigning says whether replicas are being added or removed. The deletion of the topic ends that, though the tree has it until the topic is gone.
func (p *partition) isReassigning() bool {
	return len(p.Adding)+len(p.Removing) > 0 && !p.topic.isFrozen()
}

// target are the replicas after the reassignment.
func (p *partition) target() []int32 { return without(p.Replicas.Replicas, p.Removing) }

// origin are the replicas before the reassignment.
func (p *partition) origin() []int32 { return without(p.Replicas.Replicas, p.Adding) }

// without gives the ids that are not among others, in their order.
func without(ids, others []int32) []int32 {
	if len(others) == 0 {
		return ids
	}
	var left []int32
	for _, id := range ids {
		if !slices.Contains(others, id) {
			left = append(left, id)
		}
	}
	return left
}

func hasCollisionChars(topic string) bool { return strings.ContainsAny(topic, "._") }

// unified is the name that a topic has in metrics, where '.' and '_' are the same: two topics must not share it.
func unified(topic string) string { return strings.ReplaceAll(topic, ".", "_") }
