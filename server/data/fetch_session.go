package data

import (
	linked "container/list"
	"math"
	"slices"
	"sync"

	"klamm/cluster/replica"
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
	logStart         int64 // where a follower's log starts

	watch *replica.FollowerWatch // in a follower's session; nil in others
}

func (t *fetchTarget) topicPartition() protocol.TopicPartition {
	return protocol.TopicPartition{Topic: t.name, Partition: t.key.partition}
}

// sessionPartition is a partition of a session.
type sessionPartition struct {
	target     fetchTarget
	hw         int64             // the high watermark in the last answer that named it; -1: name it again
	logStart   int64             // the log start offset in that answer
	prev, next *sessionPartition // in the session's list; nil when it is not in there
	epoch      int32             // the epoch of the last request that has looked at it
}

// fetchSession is one fetcher's standing request (KIP-227): a list of partitions in
// the order in which they are served, those served longest ago first.
//
// A follower's session lists only those partitions of which there may be news. One that has nothing for the follower leaves the list
// until the leader notes a change (replica.FollowerSession): a follower asks for thousands of partitions twice a second, and few of them change.
//
// Order of locks: the cache's mu, a session's mu, then those of the partitions and of the replica.FollowerSession.
type fetchSession struct {
	id           int32
	replica      int32                    // the replica's broker id; -1 for a consumer
	peer         bool                     // a replica asked for it on a listener for brokers
	follower     *replica.FollowerSession // nil for a consumer
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
	head       sessionPartition                 // guarded by mu; the list is a ring, of which this is the sentinel
	listed     int                              // guarded by mu; how many partitions the list has
	noted      []*replica.FollowerWatch         // guarded by mu; listLocked uses its memory
}

// newFetchSession makes a session of a replica, or with -1 of a consumer.
func newFetchSession(id, replicaID int32, usesTopicIDs bool, nowMs int64) *fetchSession {
	fs := &fetchSession{
		id: id, replica: replicaID, usesTopicIDs: usesTopicIDs,
		createdMs: nowMs, lastUsedMs: nowMs, epoch: 1,
		partitions: make(map[sessionKey]*sessionPartition), places: [2]int{-1, -1},
	}
	if fs.privileged() {
		fs.follower = replica.NewFollowerSession()
	}
	fs.head.prev, fs.head.next = &fs.head, &fs.head
	return fs
}

// privileged reports whether the fetcher is a replica: the session may displace consumers' sessions.
func (fs *fetchSession) privileged() bool { return fs.replica >= 0 }

// pushLocked puts a partition that is not in the list at its end.
func (fs *fetchSession) pushLocked(p *sessionPartition) {
	p.prev, p.next = fs.head.prev, &fs.head
	p.prev.next, fs.head.prev = p, p
	fs.listed++
}

// unlinkLocked takes a partition out of the list.
func (fs *fetchSession) unlinkLocked(p *sessionPartition) {
	if p.next != nil {
		p.prev.next, p.next.prev = p.next, p.prev
		p.prev, p.next = nil, nil
		fs.listed--
	}
}

// looksAt is how many partitions a request would look at now, by what the session has: a follower's may be in the list and noted besides.
func (fs *fetchSession) looksAt() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.listed
	if fs.follower != nil {
		n += fs.follower.Noted()
	}
	return min(n, len(fs.partitions))
}

// setLocked adds a partition at the end of the order, or changes what the fetcher asks for
// from a partition that the session has.
func (fs *fetchSession) setLocked(t fetchTarget) *sessionPartition {
	p := fs.partitions[t.key]
	if p == nil {
		p = &sessionPartition{target: t, hw: -1, logStart: -1}
		if fs.follower != nil {
			p.target.watch = fs.follower.Watch(p)
		}
		fs.partitions[t.key] = p
		fs.pushLocked(p)
		return p
	}
	t.name, t.watch = p.target.name, p.target.watch
	p.target = t
	if t.watch != nil {
		t.watch.Moves()
	}
	if p.next == nil {
		fs.pushLocked(p)
	}
	return p
}

func (fs *fetchSession) forgetLocked(k sessionKey) {
	if p := fs.partitions[k]; p != nil {
		fs.unlinkLocked(p)
		delete(fs.partitions, k)
		if p.target.watch != nil {
			p.target.watch.Detach()
		}
	}
}

// hasAny reports whether the session has one of the partitions.
func (fs *fetchSession) hasAny(targets []fetchTarget) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.ContainsFunc(targets, func(t fetchTarget) bool { return fs.partitions[t.key] != nil })
}

// listLocked puts the partitions into the list of which there is news.
func (fs *fetchSession) listLocked() {
	if fs.follower == nil {
		return
	}
	fs.noted = fs.follower.Take(fs.noted[:0])
	for _, w := range fs.noted {
		if p := w.Element.(*sessionPartition); p.next == nil && fs.partitions[p.target.key] == p {
			fs.pushLocked(p)
		}
	}
	clear(fs.noted)
}

// close ends the noting of changes. The caller holds no lock.
func (fs *fetchSession) close() {
	if fs.follower == nil {
		return
	}
	fs.follower.Close()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, p := range fs.partitions {
		p.target.watch.Detach()
	}
}

// nextEpoch returns the epoch that follows e. It skips initialEpoch and finalEpoch.
func nextEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}
