package data

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// heldIDs is a controller that gives blocks of two ids when the test lets it.
type heldIDs struct {
	first   int64
	release chan struct{}
}

func (h *heldIDs) NextProducerIDs(context.Context) (first int64, count int32, err error) {
	<-h.release
	h.first += 2
	return h.first, 2, nil
}

// TestProducerIDIsNotWaitedForLonger: the client is told to ask again after a second, and a block that comes later serves the next requests.
func TestProducerIDIsNotWaitedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &heldIDs{release: make(chan struct{}, 1)}
		var ids producerIDs
		begun := time.Now()
		if id, err := ids.next(from); !errors.Is(err, kerr.CoordinatorLoadInProgress) || time.Since(begun) != maxBlockWait {
			t.Errorf("id %d, %v after %v", id, err, time.Since(begun))
		}
		from.release <- struct{}{}
		for want := int64(2); want < 4; want++ {
			if id, err := ids.next(from); id != want || err != nil {
				t.Errorf("id %d, %v, want %d", id, err, want)
			}
		}
	})
}

// TestProducerIDAtHandCostsNothing: each request made a timer, though there was an id to give.
func TestProducerIDAtHandCostsNothing(t *testing.T) {
	ids := producerIDs{left: 1000}
	if n := testing.AllocsPerRun(100, func() { _, _ = ids.next(nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
