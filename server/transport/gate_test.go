package transport

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"klamm/internal/await"
)

// waits returns when so many requests wait outside.
func (g *gate) waits(t *testing.T, n int) {
	t.Helper()
	await.Until(t, "they wait", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.outside) == n
	})
}

// The gate lets no more requests in than it may, and all of them in the end.
func TestGateBoundsWhoIsInside(t *testing.T) {
	g := &gate{most: 3, patience: time.Hour}
	never := make(chan struct{})
	var inside, passed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			turn := make(chan pass, 1)
			for range 100 {
				p := g.enter(turn, never)
				if !p.in {
					t.Error("sent away")
					return
				}
				if n := inside.Add(1); n > 3 {
					t.Errorf("%d are inside", n)
				}
				passed.Add(1)
				inside.Add(-1)
				g.leave(p)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 5000 || g.inside != 0 || len(g.outside) != 0 {
		t.Errorf("%d came in, %d are inside, %d outside", passed.Load(), g.inside, len(g.outside))
	}
}

// The gate lets requests in in the order in which they came.
func TestGateKeepsTheOrder(t *testing.T) {
	g := &gate{most: 1, patience: time.Hour}
	never := make(chan struct{})
	first := g.enter(make(chan pass, 1), never)
	order := make(chan int, 10)
	for i := range 10 {
		go func() {
			p := g.enter(make(chan pass, 1), never)
			order <- i
			g.leave(p)
		}()
		g.waits(t, i+1)
	}
	g.leave(first)
	for i := range 10 {
		if got := <-order; got != i {
			t.Fatalf("%d came in in place of %d", got, i)
		}
	}
}

// When no request leaves, as with a disk that hangs, the gate stops counting the requests inside after
// a while, and does not count them when they leave later.
func TestGateOpensWhenNobodyComesOut(t *testing.T) {
	g := &gate{most: 2, patience: time.Millisecond}
	never := make(chan struct{})
	var all []pass
	for range 7 {
		all = append(all, g.enter(make(chan pass, 1), never))
	}
	for _, p := range all {
		g.leave(p)
	}
	if g.inside != 0 || g.round != 3 {
		t.Errorf("%d are inside, in round %d", g.inside, g.round)
	}
}

// A request that gives up does not take away another request's turn.
func TestGateIsLeftByWhoGivesUp(t *testing.T) {
	g := &gate{most: 1, patience: time.Hour}
	never := make(chan struct{})
	for range 200 {
		first := g.enter(make(chan pass, 1), never)
		quit := make(chan struct{})
		gone, stays := make(chan pass), make(chan pass)
		go func() { gone <- g.enter(make(chan pass, 1), quit) }()
		go func() { stays <- g.enter(make(chan pass, 1), never) }()
		g.waits(t, 2)
		go close(quit)
		g.leave(first)
		g.leave(<-gone)
		select {
		case p := <-stays:
			g.leave(p)
		case <-time.After(await.Patience):
			t.Fatal("nobody tells the other that there is room")
		}
		if g.inside != 0 || len(g.outside) != 0 {
			t.Fatalf("%d are inside, %d outside", g.inside, len(g.outside))
		}
	}
}

// A connection waits outside the gate for a client that does not read its answers: inside, it would keep others out.
func TestGateIsNotHeldByWhoDoesNotRead(t *testing.T) {
	s := startEcho(t, nil)
	s.large = &gate{most: 1, patience: time.Hour}
	rude := s.dial(t)
	if _, err := rude.Write(ask(10, 1)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, rude, 1)
	for _, conn := range s.Conns() {
		_ = conn.nc.(*net.TCPConn).SetWriteBuffer(4096)
	}
	_ = rude.(*net.TCPConn).SetReadBuffer(4096)
	var all []byte
	for range 5 {
		all = append(all, ask(10, 5_000_000)...)
		all = append(all, ask(40_000, 10)...)
	}
	go func() { _, _ = rude.Write(all) }() // ends with the connection
	await.Until(t, "its answers fill the socket", func() bool {
		for _, conn := range s.Conns() {
			if conn.State().Writing {
				return true
			}
		}
		return false
	})
	polite := s.dial(t)
	if _, err := polite.Write(ask(50_000, 10)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, polite, 10)
	_ = rude.Close()
}
