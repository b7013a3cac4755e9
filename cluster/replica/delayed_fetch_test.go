package replica

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"klamm/logstore"
)

// grow has bytes become readable in a partition without a log.
func (p *Partition) grow(bytes int64) {
	var c completions
	p.mu.Lock()
	p.committed.bytes += bytes
	p.committed.completeLocked(&c)
	p.mu.Unlock()
	for _, w := range c.tight {
		if w.tighten() {
			c.fetch(w)
		}
	}
	for w := c.fire; w != nil; w = w.next { // on this goroutine, unlike run
		w.fire()
	}
}

// bare are partitions without logs, which this broker leads in epoch 0.
func bare(n int) []Partition {
	partitions := make([]Partition, n)
	for i := range partitions {
		partitions[i].state.Store(&State{Role: Leader})
	}
	return partitions
}

// modelled is a fetch that waits, and what the model says of it.
type modelled struct {
	*DelayedFetch
	watched []int
	missing int64
	fired   bool
}

// TestEachFetchIsWokenByTheAppendThatSatisfiesIt plays fetches over several partitions against a model that adds up.
func TestEachFetchIsWokenByTheAppendThatSatisfiesIt(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		partitions := bare(1 + random.IntN(8))
		var waiting []*modelled
		for range 400 {
			if random.IntN(4) == 0 {
				m := &modelled{missing: 1 << random.IntN(12)}
				m.watched = random.Perm(len(partitions))[:1+random.IntN(len(partitions))]
				m.DelayedFetch = NewDelayedFetch(m.missing, len(m.watched), func() { m.fired = true })
				for _, i := range m.watched {
					if !m.Watch(&partitions[i], 0, 0) {
						t.Fatal("moved")
					}
				}
				if !m.Arm() {
					t.Fatal("woken before anything came")
				}
				waiting = append(waiting, m)
			}
			at, bytes := random.IntN(len(partitions)), 1+random.Int64N(100)
			partitions[at].grow(bytes)
			kept := waiting[:0]
			for _, m := range waiting {
				for _, i := range m.watched {
					if i == at {
						m.missing -= bytes
					}
				}
				if m.fired != (m.missing <= 0) {
					t.Fatalf("seed %d: fired %t with %d bytes missing", seed, m.fired, m.missing)
				}
				if m.missing <= 0 {
					m.Unwatch()
				} else {
					kept = append(kept, m)
				}
			}
			waiting = kept
		}
		for _, m := range waiting {
			m.Unwatch()
		}
		for i := range partitions {
			if n := len(partitions[i].committed.watches); n > 0 {
				t.Fatalf("seed %d: partition %d still knows %d fetches", seed, i, n)
			}
		}
	}
}

// TestFetchIsWokenAmidAppendsToSeveralPartitions has appends race with each other's tightening: the fetch needs every byte.
func TestFetchIsWokenAmidAppendsToSeveralPartitions(t *testing.T) {
	for range 50 {
		const each = 1000
		partitions := bare(4)
		woken := make(chan struct{})
		w := NewDelayedFetch(each*int64(len(partitions)), len(partitions), func() { close(woken) })
		for i := range partitions {
			w.Watch(&partitions[i], 0, 0)
		}
		if !w.Arm() {
			t.Fatal("woken before anything came")
		}
		var appends sync.WaitGroup
		for i := range partitions {
			appends.Go(func() {
				for range each {
					partitions[i].grow(1)
				}
			})
		}
		<-woken
		w.Unwatch()
		appends.Wait()
	}
}

// TestFetchIsWokenByTheSecondOfTwoSyncs: the first sync counted the bytes of an append that only the second one made readable. A
// fetch that came between the two slept through the second.
func TestFetchIsWokenByTheSecondOfTwoSyncs(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	begun, release := f.holdSyncs()
	f.append()
	<-begun
	end := f.append().LastOffset + 1
	release <- struct{}{}
	<-begun
	w := NewDelayedFetch(1, 1, func() {})
	if !w.Watch(f.Partition, 3, 1) || !w.Arm() {
		t.Fatal("the second sync has not ended, and Watch says that it moved the high watermark")
	}
	committed := make(chan error, 1)
	if f.AwaitCommit(all(end), func(err error) { committed <- err }) {
		t.Fatal("committed before its sync")
	}
	release <- struct{}{}
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	f.disk.SetHook(nil)
	if w.state.Load() != fetchCompleted {
		t.Error("the fetch still waits for a byte that is readable")
	}
	w.Unwatch()
}

// TestFetchIsWokenByAppendsThatPassEachOther has the partition hear of two appends in the other order. The bytes of the first
// counted only with the next append.
func TestFetchIsWokenByAppendsThatPassEachOther(t *testing.T) {
	f := newFixture(t, nil)
	both := []logstore.Append{f.batch(), f.batch()}
	f.log.Append(both, 3, 1)
	w := NewDelayedFetch(int64(both[0].Result.Size+both[1].Result.Size), 1, func() {})
	if !w.Watch(f.Partition, 3, 0) || !w.Arm() {
		t.Fatal("nothing moved, and Watch says so")
	}
	for _, a := range []*logstore.Append{&both[1], &both[0]} {
		f.appended(3, a.Result.BaseOffset, a.Result.LastOffset+1, 1, int64(a.Result.Size), false)
	}
	if w.state.Load() != fetchCompleted {
		t.Error("the fetch still waits for bytes that are readable")
	}
	w.Unwatch()
}

// BenchmarkAppendWhileFetchesWait has fetches wait that need far more than each append brings.
func BenchmarkAppendWhileFetchesWait(b *testing.B) {
	for _, n := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := &bare(1)[0]
			for range n {
				w := NewDelayedFetch(1<<50, 1, func() {})
				w.Watch(p, 0, 0)
				w.Arm()
			}
			for b.Loop() {
				p.grow(100)
			}
		})
	}
}
