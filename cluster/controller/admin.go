package controller

import (
	"klamm/cluster/order"
	"klamm/protocol"
)

// CreateTopics asks for new topics. Each is granted or refused by itself.
type CreateTopics struct {
	Topics []NewTopic
	// ValidateOnly asks what would be answered, and changes nothing.
	ValidateOnly bool
	// TimeoutMs is how long to wait until the partitions have leaders and this broker shows that: what is not so by then, and with 0 or less
	// what was begun at all, is answered as order.ErrTimedOut, and happens all the same. So it is in the events below.
	TimeoutMs int32
	// AskedBy says who asks, for the log; "" if that is not known. So it is in the events below.
	AskedBy string
	// Results has one for each topic, in order.
	Results []TopicResult
}

// CreatePartitions asks for topics to have more partitions.
type CreatePartitions struct {
	Topics       []NewPartitions
	ValidateOnly bool
	TimeoutMs    int32
	AskedBy      string
	Results      []TopicResult
}

// DeleteTopics asks for topics to be deleted.
type DeleteTopics struct {
	Topics    []TopicRef
	TimeoutMs int32
	AskedBy   string
	Results   []TopicResult

	begun []begunDeletion
}

// begunDeletion is a topic that a DeleteTopics was the first to delete.
type begunDeletion struct {
	name       string
	id         protocol.UUID
	partitions int
}

// ElectLeaders asks for elections (KIP-460). The refusals of a partition, in the order of 3.9: there is none, its topic is being
// deleted, its leader is as it should be, no replica can lead.
type ElectLeaders struct {
	// Unclean asks for a leader, in sync or not, for partitions that have none; else the preferred replicas are to lead.
	Unclean bool
	// Partitions are those asked for, nil for all of topics that are not being deleted. Of all, those whose leader is as it should be
	// have no result.
	Partitions []protocol.TopicPartition
	TimeoutMs  int32
	Results    []ElectionResult
}

// ElectionResult is the answer for one partition.
type ElectionResult struct {
	protocol.TopicPartition
	Err error
	// Leader is the one elected, if Err is nil.
	Leader int32
}

func (*CreateTopics) event()     {}
func (*CreatePartitions) event() {}
func (*DeleteTopics) event()     {}
func (*ElectLeaders) event()     {}

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

// electLeaders notes the elections that are needed. The plan holds them.
func (s *State) electLeaders(e *ElectLeaders) {
	wanted := e.Partitions
	if wanted == nil {
		for p := range s.all {
			if p.topic.deletion == nil {
				wanted = append(wanted, p.tp())
			}
		}
	}
	e.Results = make([]ElectionResult, 0, len(wanted)) // its entries are pointed to: it must not grow
	for _, tp := range wanted {
		p := s.partition(tp)
		err := s.checkElection(p, e.Unclean)
		if e.Partitions == nil && err != nil && err.(*order.Error).Kind == order.ErrElectionNotNeeded {
			continue
		}
		e.Results = append(e.Results, ElectionResult{TopicPartition: tp, Err: err, Leader: -1})
		if err == nil {
			p.election = &election{unclean: e.Unclean, result: &e.Results[len(e.Results)-1]}
			s.queue(p)
		}
	}
}

func (s *State) checkElection(p *partition, unclean bool) error {
	switch {
	case p == nil:
		return order.Refuse(order.ErrUnknownTopic, "The partition does not exist.")
	case p.topic.deletion != nil:
		return order.Refuse(order.ErrInvalidTopic, "The topic is being deleted")
	case unclean && p.led() && s.brokers[p.State.Leader] != nil, !unclean && p.led() && p.State.Leader == p.Replicas.Replicas[0]:
		return order.Refuse(order.ErrElectionNotNeeded, "Leader election not needed for topic partition.")
	}
	return nil
}

// finish answers for the partitions of which the tree could not be asked or told.
func (e *ElectLeaders) finish(s *State) {
	for i := range e.Results {
		res := &e.Results[i]
		if p := s.partition(res.TopicPartition); p != nil && p.election != nil && p.election.result == res {
			p.election = nil
			res.Err = order.Refuse(order.ErrTimedOut, "The metadata tree cannot be read or written.")
		}
	}
}

// finish answers for the partitions of which the tree could not be told.
func (e *AlterReassignments) finish(s *State) {
	for i := range e.Partitions {
		if p := s.partition(e.Partitions[i].TopicPartition); p != nil && p.reassigner != nil {
			p.reassigner = nil
			e.Results[i] = order.Refuse(order.ErrTimedOut, "The metadata tree cannot be read or written.")
		}
	}
}
