package logstore

import (
	"fmt"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

const (
	minuteMs = int64(60_000)
	hourMs   = 60 * minuteMs
	yearMs   = 365 * 24 * hourMs
)

func TestSteadyTime(t *testing.T) {
	var s steadyTime
	for i, step := range []struct{ clock, elapsed, want int64 }{
		{testNow, 0, testNow},
		{testNow + minuteMs, minuteMs, testNow + minuteMs},
		{testNow + 2*minuteMs + 30_000, 2 * minuteMs, testNow + 2*minuteMs + 30_000}, // a small step
		{testNow + yearMs, 3 * minuteMs, testNow + 3*minuteMs + 30_000},              // a jump: as before
		{testNow + yearMs + 50*minuteMs, 53 * minuteMs, testNow + 53*minuteMs + 30_000},
		{testNow + 54*minuteMs, 54 * minuteMs, testNow + 54*minuteMs},         // set back
		{testNow + yearMs, hourMs, testNow + hourMs},                          // a jump again, from now on
		{testNow + yearMs + hourMs - 1, 2*hourMs - 1, testNow + 2*hourMs - 1}, // not believed yet
		{testNow + yearMs + hourMs, 2 * hourMs, testNow + yearMs + hourMs},    // believed
		{testNow, 3 * hourMs, testNow},                                        // back, far
		{testNow + hourMs, 4 * hourMs, testNow + hourMs},                      // and on
		{testNow + 2*hourMs + 2*minuteMs, 5 * hourMs, testNow + 2*hourMs},     // ahead by two minutes
		{testNow + 3*hourMs + 2*minuteMs, 6 * hourMs, testNow + 3*hourMs + 2*minuteMs},
	} {
		if got := s.nowMs(step.clock, step.elapsed); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got-testNow, step.want-testNow)
		}
	}
}

// clockWorld is a store whose clock a test sets, while time goes on.
type clockWorld struct {
	s             *Store
	clock, passed int64
}

func newClockWorld(t *testing.T, change func(*StoreOptions)) *clockWorld {
	t.Helper()
	w := &clockWorld{clock: testNow}
	o := testStore(vfs.NewMem(), "/data")
	o.Defaults.SegmentBytes, o.Defaults.IndexIntervalBytes = 300, 1
	o.Clock = func() time.Time { return time.UnixMilli(w.clock) }
	o.Elapsed = func() time.Duration { return time.Duration(w.passed) * time.Millisecond }
	if change != nil {
		change(&o)
	}
	w.s = openStore(t, o)
	t.Cleanup(func() { closeStore(t, w.s) })
	return w
}

func (w *clockWorld) pass(ms int64) { w.clock, w.passed = w.clock+ms, w.passed+ms }

// append appends a record stamped with the clock.
func (w *clockWorld) append(t *testing.T, l *Log, seq int32) Result {
	t.Helper()
	r := appendOne(t, l, build(t, spec{size: 100, ts: w.clock, idem: true, pid: 7, seq: seq}), 0, w.clock)
	ok(t, r.Err)
	l.SetHighWatermark(l.EndOffset())
	return r
}

// TestClockThatJumpsAheadDeletesNothing sets the clock a year ahead for a while.
func TestClockThatJumpsAheadDeletesNothing(t *testing.T) {
	w := newClockWorld(t, nil)
	l := create(t, w.s, tpOf("t", 0), 1)
	for i := range 6 {
		w.append(t, l, int32(i))
	}
	look := func() (start int64, producers int) {
		w.s.checkDirs()
		w.s.retain()
		w.s.expireProducers()
		return l.StartOffset(), len(l.ActiveProducers())
	}
	look()
	w.pass(minuteMs)
	w.clock += yearMs
	for range 5 {
		if start, n := look(); start != 0 || n != 1 {
			t.Fatalf("the clock is ahead: the log starts at %d, %d producers", start, n)
		}
		w.pass(10 * minuteMs)
	}
	w.clock -= yearMs
	w.pass(hourMs)
	if start, n := look(); start != 0 || n != 1 {
		t.Fatalf("the clock is right again: the log starts at %d, %d producers", start, n)
	}
	w.clock += yearMs // and this is the time
	look()
	w.pass(hourMs)
	if start, n := look(); start != 6 || n != 0 {
		t.Errorf("a year later: the log starts at %d, %d producers", start, n)
	}
}

// TestExpiryGoesOnAfterTheClockWasAhead writes while the clock is a year ahead, then sets it right.
func TestExpiryGoesOnAfterTheClockWasAhead(t *testing.T) {
	w := newClockWorld(t, func(o *StoreOptions) { o.Defaults.FutureMs = 0 }) // the broker stamps
	l := create(t, w.s, tpOf("t", 0), 1)
	w.clock += yearMs
	for i := range 6 {
		w.append(t, l, int32(i))
	}
	w.clock -= yearMs
	w.s.retain()
	w.s.expireProducers()
	if l.StartOffset() != 0 || len(l.ActiveProducers()) != 1 {
		t.Fatalf("at once: starts at %d, %d producers", l.StartOffset(), len(l.ActiveProducers()))
	}
	w.pass(DefaultConfig().RetentionMs - 1)
	w.s.retain()
	if l.StartOffset() != 0 {
		t.Errorf("early: starts at %d", l.StartOffset())
	}
	w.pass(2)
	w.s.retain()
	w.s.expireProducers()
	if l.StartOffset() != 6 || len(l.ActiveProducers()) != 0 {
		t.Errorf("after retention.ms: starts at %d, %d producers", l.StartOffset(), len(l.ActiveProducers()))
	}
}

// TestRollingGoesOnAfterTheClockWasAhead has a segment begin while the clock is a year ahead.
func TestRollingGoesOnAfterTheClockWasAhead(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		t.Run(fmt.Sprintf("stamped %t", stamped), func(t *testing.T) {
			w := newClockWorld(t, func(o *StoreOptions) { o.Defaults.SegmentBytes, o.Defaults.SegmentMs = 1<<20, hourMs })
			l := create(t, w.s, tpOf("t", 0), 1)
			add := func() {
				t.Helper()
				ts := w.clock
				if !stamped {
					ts = -1
				}
				ok(t, appendOne(t, l, build(t, spec{size: 100, ts: ts}), 0, w.clock).Err)
			}
			w.clock += yearMs
			ok(t, l.Roll(w.clock))
			add()
			w.clock -= yearMs
			add()
			if n := l.Segments(); n != 1 {
				t.Fatalf("%d segments at once", n)
			}
			w.pass(hourMs + minuteMs)
			add()
			if n := l.Segments(); n != 2 {
				t.Errorf("%d segments after segment.ms", n)
			}
		})
	}
}
