package groupcoord

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

// counted compares the memory that the coordinator counts with that of its groups.
func (w *world) counted() {
	w.t.Helper()
	var sum int64
	for _, s := range w.c.active() {
		for _, e := range s.all() {
			if sum += e.size(); e.offsets.count == 0 && e.weight != 0 {
				w.t.Errorf("group %s has no offset, and %d bytes are counted for them", e.id, e.weight)
			}
		}
	}
	if n := w.c.bytes.Load(); n != sum {
		w.t.Errorf("%d bytes are counted, and groups of %d are there", n, sum)
	}
}

// TestConcurrently has clients send requests of every kind at once, while the partition changes its leader. It checks that each request is
// answered and that no memory stays counted. The race detector checks the rest.
func TestConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, config: testConfig()}
		w.config.InitialRebalanceDelayMs = 0
		w.log = &memLog{}
		var mu sync.Mutex
		ids := 0
		w.c = New(testOptions(w.config, func(prefix string) string {
			mu.Lock()
			defer mu.Unlock()
			ids++
			return fmt.Sprint(prefix, ids)
		}))
		w.c.Elected(0, 1, w.log)
		w.c.Serve()
		synctest.Wait()
		var clients, answers sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				c := &busyClient{c: w.c, rnd: rand.New(rand.NewPCG(uint64(i), 0)), answers: &answers}
				for range 2000 {
					c.ask()
				}
			})
		}
		clients.Go(func() {
			for epoch := range int32(20) {
				w.c.ExpireOffsets()
				w.c.Resigned(0)
				w.c.Elected(0, epoch+2, w.log)
			}
		})
		clients.Wait()
		answers.Wait()  // time passes until all have one
		synctest.Wait() // the last load, too, has ended
		w.counted()
		w.indexed()
		w.c.Close()
		synctest.Wait()
		if n := w.c.bytes.Load(); n != 0 {
			t.Errorf("%d bytes are counted when all is closed", n)
		}
	})
}

// busyClient is one of many members. It accepts any answer.
type busyClient struct {
	c       *Coordinator
	rnd     *rand.Rand
	answers *sync.WaitGroup

	mu         sync.Mutex
	id         string
	generation int32
}

func (b *busyClient) ask() {
	group := fmt.Sprint("g", b.rnd.IntN(3))
	b.mu.Lock()
	id, generation := b.id, b.generation
	b.mu.Unlock()
	switch b.rnd.IntN(9) {
	case 0, 1:
		b.answers.Add(1)
		b.c.Join(&JoinRequest{
			Group: group, MemberID: id, ClientID: "c", SessionTimeoutMs: 6000, RebalanceTimeoutMs: 6000, ProtocolType: consumerProtocol,
			Protocols: []Protocol{{"range", subscribes("t")}}, NeedsKnownID: b.rnd.IntN(2) == 0, Done: func(a JoinAnswer) {
				b.mu.Lock()
				defer b.mu.Unlock()
				defer b.answers.Done()
				b.id, b.generation = a.MemberID, a.Generation
			},
		})
	case 2, 3:
		b.answers.Add(1)
		b.c.Sync(&SyncRequest{
			Group: group, MemberID: id, Generation: generation, Assignments: []Assignment{{id, []byte("t0")}},
			Done: func(SyncAnswer) { b.answers.Done() },
		})
	case 4:
		_ = b.c.Heartbeat(&HeartbeatRequest{Group: group, MemberID: id, Generation: generation})
	case 5:
		_, _ = b.c.Leave(group, []Leaver{{MemberID: id}})
	case 6:
		b.answers.Add(1)
		b.c.Commit(&CommitRequest{
			Group: group, Generation: -1, RetentionMs: -1, Offsets: []CommittedOffset{{Topic: "t", Offset: 1, TimestampMs: -1}},
			Done: func(error) { b.answers.Done() },
		})
	case 7:
		_, _ = b.c.FetchOffsets(group, nil, b.rnd.IntN(2) == 0)
		_, _ = b.c.DescribeGroup(group)
		_, _ = b.c.ListGroups(nil)
	case 8:
		_ = b.c.DeleteGroup(group)
		_, _ = b.c.DeleteOffsets(group, []Partitions{{"t", []int32{0}}})
	}
}
