package logstore

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// TestConcurrentUse creates, fills and deletes partitions from many goroutines,
// each with partitions of its own and some shared by all, beside checkpoints,
// and then crashes: each goroutine finds its own partitions as it left them.
func TestConcurrentUse(t *testing.T) {
	const goroutines, rounds, own = 8, 60, 4
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/d1", "/d2"))
	var wg sync.WaitGroup
	ends := make([]map[protocol.TopicPartition]int64, goroutines)
	stop := make(chan struct{})
	var checkpoints sync.WaitGroup
	checkpoints.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Checkpoint()
			}
		}
	})
	for g := range goroutines {
		ends[g] = map[protocol.TopicPartition]int64{}
		wg.Go(func() { useStore(t, s, uint64(g), rounds, own, ends[g]) })
	}
	wg.Wait()
	close(stop)
	checkpoints.Wait()
	after := disk.CrashClone(1)
	closeStore(t, s)
	for _, d := range []*vfs.Mem{disk, after} {
		s = openStore(t, testStore(d, "/d1", "/d2"))
		for g := range goroutines {
			for i := range int32(own) {
				tp := tpOf("own", int32(g)*own+i)
				end, created := ends[g][tp]
				l, err := s.Get(tp)
				if created != (err == nil) || created && l.EndOffset() != end {
					t.Errorf("%s: %v; want created %v, end %d", tp, err, created, end)
				}
			}
		}
		closeStore(t, s)
	}
}

// useStore does random things to the goroutine's own partitions, which go as
// expected, and to a shared one, which may be deleted at any time.
func useStore(t *testing.T, s *Store, g uint64, rounds, own int, ends map[protocol.TopicPartition]int64) {
	r := rand.New(rand.NewPCG(g, 1))
	for range rounds {
		tp := tpOf("own", int32(g)*int32(own)+r.Int32N(int32(own)))
		_, created := ends[tp]
		switch r.IntN(4) {
		case 0:
			if err := s.Delete(tp); created != (err == nil) {
				t.Errorf("deleting %s, which is there: %v: %v", tp, created, err)
			}
			delete(ends, tp)
		case 1, 2:
			l, err := s.Create(tp, protocol.UUID{}, s.o.Defaults)
			if err == nil {
				err = appendTo(l, 2)
			}
			if err == nil {
				err = l.Flush(l.EndOffset())
			}
			if err != nil || l.EndOffset() != ends[tp]+2 {
				t.Errorf("%s: %v; want end %d", tp, err, ends[tp]+2)
				return
			}
			ends[tp] += 2
		case 3:
			shared := tpOf("shared", 0)
			_, err := s.Create(shared, topicID(1), s.o.Defaults)
			if r.IntN(2) == 0 {
				err = s.Delete(shared)
			}
			if err != nil && !errors.Is(err, ErrNoLog) {
				t.Errorf("%s: %v", shared, err)
			}
		}
	}
}
