package liveness

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// Peer is a broker to watch, in one of its registrations.
type Peer struct {
	ID int32
	// Epoch is the czxid of its registration. What was learnt of an earlier one counts for nothing.
	Epoch int64
	// Addrs are its addresses, host:port, of the listeners that brokers reach it by. All of them have to refuse.
	Addrs []string
}

func (p *Peer) equal(other *Peer) bool {
	return p.ID == other.ID && p.Epoch == other.Epoch && slices.Equal(p.Addrs, other.Addrs)
}

// Options are what a Detector needs.
type Options struct {
	// Dead is told of a peer that is dead, and Back of one that was told dead and accepts connections again in the same registration.
	// Both are called from one of several goroutines and must not block.
	Dead, Back func(Peer)
	// Here proves that the fault is not this broker's: an error keeps it from judging others. It is called before each call of Dead.
	Here func(ctx context.Context) error
	// Dial opens a connection; its context ends after one second. Default: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// After has f called when some time has passed, and gives what prevents that. Default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func() bool)
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

// These are the times between connections that are tried. A first suspect is dead after three refusals, which take 80 ms; while another
// is dead already the next one has to refuse six times, since the fault may be here or in between.
const (
	probeEvery   = 40 * time.Millisecond
	refusals     = 3
	moreRefusals = 6
	retryFirst   = 10 * time.Millisecond
	retryLast    = time.Second
	dialTimeout  = time.Second
)

// Detector watches brokers. Its methods may be called from any goroutine.
type Detector struct {
	o Options

	mu      sync.Mutex
	watched map[int32]*watch // guarded by mu
	dead    int              // guarded by mu; how many of them count as dead
	closed  bool             // guarded by mu
	running sync.WaitGroup
}

// New makes a Detector that watches nobody yet.
func New(o Options) *Detector {
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Detector{o: o, watched: make(map[int32]*watch)}
}

// Watch says which brokers to watch from now on. A peer that was watched with the same epoch and addresses goes on.
func (d *Detector) Watch(peers []Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	for id, w := range d.watched {
		if !slices.ContainsFunc(peers, func(p Peer) bool { return p.equal(&w.peer) }) {
			d.dropLocked(id, w)
		}
	}
	for _, p := range peers {
		if d.watched[p.ID] == nil && len(p.Addrs) > 0 {
			w := &watch{detector: d, peer: p}
			w.ctx, w.cancel = context.WithCancel(context.Background())
			d.watched[p.ID] = w
			d.running.Go(w.run)
		}
	}
}

func (d *Detector) dropLocked(id int32, w *watch) {
	w.cancel()
	if w.dead {
		d.dead--
	}
	delete(d.watched, id)
}

// IsDead says whether a peer that is watched counts as dead.
func (d *Detector) IsDead(p Peer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.watched[p.ID]
	return w != nil && w.peer.equal(&p) && w.dead
}

// Close ends all watching. No call of Dead or Back begins after it.
func (d *Detector) Close() {
	d.mu.Lock()
	d.closed = true
	for id, w := range d.watched {
		d.dropLocked(id, w)
	}
	d.mu.Unlock()
	d.running.Wait()
}

// needed is how many refusals in a row make a peer dead.
func (d *Detector) needed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead > 0 {
		return moreRefusals
	}
	return refusals
}

// set notes that a peer is dead or not, unless it is not watched any more, and tells.
func (d *Detector) set(w *watch, dead bool) {
	d.mu.Lock()
	if d.watched[w.peer.ID] != w || w.dead == dead {
		d.mu.Unlock()
		return
	}
	w.dead = dead
	tell := d.o.Back
	if dead {
		d.dead++
		tell = d.o.Dead
	} else {
		d.dead--
	}
	d.mu.Unlock()
	tell(w.peer)
}
