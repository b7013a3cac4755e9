package replica

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// fetchAction is what a fetcher has to do with a partition after an answer. It asks fetched.current before, since the partition may be
// another follower's, or none's, by then.
type fetchAction struct {
	do fetchActionKind
	p  *fetched
	// answer has the records to append, or the leader's diverging epoch.
	answer *kmsg.FetchResponseTopicPartition
}

type fetchActionKind int8

const (
	doAppend   fetchActionKind = iota // append the records, and take over high watermark and log start offset
	doTruncate                        // truncate to where the log diverges from the leader's
)

// FetchAnswerError says that a leader refused a Fetch as a whole, or answered it with partitions that were not asked for or without
// some that were.
type FetchAnswerError struct {
	Leader int32
	Reason string
	Err    error // the leader's error; nil if the answer makes no sense
}

func (e *FetchAnswerError) Error() string {
	return fmt.Sprintf("broker %d answered a fetch with %s", e.Leader, e.Reason)
}

// Unwrap gives the leader's error.
func (e *FetchAnswerError) Unwrap() error { return e.Err }

// lost takes in that the last request got no answer. Nobody knows whether the leader has it.
func (s *fetchState) lost() { s.session.endExisting() }

// handleResponse takes in the answer to the last request. It gives the actions for the fetcher, which are valid until the next call. The error
// is a *FetchAnswerError without a leader: then nothing of the answer is of use.
func (s *fetchState) handleResponse(nowMs int64, set *Settings, resp *kmsg.FetchResponse) ([]fetchAction, error) {
	full := s.session.full()
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		if errors.Is(err, kerr.FetchSessionIDNotFound) {
			s.session.reset()
		} else {
			s.session.endExisting()
		}
		return nil, &FetchAnswerError{Reason: err.Error(), Err: err}
	}
	if problem := s.match(resp, full); problem != "" {
		if s.session.endExisting(); full {
			s.session.reset()
		}
		return nil, &FetchAnswerError{Reason: problem}
	}
	s.session.answered(resp.SessionID)
	s.todo = s.todo[:0]
	n := 0
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			s.handlePartition(nowMs, set, s.found[n], &resp.Topics[i].Partitions[j])
			n++
		}
	}
	clear(s.found)
	return s.todo, nil
}

// match finds the partitions of an answer, and says what is wrong with it. An answer to a full request has each of the request's partitions;
// another one has some of the session's.
func (s *fetchState) match(resp *kmsg.FetchResponse, full bool) (problem string) {
	s.found = s.found[:0]
	for i := range resp.Topics {
		topic := &resp.Topics[i]
		for j := range topic.Partitions {
			number := topic.Partitions[j].Partition
			var p *fetched
			if s.names { // perhaps of two topics that have had the name
				p = s.named[protocol.TopicPartition{Topic: topic.Topic, Partition: number}]
			} else if t := s.byID[topic.TopicID]; t != nil {
				p = t.partitions[number]
			}
			if p == nil || !p.member || p.answer == s.builds {
				return fmt.Sprintf("partition %d of topic %s%s, which was not asked for", number, topic.Topic, idString(topic))
			}
			p.answer = s.builds
			s.found = append(s.found, p)
		}
	}
	if full && len(s.found) != s.members {
		return fmt.Sprintf("%d of %d partitions", len(s.found), s.members)
	}
	return ""
}

func idString(t *kmsg.FetchResponseTopic) string {
	if t.TopicID == [16]byte{} {
		return ""
	}
	return fmt.Sprintf("%x", t.TopicID)
}

// handlePartition takes in the answer for one partition. It is ignored unless the partition is still where it was asked for: meanwhile it may
// have been given another leader epoch, or truncated.
func (s *fetchState) handlePartition(nowMs int64, set *Settings, p *fetched, answer *kmsg.FetchResponseTopicPartition) {
	if !p.current() {
		return
	}
	switch err := kerr.ErrorForCode(answer.ErrorCode); {
	case err == nil && answer.DivergingEpoch.Epoch >= 0:
		// Nothing else of this answer is taken over: high watermark and log start offset come with the next one (KAFKA-14704).
		s.todo = append(s.todo, fetchAction{doTruncate, p, answer})
	case err == nil:
		s.todo = append(s.todo, fetchAction{doAppend, p, answer})
	case errors.Is(err, kerr.OffsetOutOfRange):
		p.phase = lookingUp
		s.touch(p)
		s.enqueue(p)
	default:
		s.refused(p, nowMs, set, err)
	}
}

// refused takes in an error of the leader for a partition.
//
// A leader with a newer leader epoch than this broker's makes the partition fail: the controller's order with that epoch is on its way. All
// other errors pass, mostly when the leader hears of its own election.
func (s *fetchState) refused(p *fetched, nowMs int64, set *Settings, err error) {
	if errors.Is(err, kerr.FencedLeaderEpoch) {
		s.fail(p)
		s.refusals = append(s.refusals, fetchRefusal{p.tp, err, true})
		return
	}
	s.delay(p, nowMs, int64(set.FetchBackoffMs))
	if p.backoffMs >= refusalLogMs && !p.refusalLogged {
		p.refusalLogged = true
		s.refusals = append(s.refusals, fetchRefusal{p.tp, err, false})
	}
}

// refusalLogMs is the delay from which on errors of a leader are worth a line in the log. Each change of leaders brings shorter ones.
const refusalLogMs = 300

// takeRefusals gives what there is to log.
func (s *fetchState) takeRefusals() []fetchRefusal {
	list := s.refusals
	s.refusals = nil
	return list
}

// appended takes in that the answer of a partition was appended, with which the log is at a position, or why not.
func (s *fetchState) appended(p *fetched, nowMs int64, set *Settings, at fetchPosition, leaderHW int64, err error) {
	s.moveTo(p, at)
	if err != nil {
		s.broken(p, nowMs, set, err)
		return
	}
	p.backoffMs, p.refusalLogged = 0, false
	if lag := max(leaderHW-at.offset, 0); lag != p.lag {
		p.lag = lag
		if s.holding {
			s.touch(p)
		}
	}
}

// truncated takes in that a log was truncated, with which it is at a position, or why not. The partition is fetched from there, with the
// leader epoch that the log has there: if the leader does not know that one either, it says so, and the log is truncated further.
func (s *fetchState) truncated(p *fetched, nowMs int64, set *Settings, at fetchPosition, err error) {
	if err != nil {
		if p.phase != truncating { // there the position is where the log has to be cut, and the log still goes past it
			s.moveTo(p, at)
		}
		s.broken(p, nowMs, set, err)
		return
	}
	before := p.at
	s.moveTo(p, at)
	if p.phase != truncating && at == before { // the leader may well answer the same again
		s.delay(p, nowMs, int64(set.FetchBackoffMs))
	}
	p.phase = fetching
	s.touch(p)
}

// broken takes in that a partition's log could not be changed. It goes on after errors that pass: a batch that is corrupt may come whole the next
// time, and a full disk may get room.
func (s *fetchState) broken(p *fetched, nowMs int64, set *Settings, err error) {
	if passing(err) {
		s.delay(p, nowMs, int64(set.FetchBackoffMs))
	} else {
		s.fail(p)
	}
}

// passing says whether it is of use to fetch again after an error of a follower's log.
func passing(err error) bool {
	return logstore.Transient(err) || errors.As(err, new(*batch.CorruptError)) || errors.As(err, new(*logstore.UnexpectedOffsetError)) ||
		errors.As(err, new(*FollowerOffsetError))
}
