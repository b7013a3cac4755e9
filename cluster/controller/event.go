package controller

import (
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/protocol"
)

// Event is something that the controller has to decide about: one of *Started, *CreateTopics,
// *CreatePartitions, *DeleteTopics from outside; *OrdersAnswered, *ReplicasStopped, *ReplicasNotMade, *RetryDue from what was
// decided before. Answers are left in the event itself.
type Event interface{ event() }

// Started comes first, when the state was read from the tree: partitions without a leader get one,
// deletions that were under way go on, and every live broker is told all that concerns it.
type Started struct{}

// CreateTopics asks for new topics. Each is granted or refused by itself.
type CreateTopics struct {
	Topics []NewTopic
	// ValidateOnly asks what would be answered, and changes nothing.
	ValidateOnly bool
	// AskedBy says who asks, for the log; "" if that is not known. So it is in the events below.
	AskedBy string
	// Results has one for each topic, in order.
	Results []TopicResult
}

// CreatePartitions asks for topics to have more partitions.
type CreatePartitions struct {
	Topics       []NewPartitions
	ValidateOnly bool
	AskedBy      string
	Results      []TopicResult
}

// DeleteTopics asks for topics to be deleted.
type DeleteTopics struct {
	Topics  []TopicRef
	AskedBy string
	Results []TopicResult

	begun []begunDeletion
}

// begunDeletion is a topic that a DeleteTopics was the first to delete.
type begunDeletion struct {
	name       string
	id         protocol.UUID
	partitions int
}

// OrdersAnswered says what became of the orders in one message to a broker. The errors are one for each order, nil for what
// went well; nil stands for all.
type OrdersAnswered struct {
	Broker   int32
	Lead     []order.LeaderAndISR
	LeadErrs []error
	Stop     []order.StopReplica
	StopErrs []error
	// NowMs is when the answer came, in ms since 1970.
	NowMs int64
}

// RetryDue says that it is time to send orders again that failed for a reason that passes.
type RetryDue struct {
	// NowMs is the time, in ms since 1970.
	NowMs int64
}

// ReplicasStopped says that a broker has deleted its replicas of topics that are being deleted.
type ReplicasStopped struct {
	Broker int32
	Topics []string
}

// ReplicasNotMade says that a broker could not create the logs of new partitions, as on a full disk. The partitions are
// removed again: the client has no answer yet, and nobody has seen them.
type ReplicasNotMade struct {
	Broker int32
	Topics []NotMade
}

// NotMade is a topic of which new partitions, those from number From on, could not be created, and why.
type NotMade struct {
	Name string
	From int
	Err  error
}

func (*Started) event()          {}
func (*OrdersAnswered) event()   {}
func (*RetryDue) event()         {}
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
	// Configured are the properties of topics that were just created.
	Configured map[string]map[string]string
	// Changed is what clients see otherwise than before, once the brokers have their orders.
	Changed []Change
	// Removed are the topics that clients see no more, from now on.
	Removed []string
	// Next are the events that follow at once, after the writes.
	Next []Event
}

// Change is a topic that clients see otherwise than before.
type Change struct {
	Topic string
	// Partitions are those that changed, in any order and some perhaps twice; nil stands for the whole topic.
	Partitions []int32
}

// change notes that one partition changed.
func (d *Decision) change(topic string, partition int32) {
	if n := len(d.Changed); n > 0 && d.Changed[n-1].Topic == topic {
		if last := &d.Changed[n-1]; last.Partitions != nil {
			last.Partitions = append(last.Partitions, partition)
		}
		return
	}
	d.Changed = append(d.Changed, Change{topic, []int32{partition}})
}

// changeTopic notes that a whole topic changed.
func (d *Decision) changeTopic(topic string) { d.Changed = append(d.Changed, Change{Topic: topic}) }

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
