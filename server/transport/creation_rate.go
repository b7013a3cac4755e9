package transport

import (
	"math"
	"time"
)

// creationRate measures how many connections clients open per second, over the last
// windows, and computes how long the next connection has to wait so that the limit holds.
// It follows Apache Kafka's Rate, SampledStat and QuotaUtils: the time before the first
// connection counts as time without connections, so a burst of as many connections as
// the limit allows in all windows passes at once.
type creationRate struct {
	windows int           // quota.window.num
	window  time.Duration // quota.window.size.seconds
	samples []rateSample
	current int
}

// rateSample is one window: when it began, when its last connection came, and how many
// came. Times are ticks, in ns.
type rateSample struct {
	begun, last int64
	count       int
}

func newCreationRate(windows int, window time.Duration) *creationRate {
	return &creationRate{windows: windows, window: window}
}

// record counts a connection at tick now and gives how long the connection has to wait so
// that the rate is limit per second: one window at most. math.MaxInt32 means no limit.
func (r *creationRate) record(now int64, limit int) time.Duration {
	if limit == math.MaxInt32 {
		r.samples, r.current = nil, 0
		return 0
	}
	s := r.at(now)
	s.count++
	s.last = now
	total, oldest := 0, now
	for i := range r.samples {
		s := &r.samples[i]
		if now-s.last >= int64(r.windows)*int64(r.window) {
			*s = rateSample{begun: now, last: now}
		}
		total += s.count
		oldest = min(oldest, s.begun)
	}
	elapsed := time.Duration(now - oldest)
	if full := int(elapsed / r.window); full < r.windows-1 {
		elapsed += time.Duration(r.windows-1-full) * r.window
	}
	elapsed = max(elapsed, time.Millisecond)
	over := float64(total)/elapsed.Seconds() - float64(limit)
	switch {
	case over <= 0:
		return 0
	case limit == 0:
		return r.window
	}
	ms := math.Round(over / float64(limit) * float64(elapsed) / float64(time.Millisecond))
	return min(time.Duration(ms)*time.Millisecond, r.window)
}

// at gives the sample of the tick now.
func (r *creationRate) at(now int64) *rateSample {
	if len(r.samples) == 0 {
		r.samples = append(r.samples, rateSample{begun: now, last: now})
	}
	if s := &r.samples[r.current]; now-s.begun < int64(r.window) {
		return s
	}
	// There is one more sample than windows, since the oldest sample overlaps the first window.
	if r.current = (r.current + 1) % (r.windows + 1); r.current == len(r.samples) {
		r.samples = append(r.samples, rateSample{})
	}
	r.samples[r.current] = rateSample{begun: now, last: now}
	return &r.samples[r.current]
}
