package data

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"klamm/cluster/replica"
	"klamm/server/request"
)

// gives is the session that gives way, found by looking at all of them.
func (sc *sessionCache) gives(privileged bool, size int, nowMs int64) *fetchSession {
	var oldest, least *fetchSession
	for _, fs := range sc.sessions {
		if oldest == nil || fs.lastUsedMs < oldest.lastUsedMs {
			oldest = fs
		}
		old := nowMs-fs.createdMs > sessionEvictionMs
		if !old && !(privileged && !fs.privileged()) {
			continue
		}
		if least == nil || lessValuable(fs, least.privileged(), least.cachedSize, least.id) {
			least = fs
		}
	}
	switch {
	case oldest != nil && nowMs-oldest.lastUsedMs > sessionEvictionMs:
		return oldest
	case least != nil && lessValuable(least, privileged, size, 0):
		return least
	}
	return nil
}

// TestSessionThatGivesWayIsFoundWithoutLookingAtAll compares the session that is given up with the one that the rules give.
func TestSessionThatGivesWayIsFoundWithoutLookingAtAll(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		sc, nowMs := newSessionCache(1+random.IntN(30)), int64(0)
		var all []*fetchSession
		for range 2000 {
			nowMs += 1 + random.Int64N(sessionEvictionMs/20)
			size, privileged := 1+random.IntN(20), random.IntN(4) == 0
			switch random.IntN(5) {
			case 0, 1:
				var want *fetchSession
				if len(sc.sessions) >= sc.max {
					want = sc.gives(privileged, size, nowMs)
				}
				full := len(sc.sessions) >= sc.max
				fs := sessionOf(sc, privileged, size, nowMs)
				if (fs != nil) != (!full || want != nil) || want != nil && sc.get(want.id) == want {
					t.Fatalf("seed %d, at %d: the session made is %v, the one to give way %+v", seed, nowMs, fs != nil, want)
				}
				if fs != nil {
					all = append(all, fs)
				}
			case 2:
				if len(all) > 0 {
					sc.remove(all[random.IntN(len(all))].id)
				}
			default:
				if len(all) > 0 {
					sc.touch(all[random.IntN(len(all))], size, nowMs)
				}
			}
			sum := 0
			for _, fs := range sc.sessions {
				sum += fs.cachedSize
			}
			if n := len(sc.sessions); sum != sc.size || n != sc.used.Len() || n != sc.young.Len()+sc.old.Len() {
				t.Fatalf("seed %d: %d sessions with %d partitions, counted %d; used %d, young %d, old %d", seed, n, sum, sc.size,
					sc.used.Len(), sc.young.Len(), sc.old.Len())
			}
		}
	}
}

// A request waited in the place of a later one of its session, and read again and again what only the later one could take out of the session's news.
func TestRequestDoesNotWaitOnceALaterOneHasUsedItsSession(t *testing.T) {
	fs := newFetchSession(1, 9, false, 0)
	earlier := &fetchContext{session: fs}
	earlier.req.SessionEpoch, fs.epoch = 1, 2
	if earlier.ended() || !earlier.watch(replica.NewDelayedFetch(1, 0, nil)) {
		t.Fatal("the request does not wait although none came after it")
	}
	later := &fetchContext{session: fs}
	later.req.SessionEpoch, fs.epoch = 2, 3
	woken := 0
	waits := replica.NewDelayedFetch(1, 0, func() { woken++ })
	if later.ended() || !later.watch(waits) || !waits.Arm() {
		t.Fatal("the later request does not wait")
	}
	if earlier.watch(replica.NewDelayedFetch(1, 0, nil)) || !earlier.ended() {
		t.Error("the earlier request waits for news that are the later one's")
	}
	if fs.close(); woken != 1 {
		t.Errorf("the later request was woken %d times", woken)
	}
}

// BenchmarkFullFetchWithoutASlot is what a fetcher costs that gets no session, with so many that have one.
func BenchmarkFullFetchWithoutASlot(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sc := newSessionCache(n)
			for range n {
				sessionOf(sc, false, 1, 0)
			}
			for b.Loop() {
				if sessionOf(sc, false, 1, 1) != nil {
					b.Fatal("a session was made")
				}
			}
		})
	}
}

// Partitions that are noted while a follower's fetch waits are counted with those that it was begun with, and uncounted with them.
func TestPartitionsThatAFetchFindsWhileItWaitsAreCounted(t *testing.T) {
	s := &Service{}
	f := &fetchContext{server: s, call: &request.Call{}, session: newFetchSession(1, 9, false, 0)}
	f.req.SessionEpoch, f.session.epoch = 1, 2
	for p := range int32(maxFetchTargets + 1) {
		f.session.setLocked(fetchTarget{key: sessionKey{topic: "t", partition: p}})
	}
	f.lookAgain()
	if got := s.fetching.Load(); got != maxFetchTargets+1 {
		t.Errorf("%d partitions are counted while the fetch is under way", got)
	}
	f.free()
	if got := s.fetching.Load(); got != 0 {
		t.Errorf("%d partitions are counted after it", got)
	}
}
