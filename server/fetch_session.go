package server

import (
	"math"
	"math/rand/v2"
	"sync"

	"klamm/protocol"
)

// sessionEvictionMs is how long a session must have been unused, or must have
// existed, before another may take its place (KIP-227;
// kafka.server.KafkaConfig's constant, not a property).
const sessionEvictionMs = 120_000

// Epochs of a fetch session that stand for something else than a number.
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

// fetchTarget is what a fetcher asks of one partition.
type fetchTarget struct {
	key              sessionKey
	name             string // of the topic; empty while its id is not known
	offset           int64
	maxBytes         int32
	leaderEpoch      int32
	lastFetchedEpoch int32
}

func (t *fetchTarget) topicPartition() protocol.TopicPartition {
	return protocol.TopicPartition{Topic: t.name, Partition: t.key.partition}
}

// sessionPartition is a partition of a session, with what its fetcher was told
// last. It is an element of the session's list.
type sessionPartition struct {
	target     fetchTarget
	hw         int64 // -1: tell again
	logStart   int64
	prev, next *sessionPartition
}

// fetchSession is one fetcher's standing request (KIP-227): the partitions in
// the order in which they are served, those served longest ago first.
type fetchSession struct {
	id           int32
	privileged   bool // a replica's: it may displace consumers' sessions
	usesTopicIDs bool
	createdMs    int64

	lastUsedMs int64 // guarded by the cache's mu
	cachedSize int   // guarded by the cache's mu; the number of partitions when last used

	mu         sync.Mutex
	epoch      int32                            // guarded by mu; what the next request must carry
	partitions map[sessionKey]*sessionPartition // guarded by mu
	head       sessionPartition                 // guarded by mu; the ring's sentinel
}

func newFetchSession(id int32, privileged, usesTopicIDs bool, nowMs int64) *fetchSession {
	fs := &fetchSession{
		id: id, privileged: privileged, usesTopicIDs: usesTopicIDs,
		createdMs: nowMs, lastUsedMs: nowMs, epoch: 1,
		partitions: make(map[sessionKey]*sessionPartition),
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

// setLocked adds a partition at the end, or changes what is asked of one.
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

// nextEpoch is the epoch that follows, skipping those with a meaning.
func nextEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}

// maxSessionPartitions bounds the partitions of all sessions together: each takes
// some 300 bytes, named once in 16. A fetcher beyond that gets no session, and names
// its partitions in each request.
const maxSessionPartitions = 100_000

// sessionCache holds the fetch sessions, at most max of them. Its time is
// Server.ticksMs: a clock that somebody sets back makes no session young for years.
//
// Order of locks: the cache's mu before a session's; never the other way round.
type sessionCache struct {
	max int

	mu       sync.Mutex
	sessions map[int32]*fetchSession // guarded by mu
	size     int                     // guarded by mu; the sum of their cachedSize
}

func newSessionCache(maxSessions int) *sessionCache {
	return &sessionCache{max: maxSessions, sessions: make(map[int32]*fetchSession)}
}

func (sc *sessionCache) get(id int32) *fetchSession {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.sessions[id]
}

// sizeOf is how many partitions a session has, 0 for one that is not known.
func (sc *sessionCache) sizeOf(id int32) int {
	if id == 0 {
		return 0
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if fs := sc.sessions[id]; fs != nil {
		return fs.cachedSize
	}
	return 0
}

func (sc *sessionCache) remove(id int32) {
	sc.mu.Lock()
	sc.removeLocked(id)
	sc.mu.Unlock()
}

func (sc *sessionCache) removeLocked(id int32) {
	if fs := sc.sessions[id]; fs != nil {
		sc.size -= fs.cachedSize
		delete(sc.sessions, id)
	}
}

// touch notes that the session was used, with so many partitions. One that grew
// to more than all may have together is given up: its fetcher begins another.
func (sc *sessionCache) touch(fs *fetchSession, size int, nowMs int64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.sessions[fs.id] == fs {
		sc.size += size - fs.cachedSize
	}
	grew := size > fs.cachedSize
	fs.lastUsedMs, fs.cachedSize = nowMs, size
	if grew && sc.size > maxSessionPartitions {
		sc.removeLocked(fs.id)
	}
}

// create makes a session for size partitions if there is room, or if one that
// is worth less can give way; nil when not. fill is called before others can
// find the session.
func (sc *sessionCache) create(privileged, usesTopicIDs bool, size int, nowMs int64, fill func(*fetchSession)) *fetchSession {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.size+size > maxSessionPartitions {
		sc.expireLocked(nowMs)
	}
	if sc.size+size > maxSessionPartitions || len(sc.sessions) >= sc.max && !sc.evictLocked(privileged, size, nowMs) {
		return nil
	}
	id := int32(0)
	for id == 0 || sc.sessions[id] != nil {
		id = rand.Int32N(math.MaxInt32)
	}
	fs := newFetchSession(id, privileged, usesTopicIDs, nowMs)
	fs.cachedSize = size
	fill(fs)
	sc.sessions[id] = fs
	sc.size += size
	return fs
}

// expireLocked gives up the sessions that are long unused.
func (sc *sessionCache) expireLocked(nowMs int64) {
	for id, fs := range sc.sessions {
		if nowMs-fs.lastUsedMs > sessionEvictionMs {
			sc.removeLocked(id)
		}
	}
}

// evictLocked gives up one session for a new one of so many partitions: one
// that is long unused; else the least valuable that the new one outranks. A
// replica's outranks a consumer's, more partitions outrank fewer, and one that
// is not old yet is only displaced by a replica (kafka.server.FetchSessionCacheShard).
func (sc *sessionCache) evictLocked(privileged bool, size int, nowMs int64) bool {
	var oldest, least *fetchSession
	for _, fs := range sc.sessions {
		if oldest == nil || fs.lastUsedMs < oldest.lastUsedMs {
			oldest = fs
		}
		old := nowMs-fs.createdMs > sessionEvictionMs
		if !old && !(privileged && !fs.privileged) {
			continue
		}
		if least == nil || lessValuable(fs, least.privileged, least.cachedSize, least.id) {
			least = fs
		}
	}
	switch {
	case oldest == nil:
		return false
	case nowMs-oldest.lastUsedMs > sessionEvictionMs:
		sc.removeLocked(oldest.id)
		return true
	case least != nil && lessValuable(least, privileged, size, 0):
		sc.removeLocked(least.id)
		return true
	}
	return false
}

// lessValuable orders sessions by what they are worth keeping.
func lessValuable(fs *fetchSession, privileged bool, size int, id int32) bool {
	if fs.privileged != privileged {
		return !fs.privileged
	}
	if fs.cachedSize != size {
		return fs.cachedSize < size
	}
	return fs.id < id
}
