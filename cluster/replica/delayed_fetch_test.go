package replica

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// grow has bytes become readable in a partition without a log.
func (p *Partition) grow(bytes int64) {
	p.mu.Lock()
	p.readable += bytes
	woken, tight := p.completeFetchesLocked(nil, nil)
	p.mu.Unlock()
	for _, w := range tight {
		if w.tighten() {
			woken = append(woken, w)
		}
	}
	for _, w := range woken {
		w.fire()
	}
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
		partitions := make([]Partition, 1+random.IntN(8))
		var waiting []*modelled
		for range 400 {
			if random.IntN(4) == 0 {
				m := &modelled{missing: 1 << random.IntN(12)}
				m.watched = random.Perm(len(partitions))[:1+random.IntN(len(partitions))]
				m.DelayedFetch = NewDelayedFetch(m.missing, len(m.watched), func() { m.fired = true })
				for _, i := range m.watched {
					if !m.Watch(&partitions[i], 0) {
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
			if n := len(partitions[i].fetches); n > 0 {
				t.Fatalf("seed %d: partition %d still knows %d fetches", seed, i, n)
			}
		}
	}
}

// TestFetchIsWokenAmidAppendsToSeveralPartitions has appends race with each other's tightening: the fetch needs every byte.
func TestFetchIsWokenAmidAppendsToSeveralPartitions(t *testing.T) {
	for range 50 {
		const each = 1000
		partitions := make([]Partition, 4)
		woken := make(chan struct{})
		w := NewDelayedFetch(each*int64(len(partitions)), len(partitions), func() { close(woken) })
		for i := range partitions {
			w.Watch(&partitions[i], 0)
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

// BenchmarkAppendWhileFetchesWait has fetches wait that need far more than each append brings.
func BenchmarkAppendWhileFetchesWait(b *testing.B) {
	for _, n := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var p Partition
			for range n {
				w := NewDelayedFetch(1<<50, 1, func() {})
				w.Watch(&p, 0)
				w.Arm()
			}
			for b.Loop() {
				p.grow(100)
			}
		})
	}
}
