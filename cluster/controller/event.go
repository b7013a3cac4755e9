package controller

import (
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/protocol"
)

// Event is something that the controller has to decide about: one of *Started, *CreateTopics,
// *CreatePartitions, *DeleteTopics, *ReplicasStopped, *ReplicasNotMade. Answers are left in the event itself.
type Event interface{ event() }

// Started comes first, when the state was read from the tree: partitions without a leader get one,
// deletions that were under way go on, and every live broker is told all that concerns it.
type Started struct{}

// CreateTopics asks for new topics. Each is granted or refused by itself.
type CreateTopics struct {
	Topics []NewTopic
	// ValidateOnly asks what would be answered, and changes nothing.
	ValidateOnly bool
	// Results has one for each topic, in order.
	Results []TopicResult
}

// CreatePartitions asks for topics to have more partitions.
type CreatePartitions struct {
	Topics       []NewPartitions
	ValidateOnly bool
	Results      []TopicResult
}

// DeleteTopics asks for topics to be deleted.
type DeleteTopics struct {
	Topics  []TopicRef
	Results []TopicResult
}

// ReplicasStopped says that a broker has let go of its replicas of topics that are being deleted.
type ReplicasStopped struct {
	Broker int32
	Topics []string
}

// ReplicasNotMade says that a broker could not make logs of new partitions, as on a full disk. What was
// created is taken back: it was not answered yet, and nobody has seen it.
type ReplicasNotMade struct {
	Broker int32
	Topics []NotMade
}

// NotMade is a topic of which new partitions, those from number From on, could not be made, and why.
type NotMade struct {
	Name string
	From int
	Err  error
}

func (*Started) event()          {}
func (*CreateTopics) event()     {}
func (*CreatePartitions) event() {}
func (*DeleteTopics) event()     {}
func (*ReplicasStopped) event()  {}
func (*ReplicasNotMade) event()  {}

// NewTopic is a topic asked for.
type NewTopic struct {
	Name string
	// Partitions and ReplicationFactor are -1 for the broker's default, and -1 both with an Assignment.
	Partitions        int32
	ReplicationFactor int16
	// Assignment, if any, says which brokers hold each partition.
	Assignment []Assignment
	// Configs are the topic's own properties; a null value is refused.
	Configs []ConfigEntry
	// ID is the topic's id; the edge draws it.
	ID protocol.UUID
}

// Assignment is one partition's replicas, the preferred leader first.
type Assignment struct {
	Partition int32
	Replicas  []int32
}

// ConfigEntry is a property and its value, nil for null.
type ConfigEntry struct {
	Name  string
	Value *string
}

// NewPartitions asks for a topic to have Count partitions in all.
type NewPartitions struct {
	Topic string
	Count int32
	// Assignment, if not nil, has the replicas of each new partition.
	Assignment [][]int32
}

// TopicRef is a topic by its name, or by its id if that is set.
type TopicRef struct {
	Name string
	ID   protocol.UUID
}

// TopicResult is the answer for one topic.
type TopicResult struct {
	Name              string
	ID                protocol.UUID
	Partitions        int32
	ReplicationFactor int16
	// Err is nil or an [*order.Error], or what the tree answered.
	Err error
}

// Decision is what follows from an event.
type Decision struct {
	// Writes go to the tree in one transaction; the orders are sent after it.
	Writes []meta.Op
	// Puts are nodes that are set, or created where they are not there, in the same transaction.
	Puts []Put
	// Remove are paths that go in the same transaction with all that is below them, if they are there.
	Remove []string
	// LeaderAndISR and Stop are the orders by broker.
	LeaderAndISR map[int32][]order.LeaderAndISR
	Stop         map[int32][]order.StopReplica
	// Configured are the properties of topics that were just made.
	Configured map[string]map[string]string
	// Changed and Removed are the topics that clients see otherwise than before.
	Changed, Removed []string
}

// Put is a node that may be there already, left over from something that was interrupted.
type Put struct {
	Path string
	Data []byte
}

func (d *Decision) lead(broker int32, o order.LeaderAndISR) {
	if d.LeaderAndISR == nil {
		d.LeaderAndISR = map[int32][]order.LeaderAndISR{}
	}
	d.LeaderAndISR[broker] = append(d.LeaderAndISR[broker], o)
}

func (d *Decision) stop(broker int32, o order.StopReplica) {
	if d.Stop == nil {
		d.Stop = map[int32][]order.StopReplica{}
	}
	d.Stop[broker] = append(d.Stop[broker], o)
}
