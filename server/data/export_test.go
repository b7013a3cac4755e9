package data

import (
	"fmt"
	"sync/atomic"

	"klamm/cluster"
	"klamm/cluster/replica"
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

	MaxSessionPartitions = maxSessionPartitions
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

// Listed is how many partitions of a session the next request looks at if nothing is noted before it.
func (s *Service) Listed(id int32) (n int) {
	fs := s.sessions.get(id)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for p := fs.head.next; p != &fs.head; p = p.next {
		n++
	}
	if n != fs.listed {
		panic(fmt.Sprintf("%d partitions are listed, and counted as %d", n, fs.listed))
	}
	return n
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

// ReadInAsReplica reads from an offset of a partition that was in a state, as a follower that knows the state's leader epoch. It gives the
// error code.
func (s *Service) ReadInAsReplica(state *replica.State, p *replica.Partition, follower int32, offset int64) int16 {
	f := &fetchContext{server: s}
	f.req.ReplicaID = follower
	t := &fetchTarget{offset: offset, maxBytes: 1 << 20, leaderEpoch: state.LeaderEpoch, lastFetchedEpoch: -1}
	r := &fetchResult{}
	defer r.region.Release()
	return f.readIn(state, t, r, p, 1<<20, true)
}
