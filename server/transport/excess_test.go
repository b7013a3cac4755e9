package transport

import (
	"math"
	"net"
	"testing"
	"time"

	"klamm/internal/await"
)

func atMost(connections int) ConnectionLimits {
	return ConnectionLimits{Broker: connections, Rate: math.MaxInt32, PerIP: math.MaxInt32}
}

// served sends a request, and waits until the connection has noted that no goroutine writes: the client gets its answer before.
func (s *SocketServer) served(t *testing.T, nc net.Conn) {
	t.Helper()
	if _, err := nc.Write(ask(4, 10)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, nc, 10)
	await.Until(t, "nobody writes", func() bool {
		for _, c := range s.Conns() {
			c.mu.Lock()
			writing := c.writing
			c.mu.Unlock()
			if writing {
				return false
			}
		}
		return true
	})
}

// TestAcceptDoesNotLookAtEachConnection: with max.connections set, all connections were looked at after each accept.
func TestAcceptDoesNotLookAtEachConnection(t *testing.T) {
	s := startEcho(t, nil)
	s.SetLimits(atMost(2))
	for range 2 {
		s.served(t, s.dial(t))
	}
	s.mu.Lock() // makes any code wait that looks at the connections
	looked := make(chan struct{})
	go func() {
		s.closeExcess()
		close(looked)
	}()
	defer s.mu.Unlock()
	select {
	case <-looked:
	case <-time.After(await.Patience):
		t.Error("it looks at each connection")
	}
}

// TestLoweredLimitClosesThoseThatAreIdleForLongest closes several connections at once.
func TestLoweredLimitClosesThoseThatAreIdleForLongest(t *testing.T) {
	s := startEcho(t, nil)
	var conns []net.Conn
	for range 10 {
		conns = append(conns, s.dial(t))
		s.served(t, conns[len(conns)-1])
	}
	s.served(t, conns[0])
	s.SetLimits(atMost(3))
	await.Until(t, "seven have ended", func() bool { return len(s.Conns()) == 3 })
	for _, i := range []int{0, 8, 9} {
		s.served(t, conns[i])
	}
}
