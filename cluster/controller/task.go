package controller

import (
	"errors"
	"slices"

	"klamm/cluster/order"
)

// task is an event from outside with all that follows from it. Once it is queued it belongs to the controller's
// goroutine, but for done.
type task struct {
	event      Event
	deadlineMs int64 // when whoever asked is answered at the latest, by Controller.now
	unanswered int   // messages to brokers that were sent for it and are not answered yet
	untold     int   // those of them that are this broker's
	handled    bool  // the event was decided, and the tree has what was decided
	finished   bool
	done       chan error
}

func newTask(e Event) *task { return &task{event: e, done: make(chan error, 1)} }

// PatienceMs is how long a task waits for brokers if whoever asks names no time.
const PatienceMs = 30_000

// timeoutMs is how long whoever asks waits.
func (t *task) timeoutMs() int64 {
	switch e := t.event.(type) {
	case *CreateTopics:
		return int64(max(0, e.TimeoutMs))
	case *CreatePartitions:
		return int64(max(0, e.TimeoutMs))
	case *DeleteTopics:
		return int64(max(0, e.TimeoutMs))
	case *ElectLeaders:
		return int64(max(0, e.TimeoutMs))
	}
	return PatienceMs
}

// waitsFor says whether a task is finished only when a message is answered: the own broker's, so that whoever asked finds
// the change there, and those that make or delete logs.
func (t *task) waitsFor(m *message, own bool) bool {
	switch t.event.(type) {
	case *Started, *ElectLeaders, *AlterReassignments:
		return own
	case *CreateTopics, *CreatePartitions:
		return own || m.leads
	case *DeleteTopics:
		return own || m.stop != nil
	}
	return false
}

// created are the results of an event that makes partitions.
func (t *task) created() []TopicResult {
	switch e := t.event.(type) {
	case *CreateTopics:
		if !e.ValidateOnly {
			return e.Results
		}
	case *CreatePartitions:
		if !e.ValidateOnly {
			return e.Results
		}
	}
	return nil
}

// isLeaderless says whether a topic that was made has a partition without a leader, or with one that is not shown yet.
func (s *State) isLeaderless(res *TopicResult) bool {
	t := s.topics[res.Name]
	if res.Err != nil || t == nil || t.id != res.ID {
		return false
	}
	return slices.ContainsFunc(t.partitions, func(p *partition) bool { return !p.led() || p.State.Leader < 0 || p.hidden })
}

// isDone says whether a task can be answered.
func (s *State) isDone(t *task) bool {
	if !t.handled || t.unanswered > 0 {
		return false
	}
	for i, list := 0, t.created(); i < len(list); i++ {
		if s.isLeaderless(&list[i]) {
			return false
		}
	}
	return true
}

// close completes the answers of a task.
func (s *State) close(t *task) {
	late := t.untold > 0 || t.timeoutMs() == 0
	list := t.created()
	for i := range list {
		res := &list[i]
		if res.Err == nil && (late || s.isLeaderless(res)) {
			res.Err = &order.Error{Kind: order.ErrTimedOut}
		}
		if topic := s.topics[res.Name]; topic != nil && topic.creation != nil && topic.creation.result == res {
			topic.creation = nil
		}
	}
	if !late {
		return
	}
	switch e := t.event.(type) {
	case *DeleteTopics:
		for i := range e.Results {
			if e.Results[i].Err == nil {
				e.Results[i].Err = &order.Error{Kind: order.ErrTimedOut}
			}
		}
	case *ElectLeaders:
		for i := range e.Results {
			if e.Results[i].Err == nil {
				e.Results[i].Err = &order.Error{Kind: order.ErrTimedOut}
			}
		}
	}
}

// complete answers for what an event has left open when the tree has been read and written for it.
func (s *State) complete(e Event) {
	switch e := e.(type) {
	case *ControlledShutdown:
		e.finish()
	case *ElectLeaders:
		e.finish(s)
	case *AlterReassignments:
		e.finish(s)
	}
}

// wasDone says whether a topic was created: one that has no leader in time is there as well.
func wasDone(err error) bool {
	return err == nil || errors.Is(err, order.ErrTimedOut)
}
