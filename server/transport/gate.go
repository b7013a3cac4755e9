package transport

import (
	"slices"
	"sync"
	"time"
)

// gate bounds how many large requests are read and handled at once. A thousand connections that have each
// sent one would otherwise all be read, and then wait with their buffers for the few partitions that
// they go to: what is appended last has long left the processor's caches. Those outside stay with the
// kernel, and go in in the order in which they came.
//
// It is no promise: when nobody has come out for as long as its patience, as when a disk hangs, those inside
// are not counted any more, and as many others go in.
type gate struct {
	most     int
	patience time.Duration

	mu      sync.Mutex
	round   int         // guarded by mu; counts how often those inside were given up
	inside  int         // guarded by mu; of this round
	outside []chan pass // guarded by mu; of those who wait, oldest first; each has room for one
	left    int         // guarded by mu; how many have come out since stuck looked last
	timer   *time.Timer // guarded by mu; calls stuck while somebody waits; nil until then
}

const (
	// gateMost is enough for all processors to be busy, and for requests that came together to
	// be appended together.
	gateMost = 32
	// gateBytes is how large a request is that is counted.
	gateBytes = 32 << 10
	gateStuck = 10 * time.Millisecond
)

// pass is what who is inside leaves with; the zero pass is nobody's.
type pass struct {
	round int
	in    bool
}

// enter waits until there is room. The pass is the zero one when quit is closed before. turn is the caller's own,
// with room for one.
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
		g.leave(<-turn) // it was let in meanwhile
	}
	return pass{}
}

// leave makes room for another.
func (g *gate) leave(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.in || p.round != g.round {
		return // given up
	}
	g.inside--
	g.left++
	g.admitLocked()
}

func (g *gate) admitLocked() {
	n := min(g.most-g.inside, len(g.outside))
	for _, turn := range g.outside[:n] {
		turn <- pass{g.round, true}
	}
	g.inside += n
	g.outside = slices.Delete(g.outside, 0, n)
}

// lookLocked has stuck called in a while.
func (g *gate) lookLocked() {
	if g.timer == nil {
		g.timer = time.AfterFunc(g.patience, g.stuck)
	} else {
		g.timer.Reset(g.patience)
	}
}

// stuck gives those inside up where nobody comes out.
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
