package verify

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestThrottle has four connections read under one bound, each answer smaller than what was asked for.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := throttle{rate: 1000}
		begun := time.Now()
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 25 {
					if err := limit.take(t.Context(), 1000); err != nil {
						t.Error(err)
					}
					limit.correct(100 - 1000)
				}
			})
		}
		readers.Wait()
		// 100 answers of 100 bytes take 10 seconds. While an answer is awaited its whole request counts.
		if took := time.Since(begun); took < 9*time.Second || took > 14*time.Second {
			t.Errorf("10,000 bytes at 1,000 a second took %v", took)
		}
		if err := limit.take(t.Context(), 100_000); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := limit.take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait of 100 seconds ended with %v", err)
		}
	})
}
