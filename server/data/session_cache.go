package data

import (
	"container/heap"
	linked "container/list"
	"math"
	"math/rand/v2"
	"sync"
)

// maxSessionPartitions bounds the partitions of all sessions together but those of peers.
// Each takes some 300 bytes of memory, and only 16 bytes of a request. A fetcher for which
// there is no room gets no session, and has to name its partitions in each request.
//
// A peer's sessions have room however large they are: followers that name all their
// partitions in each request cost the leader more than sessions do. Together they have as
// many partitions as the peer follows, see giveWay.
const maxSessionPartitions = 100_000

// sessionCache holds the fetch sessions, at most max of them. Its times are those of
// Service.ticksMs. With the wall clock, a session would stay young for years after
// somebody had set the clock back.
//
// Order of locks: the cache's mu before a session's; never the other way round. Sessions are closed without the cache's.
type sessionCache struct {
	max int

	mu        sync.Mutex
	sessions  map[int32]*fetchSession // guarded by mu
	gone      []*fetchSession         // guarded by mu; sessions that were given up and are to be closed without mu
	evictions int64                   // guarded by mu; the sessions that made room for others
	size      int                     // guarded by mu; the sum of the sessions' cachedSize, without those of peers

	// These find the session to evict without a look at all sessions: any client may send full fetches as often as it
	// likes. All are guarded by mu.
	used      linked.List // all sessions in the order of their last use
	young     linked.List // the sessions that are no older than sessionEvictionMs, in the order of their creation
	old       sessionHeap // the older sessions
	consumers sessionHeap // the sessions of consumers, which a session of a replica may displace
}

func newSessionCache(maxSessions int) *sessionCache {
	return &sessionCache{max: maxSessions, sessions: make(map[int32]*fetchSession), consumers: sessionHeap{which: 1}}
}

// sessionHeap is a heap (container/heap) of sessions, the least valuable first. Each session has its index in
// fetchSession.places.
type sessionHeap struct {
	which    int // the index of this heap in fetchSession.places
	sessions []*fetchSession
}

func (h *sessionHeap) Len() int { return len(h.sessions) }

func (h *sessionHeap) Less(i, j int) bool {
	b := h.sessions[j]
	return lessValuable(h.sessions[i], b.privileged(), b.cachedSize, b.id)
}

func (h *sessionHeap) Swap(i, j int) {
	h.sessions[i], h.sessions[j] = h.sessions[j], h.sessions[i]
	h.sessions[i].places[h.which], h.sessions[j].places[h.which] = i, j
}

// Push implements heap.Interface.
func (h *sessionHeap) Push(x any) {
	fs := x.(*fetchSession)
	fs.places[h.which] = len(h.sessions)
	h.sessions = append(h.sessions, fs)
}

// Pop implements heap.Interface.
func (h *sessionHeap) Pop() any {
	last := len(h.sessions) - 1
	fs := h.sessions[last]
	fs.places[h.which] = -1
	h.sessions[last], h.sessions = nil, h.sessions[:last]
	return fs
}

// first returns the least valuable session, nil if the heap is empty.
func (h *sessionHeap) first() *fetchSession {
	if len(h.sessions) == 0 {
		return nil
	}
	return h.sessions[0]
}

// remove takes a session out if the heap has it.
func (h *sessionHeap) remove(fs *fetchSession) {
	if at := fs.places[h.which]; at >= 0 {
		heap.Remove(h, at)
	}
}

// fix restores the order after the value of a session has changed.
func (h *sessionHeap) fix(fs *fetchSession) {
	if at := fs.places[h.which]; at >= 0 {
		heap.Fix(h, at)
	}
}

// SessionState is what the fetch sessions are at one moment, for metrics.
type SessionState struct {
	Sessions   int
	Partitions int // of all sessions but those of peers
	Evictions  int64
}

// Sessions gives the state of the fetch sessions.
func (s *Service) Sessions() SessionState {
	sc := s.sessions
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return SessionState{Sessions: len(sc.sessions), Partitions: sc.size, Evictions: sc.evictions}
}

func (sc *sessionCache) get(id int32) *fetchSession {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.sessions[id]
}

func (sc *sessionCache) remove(id int32) {
	sc.mu.Lock()
	defer sc.unlock()
	sc.removeLocked(id)
}

// unlock releases mu, and closes the sessions that were given up under it.
func (sc *sessionCache) unlock() {
	gone := sc.gone
	sc.gone = nil
	sc.mu.Unlock()
	for _, fs := range gone {
		fs.close()
	}
}

func (sc *sessionCache) removeLocked(id int32) {
	if fs := sc.sessions[id]; fs != nil {
		if !fs.peer {
			sc.size -= fs.cachedSize
		}
		sc.gone = append(sc.gone, fs)
		delete(sc.sessions, id)
		sc.used.Remove(fs.used)
		fs.used = nil
		if fs.young != nil {
			sc.young.Remove(fs.young)
			fs.young = nil
		}
		sc.old.remove(fs)
		sc.consumers.remove(fs)
	}
}

// touch notes a use of the session, which has size partitions now. If the session, which
// is none of a peer, grew and there are more than maxSessionPartitions then, touch gives
// the session up: its fetcher begins another.
func (sc *sessionCache) touch(fs *fetchSession, size int, nowMs int64) {
	sc.mu.Lock()
	defer sc.unlock()
	if fs.used == nil {
		return // the cache has given the session up meanwhile
	}
	grew := !fs.peer && size > fs.cachedSize
	if !fs.peer {
		sc.size += size - fs.cachedSize
	}
	fs.lastUsedMs, fs.cachedSize = nowMs, size
	sc.used.MoveToBack(fs.used)
	sc.old.fix(fs)
	sc.consumers.fix(fs)
	if grew && sc.size > maxSessionPartitions {
		sc.removeLocked(fs.id)
	}
}

// giveWay gives up the sessions of a peer that have one of the partitions for which the peer begins another: it fetches each partition in one
// session. Without that, a peer that lost the answers to its first requests would leave behind a session with each of them, for as long as there
// are slots.
func (sc *sessionCache) giveWay(replicaID int32, targets []fetchTarget) {
	sc.mu.Lock()
	var sessions []*fetchSession
	for _, fs := range sc.sessions {
		if fs.peer && fs.replica == replicaID {
			sessions = append(sessions, fs)
		}
	}
	sc.mu.Unlock()
	for _, fs := range sessions {
		if fs.hasAny(targets) {
			sc.remove(fs.id)
		}
	}
}

// create makes a session of a replica, or with -1 of a consumer, for size partitions if there is room for it, or if a less
// valuable session can make room. It returns nil otherwise. It calls fill before any
// other request can find the session.
func (sc *sessionCache) create(replicaID int32, peer, usesTopicIDs bool, size int, nowMs int64, fill func(*fetchSession)) *fetchSession {
	privileged := replicaID >= 0
	sc.mu.Lock()
	defer sc.unlock()
	fits := func() bool { return peer || sc.size+size <= maxSessionPartitions }
	if !fits() {
		sc.expireLocked(nowMs)
	}
	if !fits() || len(sc.sessions) >= sc.max && !sc.evictLocked(privileged, size, nowMs) {
		return nil
	}
	id := int32(0)
	for id == 0 || sc.sessions[id] != nil {
		id = rand.Int32N(math.MaxInt32)
	}
	fs := newFetchSession(id, replicaID, usesTopicIDs, nowMs)
	fs.cachedSize, fs.peer = size, peer
	fill(fs)
	sc.sessions[id] = fs
	if !peer {
		sc.size += size
	}
	fs.used, fs.young = sc.used.PushBack(fs), sc.young.PushBack(fs)
	if !privileged {
		heap.Push(&sc.consumers, fs)
	}
	return fs
}

// expireLocked gives up the sessions that were not used for sessionEvictionMs.
func (sc *sessionCache) expireLocked(nowMs int64) {
	for sc.stalestLocked(nowMs) != nil {
		sc.removeLocked(sc.stalestLocked(nowMs).id)
	}
}

// stalestLocked returns the session whose last use is longest ago, nil if that is not more
// than sessionEvictionMs.
func (sc *sessionCache) stalestLocked(nowMs int64) *fetchSession {
	if first := sc.used.Front(); first != nil {
		if fs := first.Value.(*fetchSession); nowMs-fs.lastUsedMs > sessionEvictionMs {
			return fs
		}
	}
	return nil
}

// evictLocked gives up one session to make room for a new one of size partitions. It takes
// one that was not used for sessionEvictionMs, or else the least valuable session if the
// new one is more valuable. A replica's session is more valuable than a consumer's, and
// one with more partitions than one with fewer. Only a replica's session displaces a young
// session (kafka.server.FetchSessionCacheShard).
func (sc *sessionCache) evictLocked(privileged bool, size int, nowMs int64) bool {
	if stalest := sc.stalestLocked(nowMs); stalest != nil {
		sc.removeLocked(stalest.id)
		sc.evictions++
		return true
	}
	sc.ageLocked(nowMs)
	least := sc.old.first()
	if c := sc.consumers.first(); privileged && c != nil && (least == nil || lessValuable(c, least.privileged(), least.cachedSize, least.id)) {
		least = c
	}
	if least == nil || !lessValuable(least, privileged, size, 0) {
		return false
	}
	sc.removeLocked(least.id)
	sc.evictions++
	return true
}

// ageLocked moves the sessions that are no longer young from young to old.
func (sc *sessionCache) ageLocked(nowMs int64) {
	for first := sc.young.Front(); first != nil; first = sc.young.Front() {
		fs := first.Value.(*fetchSession)
		if nowMs-fs.createdMs <= sessionEvictionMs {
			return
		}
		sc.young.Remove(first)
		fs.young = nil
		heap.Push(&sc.old, fs)
	}
}

// lessValuable reports whether a session is less worth keeping than one with the given
// properties.
func lessValuable(fs *fetchSession, privileged bool, size int, id int32) bool {
	if fs.privileged() != privileged {
		return !fs.privileged()
	}
	if fs.cachedSize != size {
		return fs.cachedSize < size
	}
	return fs.id < id
}
