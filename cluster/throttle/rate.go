// Package throttle measures how fast a broker replicates throttled partitions, and says whether that is faster than allowed
// (kafka.server.ReplicationQuotaManager, with the SimpleRate of Apache Kafka's metrics).
//
// It asks for no time and starts nothing: times are parameters. It knows neither partitions nor properties.
//
// Begin reading at Rate.
package throttle

import (
	"math"
	"sync"
	"sync/atomic"
)

// Unlimited is a limit that no rate exceeds.
const Unlimited = math.MaxInt64

// Rate is how many bytes came lately, and how many may come in a second. Its methods may be called from any goroutine. Times are in ms from
// any beginning, and must not go back.
//
// The bytes are counted in samples of a window each. A sample is forgotten when no byte has come in it for as long as all samples last
// together.
type Rate struct {
	windowMs int64
	limit    atomic.Int64

	mu      sync.Mutex
	samples []sample // guarded by mu; at most one more than the rate is measured over, since the oldest may overlap
	current int      // guarded by mu
	most    int
}

// sample has the bytes of a window.
type sample struct{ startMs, lastMs, bytes int64 }

// NewRate makes a rate that is measured over a number of samples (replication.quota.window.num), each of which is windowMs long
// (replication.quota.window.size.seconds), and has no limit yet.
func NewRate(samples int, windowMs int64) *Rate {
	r := &Rate{windowMs: windowMs, most: samples}
	r.limit.Store(Unlimited)
	return r
}

// SetLimit says how many bytes may come in a second.
func (r *Rate) SetLimit(bytesPerSecond int64) { r.limit.Store(bytesPerSecond) }

// Record counts bytes that came, however many that makes.
func (r *Rate) Record(nowMs, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) == 0 {
		r.samples = append(r.samples, sample{startMs: nowMs, lastMs: nowMs})
	}
	if nowMs-r.samples[r.current].startMs >= r.windowMs {
		r.current = (r.current + 1) % (r.most + 1)
		if r.current == len(r.samples) {
			r.samples = append(r.samples, sample{})
		}
		r.samples[r.current] = sample{startMs: nowMs}
	}
	s := &r.samples[r.current]
	s.bytes += bytes
	s.lastMs = nowMs
}

// Exceeded says whether more bytes came than may. A rate at the limit does not exceed it.
func (r *Rate) Exceeded(nowMs int64) bool {
	limit := r.limit.Load()
	return limit != Unlimited && r.perSecond(nowMs) > float64(limit)
}

// perSecond gives the rate: the bytes of all samples by the time since the oldest began, which counts as a whole window at least.
func (r *Rate) perSecond(nowMs int64) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes, oldest := int64(0), nowMs
	for i := range r.samples {
		s := &r.samples[i]
		if nowMs-s.lastMs >= int64(r.most)*r.windowMs {
			*s = sample{startMs: nowMs, lastMs: nowMs}
		}
		bytes += s.bytes
		oldest = min(oldest, s.startMs)
	}
	return float64(bytes) * 1000 / float64(max(nowMs-oldest, r.windowMs))
}
