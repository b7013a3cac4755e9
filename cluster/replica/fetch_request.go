package replica

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions of requests to a leader, those of inter.broker.protocol.version 3.9. Fetch 12 is the last one that names topics.
const (
	fetchVersion       = 17
	fetchByNameVersion = 12
	listOffsetsVersion = 9
)

// throttleCheckMs is how long it takes until it is looked at again whether the rate allows throttled partitions to be fetched.
const throttleCheckMs = 100

// buildRequest gives the next Fetch request, nil if there is nothing to ask for. The request is valid until the next call. The caller sends it,
// and passes the answer to handleResponse, or calls lost.
func (s *fetchState) buildRequest(nowMs int64, set *Settings) *kmsg.FetchRequest {
	s.wakeDue(nowMs)
	if holding := s.exceeded != nil && s.exceeded(); holding != s.holding {
		s.holding = holding
		s.touchAll()
	}
	if names := s.withoutID > 0; names != s.names {
		s.names = names
		s.session.endExisting()
	}
	s.begin(nowMs, set)
	for _, p := range s.changed {
		p.isChanged = false
		s.place(p, set.FetchMaxBytes)
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	if s.members == 0 {
		s.session.endExisting() // the leader forgets a session that nobody asks for
		return nil
	}
	return &s.req
}

// begin makes an empty request. A full one has to look at all partitions.
//
// A request names topics while a partition's topic has no id, as in a cluster whose controller knows none. There are no sessions then, in
// which a partition of a name could be of two topics.
func (s *fetchState) begin(nowMs int64, set *Settings) {
	if s.session.full() {
		s.forgetAll()
		s.touchAll()
	}
	s.builds++
	r := &s.req
	topics, forgotten := r.Topics[:0], r.ForgottenTopics[:0]
	*r = kmsg.NewFetchRequest()
	r.Topics, r.ForgottenTopics = topics, forgotten
	r.Version, r.SessionID, r.SessionEpoch = fetchVersion, s.session.id, s.session.epoch
	r.MinBytes, r.MaxBytes, r.MaxWaitMillis = set.FetchMinBytes, set.FetchResponseMaxBytes, s.waitMs(nowMs, set)
	if s.names {
		r.Version, r.SessionEpoch, r.ReplicaID = fetchByNameVersion, sessionless, s.replica
		clear(s.named)
		return
	}
	r.ReplicaState.ID, r.ReplicaState.Epoch = s.replica, s.brokerEpoch()
}

// waitMs is how long the leader may wait for records: no longer than until a delayed partition is due, which a request that is under way
// would keep waiting.
func (s *fetchState) waitMs(nowMs int64, set *Settings) int32 {
	wait := int64(set.FetchWaitMaxMs)
	if next := s.nextLook(nowMs); next >= 0 {
		wait = min(wait, next)
	}
	return int32(wait)
}

// nextLook is how long it takes until buildRequest gives another request, although nothing comes from outside: -1 for no such time.
func (s *fetchState) nextLook(nowMs int64) int64 {
	next := int64(-1)
	if len(s.delays) > 0 {
		next = max(s.delays[0].due-nowMs, 1)
	}
	if s.holding && (next < 0 || next > throttleCheckMs) {
		next = throttleCheckMs
	}
	return next
}

// place puts a partition into the request if the leader's session is to have it, and does not have it like this; or into the list of those
// to forget.
func (s *fetchState) place(p *fetched, maxBytes int32) {
	switch want := p.ready() && !s.held(p); {
	case want && !(p.member && p.sent == p.at && p.sentEpoch == p.leaderEpoch):
		if !p.member {
			p.member = true
			s.members++
		}
		p.sent, p.sentEpoch = p.at, p.leaderEpoch
		if s.names {
			s.named[p.tp] = p
		}
		s.ask(p, maxBytes)
	case !want && p.member:
		p.member = false
		s.members--
		s.forget(p)
		if p.gone {
			s.drop(p)
		}
	}
}

func (s *fetchState) ask(p *fetched, maxBytes int32) {
	t := p.topic
	if t.build != s.builds {
		t.build, t.at = s.builds, len(s.req.Topics)
		s.req.Topics = extend(s.req.Topics)
		r := &s.req.Topics[t.at]
		*r = kmsg.FetchRequestTopic{Topic: t.name, TopicID: t.id, Partitions: r.Partitions[:0]}
	}
	r := kmsg.NewFetchRequestTopicPartition()
	r.Partition, r.CurrentLeaderEpoch, r.PartitionMaxBytes = p.tp.Partition, p.sentEpoch, maxBytes
	r.FetchOffset, r.LastFetchedEpoch, r.LogStartOffset = p.sent.offset, p.sent.epoch, p.sent.start
	s.req.Topics[t.at].Partitions = append(s.req.Topics[t.at].Partitions, r)
}

func (s *fetchState) forget(p *fetched) {
	if s.session.full() {
		return
	}
	t := p.topic
	if t.forgetBuild != s.builds {
		t.forgetBuild, t.forgetAt = s.builds, len(s.req.ForgottenTopics)
		s.req.ForgottenTopics = extend(s.req.ForgottenTopics)
		r := &s.req.ForgottenTopics[t.forgetAt]
		*r = kmsg.FetchRequestForgottenTopic{Topic: t.name, TopicID: t.id, Partitions: r.Partitions[:0]}
	}
	r := &s.req.ForgottenTopics[t.forgetAt]
	r.Partitions = append(r.Partitions, p.tp.Partition)
}

// extend makes a list longer by one. The new element is what was there before, so that its memory is used again.
func extend[T any](list []T) []T {
	if len(list) < cap(list) {
		return list[:len(list)+1]
	}
	var zero T
	return append(list, zero)
}
