package groupcoord

import "klamm/protocol"

// GroupSurvey is a group with its committed offsets, for metrics.
type GroupSurvey struct {
	Group        string
	ProtocolType string // empty for one that only keeps offsets
	State        State
	Members      int
	Offsets      []SurveyedOffset
}

// SurveyedOffset is a committed offset.
type SurveyedOffset struct {
	protocol.TopicPartition
	Offset   int64
	CommitMs int64 // when it was committed, in ms since 1970
}

// Survey gives the groups that are coordinated here, in no order. It locks one group at a time.
func (c *Coordinator) Survey() (list []GroupSurvey) {
	c.eachGroup(func(_ *shard, e *entry) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.state == Dead {
			return
		}
		g := GroupSurvey{Group: e.id, State: e.state, Members: len(e.members), Offsets: make([]SurveyedOffset, 0, e.offsets.count)}
		if e.kind != nil {
			g.ProtocolType = *e.kind
		}
		for topic, of := range e.topics {
			for partition, committed := range of.all() {
				g.Offsets = append(g.Offsets, SurveyedOffset{tpOf(topic, partition), committed.offset, committed.timeMs})
			}
		}
		list = append(list, g)
	})
	return list
}
