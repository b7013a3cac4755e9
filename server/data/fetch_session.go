package data

import (
	linked "container/list"
	"math"
	"sync"

	"klamm/protocol"
)

// sessionEvictionMs is how long a session must have been unused before any other session
// may take its place, and how long it must have existed before a more valuable one may
// (KIP-227). It is a constant in kafka.server.KafkaConfig and no property.
const sessionEvictionMs = 120_000

// The epochs that mark a full request. All others count the requests of a session.
const (
	initialEpoch = 0  // a full request that asks for a session
	finalEpoch   = -1 // a full request that wants none
)

// sessionKey names a partition in a session: by topic id in sessions of
// version 13 and later, by name before.
type sessionKey struct {
	topic     string
	id        protocol.UUID
	partition int32
}

// fetchTarget is what a fetcher asks for from one partition.
type fetchTarget struct {
	key              sessionKey
	name             string // the topic's name; empty while its id is unknown
	offset           int64
	maxBytes         int32
	leaderEpoch      int32
	lastFetchedEpoch int32
}

func (t *fetchTarget) topicPartition() protocol.TopicPartition {
	return protocol.TopicPartition{Topic: t.name, Partition: t.key.partition}
}

// sessionPartition is a partition of a session. It is an element of the session's list.
type sessionPartition struct {
	target     fetchTarget
	hw         int64 // the high watermark in the last answer that named it; -1: name it again
	logStart   int64 // the log start offset in that answer
	prev, next *sessionPartition
}

// fetchSession is one fetcher's standing request (KIP-227): the partitions in
// the order in which they are served, those served longest ago first.
type fetchSession struct {
	id           int32
	privileged   bool // the fetcher is a replica: the session may displace consumers' sessions
	usesTopicIDs bool
	createdMs    int64

	// Guarded by the cache's mu:
	lastUsedMs int64
	cachedSize int             // the number of partitions at the last use
	used       *linked.Element // its element of sessionCache.used; nil after the cache gave the session up
	young      *linked.Element // its element of sessionCache.young; nil for none
	places     [2]int          // its indexes in sessionCache.old and sessionCache.consumers; -1 for none

	mu         sync.Mutex
	epoch      int32                            // guarded by mu; the epoch of the next request
	partitions map[sessionKey]*sessionPartition // guarded by mu
	head       sessionPartition                 // guarded by mu; the ring's sentinel
}

func newFetchSession(id int32, privileged, usesTopicIDs bool, nowMs int64) *fetchSession {
	fs := &fetchSession{
		id: id, privileged: privileged, usesTopicIDs: usesTopicIDs,
		createdMs: nowMs, lastUsedMs: nowMs, epoch: 1,
		partitions: make(map[sessionKey]*sessionPartition), places: [2]int{-1, -1},
	}
	fs.head.prev, fs.head.next = &fs.head, &fs.head
	return fs
}

func (fs *fetchSession) pushLocked(p *sessionPartition) {
	p.prev, p.next = fs.head.prev, &fs.head
	p.prev.next, fs.head.prev = p, p
}

func (p *sessionPartition) unlink() {
	p.prev.next, p.next.prev = p.next, p.prev
}

// setLocked adds a partition at the end of the order, or changes what the fetcher asks for
// from a partition that the session has.
func (fs *fetchSession) setLocked(t fetchTarget) *sessionPartition {
	p := fs.partitions[t.key]
	if p == nil {
		p = &sessionPartition{target: t, hw: -1, logStart: -1}
		fs.partitions[t.key] = p
		fs.pushLocked(p)
		return p
	}
	t.name = p.target.name
	p.target = t
	return p
}

func (fs *fetchSession) forgetLocked(k sessionKey) {
	if p := fs.partitions[k]; p != nil {
		p.unlink()
		delete(fs.partitions, k)
	}
}

// nextEpoch returns the epoch that follows e. It skips initialEpoch and finalEpoch.
func nextEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}
