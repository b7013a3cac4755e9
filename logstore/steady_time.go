package logstore

import "sync"

const (
	// clockStepMs is how far the clock may jump ahead and still be followed at once.
	clockStepMs = 60_000
	// clockDoubtMs is for how long deletions do not follow a clock that jumped further.
	clockDoubtMs = 3_600_000
)

// steadyTime is the time that deletions go by. It is the clock's time, but if the clock
// jumps ahead, steadyTime goes on as before for an hour, in case the clock is set back. A
// record that is deleted too early does not come back; one that is deleted an hour late
// does no harm. If the clock goes back, steadyTime follows at once.
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

// deletionMs gives the time that deletions go by.
func (s *Store) deletionMs() int64 {
	return s.steady.nowMs(s.o.Clock().UnixMilli(), s.o.Elapsed().Milliseconds())
}
