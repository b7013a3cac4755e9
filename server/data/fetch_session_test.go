package data

import (
	"math"
	"testing"

	"klamm/protocol"
)

func target(topic string, partition int32) fetchTarget {
	return fetchTarget{key: sessionKey{topic: topic, partition: partition}, offset: 0, maxBytes: 1}
}

func sessionOf(sc *sessionCache, privileged bool, size int, nowMs int64) *fetchSession {
	replicaID := int32(-1)
	if privileged {
		replicaID = 1
	}
	return sc.create(replicaID, false, false, size, nowMs, func(*fetchSession) {})
}

// Which session gives way is told by the rules of the reference's cache: one
// unused for long; else the least valuable of those that may be displaced.
func TestSessionCacheEviction(t *testing.T) {
	const young, old = sessionEvictionMs, sessionEvictionMs + 1
	for _, tc := range []struct {
		name       string
		existing   bool // privileged
		size       int
		usedMs     int64 // when the existing one was used last; it was made at 0
		nowMs      int64
		newcomer   bool // privileged
		newSize    int
		wantEvicts bool
	}{
		{"stale", false, 9, 0, old, false, 1, true},
		{"in use and young", false, 1, young, young, false, 9, false},
		{"in use and old, fewer partitions", false, 1, old, old, false, 9, true},
		{"in use and old, more partitions", false, 9, old, old, false, 1, false},
		{"a replica displaces a young consumer", false, 9, young, young, true, 1, true},
		{"a replica does not displace a young replica", true, 1, young, young, true, 9, false},
		{"a consumer does not displace an old replica", true, 1, old, old, false, 9, false},
		{"a replica displaces an old replica with fewer", true, 1, old, old, true, 9, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sc := newSessionCache(1)
			first := sessionOf(sc, tc.existing, tc.size, 0)
			sc.touch(first, tc.size, tc.usedMs)
			second := sessionOf(sc, tc.newcomer, tc.newSize, tc.nowMs)
			if (second != nil) != tc.wantEvicts {
				t.Fatalf("a session was made: %v, want %v", second != nil, tc.wantEvicts)
			}
			if gone := sc.get(first.id) == nil; gone != tc.wantEvicts {
				t.Errorf("the first session is gone: %v, want %v", gone, tc.wantEvicts)
			}
		})
	}
}

// All sessions together have so many partitions at most, whether they come with a
// new session or are added to one.
func TestPartitionsOfAllSessionsAreBounded(t *testing.T) {
	sc := newSessionCache(10)
	first := sessionOf(sc, false, maxSessionPartitions-10, 0)
	small := sessionOf(sc, false, 5, 0)
	if first == nil || small == nil {
		t.Fatal("no session is made within the bound")
	}
	if sessionOf(sc, true, 6, 0) != nil {
		t.Error("a session is made beyond the bound")
	}
	sc.touch(small, 20, 1)
	if sc.get(small.id) != nil {
		t.Error("a session that grew beyond the bound is kept")
	}
	sc.touch(first, 100, 1)
	if sessionOf(sc, false, maxSessionPartitions-100, 1) == nil {
		t.Error("what a session gave up is not given to another")
	}
	if sessionOf(sc, false, maxSessionPartitions, sessionEvictionMs+2) == nil {
		t.Error("sessions long unused are in the way")
	}
	if sc.size != maxSessionPartitions {
		t.Errorf("%d partitions are counted", sc.size)
	}
}

func TestSessionWithoutSlotsIsNotMade(t *testing.T) {
	if sessionOf(newSessionCache(0), false, 1, 0) != nil {
		t.Error("a cache without slots made a session")
	}
}

func order(fs *fetchSession) []int32 {
	var got []int32
	for p := fs.head.next; p != &fs.head; p = p.next {
		got = append(got, p.target.key.partition)
	}
	return got
}

func TestSessionKeepsOrderAndForgets(t *testing.T) {
	fs := newFetchSession(1, -1, false, 0)
	for i := range int32(4) {
		fs.setLocked(target("t", i))
	}
	changed := target("t", 1)
	changed.offset = 7
	fs.setLocked(changed)
	fs.forgetLocked(sessionKey{topic: "t", partition: 2})
	fs.forgetLocked(sessionKey{topic: "t", partition: 9, id: protocol.UUID{1}})
	if got := order(fs); len(got) != 3 || got[0] != 0 || got[1] != 1 || got[2] != 3 {
		t.Errorf("order is %v, want [0 1 3]", got)
	}
	if got := fs.partitions[changed.key].target.offset; got != 7 {
		t.Errorf("offset is %d, want the one of the second request", got)
	}
}

func TestNextEpochSkipsThoseWithAMeaning(t *testing.T) {
	for e, want := range map[int32]int32{0: 1, 1: 2, math.MaxInt32: 1} {
		if got := nextEpoch(e); got != want {
			t.Errorf("nextEpoch(%d) = %d, want %d", e, got, want)
		}
	}
}

// What an incremental answer has to name, and how partitions that were served
// move behind those that were not.
func TestTellLocked(t *testing.T) {
	fs := newFetchSession(1, -1, false, 0)
	for i := range int32(2) {
		p := fs.setLocked(target("t", i))
		p.hw, p.logStart = 5, 0
	}
	f := &fetchContext{session: fs}
	first := target("t", 0)
	if f.tellLocked(&first, &fetchResult{preferred: -1, hw: 5}) {
		t.Error("a partition without news was named")
	}
	if !f.tellLocked(&first, &fetchResult{preferred: -1, hw: 6}) {
		t.Error("a high watermark that moved was not named")
	}
	if !f.tellLocked(&first, &fetchResult{preferred: -1, hw: 6, logStart: 2}) {
		t.Error("a log start offset that moved was not named")
	}
	if !f.tellLocked(&first, &fetchResult{preferred: -1, hw: -1, logStart: 2, code: 3}) {
		t.Error("an error was not named")
	}
	if !f.tellLocked(&first, &fetchResult{preferred: -1, hw: 6, logStart: 2}) {
		t.Error("a partition was not named again once its error was gone")
	}
	for range 2 {
		if !f.tellLocked(&first, &fetchResult{preferred: 3, hw: 6, logStart: 2}) {
			t.Error("a preferred replica was not named")
		}
	}
}
