package data

import (
	"container/heap"
	linked "container/list"
	"math"
	"math/rand/v2"
	"sync"
)

// maxSessionPartitions bounds the partitions of all sessions together: each takes
// some 300 bytes, named once in 16. A fetcher beyond that gets no session, and names
// its partitions in each request.
const maxSessionPartitions = 100_000

// sessionCache holds the fetch sessions, at most max of them. Its time is
// Service.ticksMs: a clock that somebody sets back makes no session young for years.
//
// Order of locks: the cache's mu before a session's; never the other way round.
type sessionCache struct {
	max int

	mu       sync.Mutex
	sessions map[int32]*fetchSession // guarded by mu
	size     int                     // guarded by mu; the sum of their cachedSize

	// So that a full fetch, which any client may send as often as it likes, does not look at all sessions. All are guarded by mu.
	used      linked.List // all sessions, the one used last at the end
	young     linked.List // those made no longer than sessionEvictionMs ago, the last at the end
	old       sessionHeap // the others
	consumers sessionHeap // all consumers' sessions, which a replica's may displace
}

func newSessionCache(maxSessions int) *sessionCache {
	return &sessionCache{max: maxSessions, sessions: make(map[int32]*fetchSession), consumers: sessionHeap{which: 1}}
}

// sessionHeap is a heap (container/heap) of sessions, the least valuable first. Each knows its places.
type sessionHeap struct {
	which    int // of fetchSession.places
	sessions []*fetchSession
}

func (h *sessionHeap) Len() int { return len(h.sessions) }

func (h *sessionHeap) Less(i, j int) bool {
	b := h.sessions[j]
	return lessValuable(h.sessions[i], b.privileged, b.cachedSize, b.id)
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

// first is the least valuable session, nil for none.
func (h *sessionHeap) first() *fetchSession {
	if len(h.sessions) == 0 {
		return nil
	}
	return h.sessions[0]
}

// remove takes a session out if it is in.
func (h *sessionHeap) remove(fs *fetchSession) {
	if at := fs.places[h.which]; at >= 0 {
		heap.Remove(h, at)
	}
}

// fix puts a session into its place whose value has changed.
func (h *sessionHeap) fix(fs *fetchSession) {
	if at := fs.places[h.which]; at >= 0 {
		heap.Fix(h, at)
	}
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

// touch notes that the session was used, with so many partitions. One that grew
// to more than all may have together is given up: its fetcher begins another.
func (sc *sessionCache) touch(fs *fetchSession, size int, nowMs int64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if fs.used == nil {
		return // given up meanwhile
	}
	sc.size += size - fs.cachedSize
	grew := size > fs.cachedSize
	fs.lastUsedMs, fs.cachedSize = nowMs, size
	sc.used.MoveToBack(fs.used)
	sc.old.fix(fs)
	sc.consumers.fix(fs)
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
	fs.used, fs.young = sc.used.PushBack(fs), sc.young.PushBack(fs)
	if !privileged {
		heap.Push(&sc.consumers, fs)
	}
	return fs
}

// expireLocked gives up the sessions that are long unused.
func (sc *sessionCache) expireLocked(nowMs int64) {
	for sc.stalestLocked(nowMs) != nil {
		sc.removeLocked(sc.stalestLocked(nowMs).id)
	}
}

// stalestLocked is the session that is unused for longest, nil where that is not long.
func (sc *sessionCache) stalestLocked(nowMs int64) *fetchSession {
	if first := sc.used.Front(); first != nil {
		if fs := first.Value.(*fetchSession); nowMs-fs.lastUsedMs > sessionEvictionMs {
			return fs
		}
	}
	return nil
}

// evictLocked gives up one session for a new one of so many partitions: one
// that is long unused; else the least valuable that the new one outranks. A
// replica's outranks a consumer's, more partitions outrank fewer, and one that
// is not old yet is only displaced by a replica (kafka.server.FetchSessionCacheShard).
func (sc *sessionCache) evictLocked(privileged bool, size int, nowMs int64) bool {
	if stalest := sc.stalestLocked(nowMs); stalest != nil {
		sc.removeLocked(stalest.id)
		return true
	}
	sc.ageLocked(nowMs)
	least := sc.old.first()
	if c := sc.consumers.first(); privileged && c != nil && (least == nil || lessValuable(c, least.privileged, least.cachedSize, least.id)) {
		least = c
	}
	if least == nil || !lessValuable(least, privileged, size, 0) {
		return false
	}
	sc.removeLocked(least.id)
	return true
}

// ageLocked notes which sessions are not young any more.
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
