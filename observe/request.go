package observe

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Times are the moments in the life of a request, in ns on a clock that only grows. Those that are 0 did not come.
type Times struct {
	Read      int64 // the request has been read
	Begun     int64 // its handler was called
	Waits     int64 // the handler has done what it can, and the request waits for something else; 0 when it waits for nothing
	Completed int64 // the answer is ready
	Writing   int64 // the connection began to send it
	Written   int64 // it was handed to the kernel
}

// Request counts the requests of one API (kafka.network.RequestMetrics).
type Request struct {
	name     string
	versions [maxVersions]Counter
	errors   atomic.Pointer[errorCounts]
	times    atomic.Pointer[requestTimes] // nil before the first answer
}

// maxVersions is more than the versions of any API.
const maxVersions = 24

// errorCounts counts error codes from -1 on.
type errorCounts [256]Counter

// Phase is a part of the time that a request takes.
type Phase int

// The phases of a request, as Apache Kafka breaks them down, and the size of the request.
const (
	TotalTime Phase = iota
	RequestQueueTime
	LocalTime
	RemoteTime
	ThrottleTime
	ResponseQueueTime
	ResponseSendTime
	RequestBytes
	phases
)

// requestTimes has a histogram for each phase, in µs, and one for the size, in bytes. TotalTime counts the requests; the others leave out what is 0.
type requestTimes struct{ phases [phases]Histogram }

// Answered counts a request that was answered, or that needed no answer.
func (r *Request) Answered(t *Times, version int16, bytes int) {
	if r == nil {
		return
	}
	if version >= 0 && version < maxVersions {
		r.versions[version].Add(1)
	}
	h := r.times.Load()
	if h == nil {
		h = new(requestTimes)
		if !r.times.CompareAndSwap(nil, h) {
			h = r.times.Load()
		}
	}
	waits := t.Waits
	if waits == 0 || waits > t.Completed {
		waits = t.Completed
	}
	h.phases[TotalTime].Observe(max(t.Written-t.Read, 0) / 1000)
	h.span(RequestQueueTime, t.Read, t.Begun)
	h.span(LocalTime, t.Begun, waits)
	h.span(RemoteTime, waits, t.Completed)
	h.span(ResponseQueueTime, t.Completed, t.Writing)
	h.span(ResponseSendTime, t.Writing, t.Written)
	h.phases[RequestBytes].observeSparse(int64(bytes))
}

// span counts the time between two moments.
func (h *requestTimes) span(p Phase, from, to int64) {
	h.phases[p].observeSparse(max(to-from, 0) / 1000)
}

// Error counts an error code of an answer, also 0 for none.
func (r *Request) Error(code int16) { r.Errors(code, 1) }

// Errors counts an error code that comes n times in an answer.
func (r *Request) Errors(code int16, n int64) {
	if r == nil || code < -1 || int(code)+1 >= len(errorCounts{}) {
		return
	}
	e := r.errors.Load()
	if e == nil {
		e = new(errorCounts)
		if !r.errors.CompareAndSwap(nil, e) {
			e = r.errors.Load()
		}
	}
	e[code+1].Add(n)
}

// RequestCounts are the counts of an API at one moment.
type RequestCounts struct {
	Name     string
	Versions map[int16]int64 // requests by version, without those that never came
	Errors   map[int16]int64 // answers by error code, without those that never came
	// Phases are the distributions of times in µs and of sizes in bytes; nil before the first answer.
	Phases []*Distribution
}

// Counts gives the present counts. nowMs is what Histogram.Read takes.
func (r *Request) Counts(nowMs int64) RequestCounts {
	c := RequestCounts{Name: r.name, Versions: map[int16]int64{}, Errors: map[int16]int64{}}
	for v := range r.versions {
		if n := r.versions[v].Load(); n > 0 {
			c.Versions[int16(v)] = n
		}
	}
	if e := r.errors.Load(); e != nil {
		for i := range e {
			if n := e[i].Load(); n > 0 {
				c.Errors[int16(i-1)] = n
			}
		}
	}
	if h := r.times.Load(); h != nil {
		for p := range h.phases {
			d := h.phases[p].Read(nowMs)
			if p > 0 {
				d.withZeros(c.Phases[TotalTime])
			}
			c.Phases = append(c.Phases, d)
		}
	}
	return c
}

// requests are the APIs by name. Names come from the table of APIs, and never from a client.
type requests struct {
	mu     sync.Mutex
	byName map[string]*Request // guarded by mu
}

// Request gives the counters of an API by the name that metrics have for it. The caller keeps what it got: the call takes a lock.
func (o *Observer) Request(name string) *Request {
	if o == nil {
		return nil
	}
	o.requests.mu.Lock()
	defer o.requests.mu.Unlock()
	r := o.requests.byName[name]
	if r == nil {
		r = &Request{name: name}
		if o.requests.byName == nil {
			o.requests.byName = map[string]*Request{}
		}
		o.requests.byName[name] = r
	}
	return r
}

// RequestCounts gives the counts of all APIs in the order of their names.
func (o *Observer) RequestCounts(nowMs int64) (list []RequestCounts) {
	if o == nil {
		return nil
	}
	o.requests.mu.Lock()
	byName := maps.Clone(o.requests.byName)
	o.requests.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name].Counts(nowMs))
	}
	return list
}
