package data

import (
	"sync/atomic"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/request"
	"klamm/server/transport"
)

// What tests of a whole broker look at.
const (
	OldAnswerBytes  = oldAnswerBytes
	OldTotalBytes   = oldTotalBytes
	MaxFetching     = maxFetching
	MaxFetchTargets = maxFetchTargets
	InitialEpoch    = initialEpoch
	TopicIDVersion  = topicIDVersion
	FirstBatchFetch = firstBatchFetch
)

// OldBytes counts the converted records that are in memory.
func (s *Service) OldBytes() *atomic.Int64 { return &s.oldBytes }

// Fetching counts the partitions of the large fetches under way.
func (s *Service) Fetching() *atomic.Int64 { return &s.fetching }

// Held is how many requests of many elements that wait for nothing are being served.
func (s *Service) Held() int { return len(s.places[request.WaitsForNothing]) }

// SessionAge gives when a session was made and used last, and what time it is, all in ms.
func (s *Service) SessionAge(id int32) (created, used, now int64, ok bool) {
	fs := s.sessions.get(id)
	if fs == nil {
		return 0, 0, 0, false
	}
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	return fs.createdMs, fs.lastUsedMs, s.ticksMs(), true
}

// ProduceAt stores what one topic of a produce is given, by the metadata that its request was begun with.
func (s *Service) ProduceAt(meta *cluster.Metadata, version int16, in *protocol.ProduceTopic) protocol.ProduceTopicResponse {
	p := &produceCall{server: s, call: &request.Call{Header: protocol.RequestHeader{Version: version}, Conn: &transport.Conn{}}}
	p.req.Acks = 1
	p.waiting.Store(1)
	var out protocol.ProduceTopicResponse
	p.topic(s, meta, in, &out, nil)
	return out
}
