package observe

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Histogram counts values by size, so that quantiles of the last minutes can be read. Its values are not negative; one past 2^36 counts as 2^36. A value
// is known to an eighth of its size.
//
// Observe takes no lock: it adds to one or two counters. There is a window for each of the last minutes, and a reader begins a new one.
// Apache Kafka's histograms weigh recent values more in another way (an exponentially decaying reservoir of about five minutes).
type Histogram struct {
	count   atomic.Int64 // of all values ever
	current atomic.Int32 // the window that Observe counts in
	windows [histogramWindows]histogramWindow

	mu      sync.Mutex
	begunMs int64 // guarded by mu; when the current window began, by the readers' clock; 0 before the first reading
}

// histogramWindow counts the values of some minutes by their buckets.
type histogramWindow struct {
	buckets [histogramBuckets]atomic.Uint32
}

const (
	histogramWindows  = 5
	histogramWindowMs = 60_000
	// histogramSub is how many buckets there are for values from one power of two to the next.
	histogramSub     = 8
	histogramSubBits = 3
	histogramMaxBits = 36
	histogramBuckets = (histogramMaxBits - histogramSubBits + 1) * histogramSub
)

// bucketOf gives the bucket of a value.
func bucketOf(v int64) int {
	if v < histogramSub {
		return int(max(v, 0))
	}
	exponent := bits.Len64(uint64(v)) - 1 // at least histogramSubBits
	if exponent >= histogramMaxBits {
		return histogramBuckets - 1
	}
	return (exponent-histogramSubBits+1)*histogramSub + int(v>>(exponent-histogramSubBits))&(histogramSub-1)
}

// middleOf gives the value in the middle of a bucket.
func middleOf(bucket int) float64 {
	if bucket < histogramSub {
		return float64(bucket)
	}
	shift := bucket/histogramSub - 1
	low := int64(histogramSub+bucket%histogramSub) << shift
	return float64(low) + float64((int64(1)<<shift)-1)/2
}

// Observe counts a value.
func (h *Histogram) Observe(v int64) {
	if h == nil {
		return
	}
	h.count.Add(1)
	h.windows[h.current.Load()].buckets[bucketOf(v)].Add(1)
}

// observeSparse is Observe without Count, and without what is 0: who reads has the number of values from elsewhere, and calls withZeros. A
// request has many phases that take no time, and each addition costs when other processors add too.
func (h *Histogram) observeSparse(v int64) {
	if v > 0 {
		h.windows[h.current.Load()].buckets[bucketOf(v)].Add(1)
	}
}

// withZeros adds the values of 0 that observeSparse left out: as many as there are values of whole more.
func (d *Distribution) withZeros(whole *Distribution) *Distribution {
	d.Count = whole.Count
	if zeros := whole.recent - d.recent; zeros > 0 {
		d.buckets[0] += uint32(zeros)
		d.recent += zeros
	}
	return d
}

// Distribution is what a Histogram holds at one moment.
type Distribution struct {
	Count   int64 // of all values ever
	recent  int64 // of the values in buckets
	buckets [histogramBuckets]uint32
}

// Read gives the values of the last five minutes, and begins a window when the current one is a minute old. nowMs is a time in ms that
// only grows, the same clock in all calls.
func (h *Histogram) Read(nowMs int64) *Distribution {
	d := new(Distribution)
	if h == nil {
		return d
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d.Count = h.count.Load()
	for w := range h.windows {
		for b := range d.buckets {
			n := h.windows[w].buckets[b].Load()
			d.buckets[b] += n
			d.recent += int64(n)
		}
	}
	switch {
	case h.begunMs == 0:
		h.begunMs = nowMs
	case nowMs-h.begunMs >= histogramWindowMs:
		h.begunMs = nowMs
		next := (h.current.Load() + 1) % histogramWindows
		for b := range h.windows[next].buckets {
			h.windows[next].buckets[b].Store(0)
		}
		h.current.Store(next)
	}
	return d
}

// Quantile gives the value below which a share of the recent values are, 0 without values. share is between 0 and 1.
func (d *Distribution) Quantile(share float64) float64 {
	rank, seen := int64(share*float64(d.recent)), int64(0)
	for b, n := range d.buckets {
		if seen += int64(n); seen > rank || seen == d.recent && seen > 0 {
			return middleOf(b)
		}
	}
	return 0
}

// Mean gives the mean of the recent values, 0 without values.
func (d *Distribution) Mean() float64 {
	if d.recent == 0 {
		return 0
	}
	sum := 0.0
	for b, n := range d.buckets {
		sum += float64(n) * middleOf(b)
	}
	return sum / float64(d.recent)
}

// Max gives the largest of the recent values, 0 without values.
func (d *Distribution) Max() float64 {
	for b := len(d.buckets) - 1; b >= 0; b-- {
		if d.buckets[b] > 0 {
			return middleOf(b)
		}
	}
	return 0
}
