package transport

import (
	"slices"
	"sync"
	"time"
)

// gate bounds how many large requests the broker reads and handles at once. Without it, the broker would read
// the large requests of a thousand connections, and all would then wait with their buffers for the few partitions
// that they go to. By the time of its append, the bytes of the last one would have left the processor's caches.
// A request outside the gate stays in the kernel. The gate lets requests in in the order in which they came.
//
// The bound is not strict: if no request has left for the time patience, for example because a disk hangs, the
// gate stops counting the requests inside, and lets as many others in.
type gate struct {
	most     int
	patience time.Duration

	mu      sync.Mutex
	round   int         // guarded by mu; counts how often the gate stopped counting the requests inside
	inside  int         // guarded by mu; the requests inside that came in this round
	outside []chan pass // guarded by mu; the turns of the waiting requests, oldest first; each has room for one pass
	left    int         // guarded by mu; how many requests have left since the last call of stuck
	timer   *time.Timer // guarded by mu; calls stuck while a request waits; nil before the first one
}

const (
	// gateMost is how many large requests may be inside. That many keep all processors busy, and
	// let requests that came together be appended together.
	gateMost = 32
	// gateBytes is the size, in bytes, from which a request counts as large.
	gateBytes = 32 << 10
	// gateStuck is the patience of the gate.
	gateStuck = 10 * time.Millisecond
)

// pass is what enter gives and leave takes; the zero pass belongs to no request inside.
type pass struct {
	round int
	in    bool
}

// enter waits until there is room, and gives the pass to leave with. It gives the zero pass if quit is closed first. turn is
// a channel of the caller's own, with room for one pass.
func (g *gate) enter(turn chan pass, quit <-chan struct{}) pass {
	g.mu.Lock()
	if g.inside < g.most && len(g.outside) == 0 {
		defer g.mu.Unlock()
		g.inside++
		return pass{g.round, true}
	}
	g.outside = append(g.outside, turn)
	if len(g.outside) == 1 {
		g.left = 0
		g.lookLocked()
	}
	g.mu.Unlock()
	select {
	case p := <-turn:
		return p
	case <-quit:
	}
	g.mu.Lock()
	i := slices.Index(g.outside, turn)
	if i >= 0 {
		g.outside = slices.Delete(g.outside, i, i+1)
	}
	g.mu.Unlock()
	if i < 0 {
		g.leave(<-turn) // the gate let the request in meanwhile
	}
	return pass{}
}

// leave makes room for another request.
func (g *gate) leave(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.in || p.round != g.round {
		return // the gate does not count this request any more
	}
	g.inside--
	g.left++
	g.admitLocked()
}

// admitLocked lets in as many waiting requests as there is room for.
func (g *gate) admitLocked() {
	n := min(g.most-g.inside, len(g.outside))
	for _, turn := range g.outside[:n] {
		turn <- pass{g.round, true}
	}
	g.inside += n
	g.outside = slices.Delete(g.outside, 0, n)
}

// lookLocked starts the timer that calls stuck.
func (g *gate) lookLocked() {
	if g.timer == nil {
		g.timer = time.AfterFunc(g.patience, g.stuck)
	} else {
		g.timer.Reset(g.patience)
	}
}

// stuck stops counting the requests inside if none has left since its last call.
func (g *gate) stuck() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.outside) == 0 {
		return
	}
	if g.left == 0 {
		g.round++
		g.inside = 0
		g.admitLocked()
	}
	g.left = 0
	g.lookLocked()
}
