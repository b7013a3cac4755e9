package throttle

import "testing"

// TestRate has the figures of ReplicationQuotaManagerTest and of SimpleRate: ten samples of a second.
func TestRate(t *testing.T) {
	r := NewRate(10, 1000)
	r.SetLimit(100)
	step := func(what string, nowMs, bytes int64, want float64, exceeded bool) {
		t.Helper()
		if bytes > 0 {
			r.Record(nowMs, bytes)
		}
		if got := r.perSecond(nowMs); got != want {
			t.Errorf("%s: %g bytes per second, want %g", what, got, want)
		}
		if got := r.Exceeded(nowMs); got != exceeded {
			t.Errorf("%s: exceeded %t", what, got)
		}
	}
	step("nothing came", 0, 0, 0, false)
	step("the first window counts whole", 0, 100, 100, false)
	step("one byte more", 0, 1, 101, true)
	step("in the window", 999, 0, 101, true)
	step("after it", 2000, 0, 50.5, false)
	step("a second sample", 2000, 199, 150, true)
	step("until the rate is down to the limit", 3000, 0, 100, false)
	step("the first sample is forgotten", 10_000, 0, 199.0/8, false)
	step("all are forgotten", 12_000, 0, 0, false)
	step("from when it was looked at first", 12_000, 50, 25, false)
	r.SetLimit(24)
	step("with another limit", 12_000, 0, 25, true)
	r.SetLimit(0)
	step("with none allowed", 12_500, 0, 20, true)
	r.SetLimit(Unlimited)
	step("without a limit", 12_500, 1<<40, (1<<40+50)/2.5, false)
}

func TestRateUsesItsSamplesAgain(t *testing.T) {
	r := NewRate(2, 1000)
	for second := range int64(20) {
		r.Record(second*1000, 100)
	}
	if len(r.samples) != 3 {
		t.Errorf("%d samples", len(r.samples))
	}
	if got := r.perSecond(20_000); got != 200.0/2 { // the sample of 17 s is over, those of 18 and 19 s count
		t.Errorf("%g bytes per second", got)
	}
	if got := NewRate(2, 1000).perSecond(5); got != 0 {
		t.Errorf("%g bytes per second, where none came", got)
	}
}
