package verify

import (
	"context"
	"sync"
	"time"
)

// throttle bounds the bytes a second over all connections. The zero value bounds nothing. Any goroutine may use it.
type throttle struct {
	rate int64 // bytes a second; 0 for no bound

	mu   sync.Mutex
	free time.Time // guarded by mu; when all bytes that were taken have had their time
}

// take waits until n more bytes may be read.
func (t *throttle) take(ctx context.Context, n int) error {
	if t.rate <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	t.mu.Lock()
	if t.free.Before(now) {
		t.free = now
	}
	wait := t.free.Sub(now)
	t.mu.Unlock()
	t.correct(n)
	return pause(ctx, wait)
}

// correct says that n more bytes came than were taken, or fewer where n is negative.
func (t *throttle) correct(n int) {
	if t.rate <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = t.free.Add(time.Duration(float64(n) / float64(t.rate) * float64(time.Second)))
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
