package transport

import (
	"math"
	"testing"
	"time"
)

// A burst passes at once. Each later connection waits until the rate is down to the limit
// again.
func TestCreationRate(t *testing.T) {
	r := newCreationRate(11, time.Second)
	now := int64(time.Hour)
	for i := range 50 { // 5 a second over the 10 seconds that count as quiet
		if wait := r.record(now, 5); wait != 0 {
			t.Fatalf("connection %d of the burst waits %v", i, wait)
		}
	}
	if wait := r.record(now, 5); wait != 200*time.Millisecond {
		t.Errorf("the next one waits %v", wait)
	}
	for range 100 {
		if wait := r.record(now, 5); wait > time.Second {
			t.Fatalf("one waits %v", wait)
		}
	}
	now += int64(time.Minute)
	if wait := r.record(now, 5); wait != 0 {
		t.Errorf("a minute later one waits %v", wait)
	}
}

// Over a long time no more connections pass than the limit allows, however they come.
func TestCreationRateOverALongTime(t *testing.T) {
	r := newCreationRate(11, time.Second)
	const limit, seconds = 7, 600
	now, passed := int64(0), 0
	for now < seconds*int64(time.Second) {
		now += int64(r.record(now, limit)) + int64(time.Millisecond) // one connection after the other, as fast as the rate allows
		passed++
	}
	if most := limit * (seconds + 11); passed > most || passed < limit*seconds*9/10 {
		t.Errorf("%d connections in %d seconds", passed, seconds)
	}
}

func TestNoCreationRate(t *testing.T) {
	r := newCreationRate(11, time.Second)
	for i := range 1000 {
		if wait := r.record(int64(i), math.MaxInt32); wait != 0 || len(r.samples) != 0 {
			t.Fatalf("waits %v", wait)
		}
	}
	if wait := r.record(0, 0); wait != time.Second {
		t.Errorf("with a limit of 0 one waits %v", wait)
	}
}
