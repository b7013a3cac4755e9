package logstore

import "sync"

const (
	// clockStepMs is how far ahead the clock may be set, at once, and be believed at once.
	clockStepMs = 60_000
	// clockDoubtMs is for how long a clock that was set ahead by more is not believed by
	// what deletes.
	clockDoubtMs = 3_600_000
)

// steadyTime is the time that deleting goes by: the clock's, but when that jumps ahead
// it goes on as before for an hour, in case the clock is set back again. What was
// deleted too early would not come back; what is deleted an hour late does no harm. A
// clock that goes back is followed at once.
type steadyTime struct {
	mu sync.Mutex
	// Guarded by mu. All in ms.
	known    bool
	ahead    int64 // how far the time that is believed is ahead of the time elapsed
	jumped   bool
	jumpedAt int64 // the time elapsed when the clock was found too far ahead
}

// nowMs gives the time. clock is what the clock says, elapsed how long the process has
// been running, which no setting of the clock changes.
func (t *steadyTime) nowMs(clock, elapsed int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	ahead := clock - elapsed
	switch {
	case !t.known || ahead <= t.ahead+clockStepMs:
		t.known, t.ahead, t.jumped = true, ahead, false
	case !t.jumped:
		t.jumped, t.jumpedAt = true, elapsed
	case elapsed-t.jumpedAt >= clockDoubtMs:
		t.ahead, t.jumped = ahead, false
	}
	return t.ahead + elapsed
}

// deletionMs is the time that what deletes goes by.
func (s *Store) deletionMs() int64 {
	return s.steady.nowMs(s.o.Clock().UnixMilli(), s.o.Elapsed().Milliseconds())
}
