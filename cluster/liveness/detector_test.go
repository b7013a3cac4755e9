package liveness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"klamm/internal/await"
)

var refused = &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// host is what stands behind addresses: each accepts (nil) or fails as a test says.
type host struct {
	mu     sync.Mutex
	answer map[string]error // guarded by mu; what an address answers from now on
	script map[string][]error
	dials  map[string]int
	open   map[string][]net.Conn // the host's ends of connections
}

func newHost() *host {
	return &host{answer: map[string]error{}, script: map[string][]error{}, dials: map[string]int{}, open: map[string][]net.Conn{}}
}

func (h *host) dial(_ context.Context, addr string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dials[addr]++
	err := h.answer[addr]
	if script := h.script[addr]; len(script) > 0 {
		err, h.script[addr] = script[0], script[1:]
	}
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	h.open[addr] = append(h.open[addr], theirs)
	return ours, nil
}

// set says what an address answers, after the errors of a script.
func (h *host) set(addr string, answer error, script ...error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer[addr], h.script[addr] = answer, script
}

// end ends the connections to an address.
func (h *host) end(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.open[addr] {
		_ = c.Close()
	}
	h.open[addr] = nil
}

func (h *host) count(addr string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dials[addr]
}

func (h *host) connected(addr string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open[addr]) > 0
}

// scene is a detector with what it told.
type scene struct {
	t    *testing.T
	host *host
	d    *Detector
	told chan string

	mu   sync.Mutex
	here error // guarded by mu
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, host: newHost(), told: make(chan string, 100)}
	s.d = New(Options{
		Dead: func(p Peer) { s.told <- fmt.Sprintf("%d dead in %d", p.ID, p.Epoch) },
		Back: func(p Peer) { s.told <- fmt.Sprintf("%d back in %d", p.ID, p.Epoch) },
		Here: func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.here
		},
		Dial:  s.host.dial,
		After: func(_ time.Duration, f func()) func() bool { return time.AfterFunc(time.Microsecond, f).Stop },
	})
	t.Cleanup(s.d.Close)
	return s
}

func (s *scene) setHere(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here = err
}

// watch watches a broker with one address, and waits until it is connected.
func (s *scene) watch(peers ...Peer) {
	s.t.Helper()
	s.d.Watch(peers)
	for _, p := range peers {
		await.Until(s.t, "the broker is connected", func() bool { return s.host.connected(p.Addrs[0]) })
	}
}

func (s *scene) expect(want string) {
	s.t.Helper()
	select {
	case got := <-s.told:
		if got != want {
			s.t.Fatalf("told %q, want %q", got, want)
		}
	case <-time.After(await.Patience):
		s.t.Fatalf("nothing told, want %q", want)
	}
}

// silent checks that nothing is told while an address is tried so many times more.
func (s *scene) silent(addr string, dials int) {
	s.t.Helper()
	from := s.host.count(addr)
	await.Until(s.t, "the address is tried again", func() bool { return s.host.count(addr) >= from+dials })
	select {
	case got := <-s.told:
		s.t.Fatalf("told %q", got)
	default:
	}
}

var one = Peer{ID: 1, Epoch: 10, Addrs: []string{"a"}}

func TestKilledBrokerIsDeadAndComesBack(t *testing.T) {
	s := newScene(t)
	s.watch(one)
	s.host.set("a", refused)
	s.host.end("a")
	s.expect("1 dead in 10")
	s.silent("a", 20) // it is told once
	s.host.set("a", nil)
	s.expect("1 back in 10")
	s.host.set("a", refused)
	s.host.end("a")
	s.expect("1 dead in 10")
}

// TestWhatIsNoEvidence has each false positive that is known.
func TestWhatIsNoEvidence(t *testing.T) {
	timeout := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	unreachable := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
	t.Run("a broker that never accepted, as one that starts", func(t *testing.T) {
		s := newScene(t)
		s.host.set("a", refused)
		s.d.Watch([]Peer{one})
		s.silent("a", 50)
	})
	t.Run("a connection that goes on while the port refuses", func(t *testing.T) {
		s := newScene(t)
		s.watch(one, Peer{ID: 2, Epoch: 5, Addrs: []string{"b"}})
		s.host.set("a", refused)
		s.host.set("b", refused)
		s.host.end("b")
		s.expect("2 dead in 5")
		s.silent("b", 20)
	})
	t.Run("a connection that ends while the port accepts", func(t *testing.T) {
		s := newScene(t)
		s.watch(one)
		for range 20 {
			s.host.end("a")
			await.Until(t, "it is connected again", func() bool { return s.host.connected("a") })
		}
		if len(s.told) > 0 {
			t.Errorf("told %q", <-s.told)
		}
	})
	for name, err := range map[string]error{"a time-out": timeout, "no route": unreachable, "no descriptor": syscall.EMFILE, "no port": syscall.EADDRNOTAVAIL} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.watch(one)
			s.host.set("a", err)
			s.host.end("a")
			s.silent("a", 50)
		})
	}
	t.Run("refusals that are not in a row", func(t *testing.T) {
		s := newScene(t)
		s.watch(one)
		s.host.set("a", timeout, refused, refused, timeout, refused, refused)
		s.host.end("a")
		s.silent("a", 20)
		s.host.set("a", timeout, refused, refused, refused)
		s.expect("1 dead in 10")
	})
	t.Run("an address of several that accepts", func(t *testing.T) {
		s := newScene(t)
		s.watch(Peer{ID: 1, Epoch: 10, Addrs: []string{"a", "b"}})
		s.host.set("a", refused)
		s.host.end("a")
		s.host.end("b")
		await.Until(t, "it is connected by the other address", func() bool { return s.host.connected("b") })
		if len(s.told) > 0 {
			t.Errorf("told %q", <-s.told)
		}
		s.host.set("b", timeout)
		s.host.end("b")
		s.silent("b", 20)
		s.host.set("b", refused)
		s.expect("1 dead in 10")
	})
	t.Run("a fault of this broker's own", func(t *testing.T) {
		s := newScene(t)
		s.watch(one)
		s.setHere(errors.New("no session"))
		s.host.set("a", refused)
		s.host.end("a")
		s.silent("a", 50)
		s.setHere(nil)
		s.expect("1 dead in 10")
	})
}

// TestSecondSuspectHasToRefuseMoreOften: where several refuse at once the fault may be in between.
func TestSecondSuspectHasToRefuseMoreOften(t *testing.T) {
	s := newScene(t)
	s.watch(one, Peer{ID: 2, Epoch: 5, Addrs: []string{"b"}})
	s.host.set("a", refused)
	s.host.end("a")
	s.expect("1 dead in 10")
	timeout := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	s.host.set("b", timeout, refused, refused, refused, refused, refused)
	s.host.end("b")
	s.silent("b", 20)
	s.host.set("b", timeout, refused, refused, refused, refused, refused, refused)
	s.expect("2 dead in 5")
}

// TestAnotherRegistrationIsAnotherBroker: what was learnt of the process before counts for nothing.
func TestAnotherRegistrationIsAnotherBroker(t *testing.T) {
	s := newScene(t)
	s.watch(one)
	s.host.set("a", refused)
	s.d.Watch([]Peer{{ID: 1, Epoch: 11, Addrs: []string{"a"}}})
	s.host.end("a")
	s.silent("a", 20)
	s.host.set("a", nil)
	await.Until(t, "the new process is connected", func() bool { return s.host.connected("a") })
	s.host.set("a", refused)
	s.host.end("a")
	s.expect("1 dead in 11")
	s.d.Watch(nil)
	s.host.set("a", nil)
	s.d.Close() // nothing is told any more after it
	if n := len(s.told); n > 0 {
		t.Errorf("%d calls for a broker that is not watched", n)
	}
}

// TestRealSockets: what the operating system says of a process that has ended.
func TestRealSockets(t *testing.T) {
	told := make(chan Peer, 10)
	d := New(Options{Dead: func(p Peer) { told <- p }, Back: func(p Peer) { told <- p }, Here: func(context.Context) error { return nil }})
	defer d.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Watch([]Peer{{ID: 3, Epoch: 1, Addrs: []string{l.Addr().String()}}})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_ = conn.Close()
	for _, back := range []bool{false, true} {
		if back {
			await.Until(t, "the port is free", func() bool { // a connection may have taken it for a moment
				again, err := net.Listen("tcp", l.Addr().String())
				if err == nil {
					l = again
				}
				return err == nil
			})
			defer l.Close()
		}
		select {
		case p := <-told:
			if p.ID != 3 {
				t.Fatalf("told %+v", p)
			}
		case <-time.After(await.Patience):
			t.Fatal("nothing told")
		}
	}
}
