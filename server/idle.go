package server

import "time"

// How often idle connections are looked for: a tenth of the time that they may
// be idle, within these bounds.
const (
	minIdleCheck = 10 * time.Millisecond
	maxIdleCheck = 10 * time.Second
)

// watchIdle closes idle connections (connections.max.idle.ms) until the server
// stops. One goroutine looks at all connections, so that a connection needs no
// timer of its own.
func (s *Server) watchIdle() {
	defer s.wg.Done()
	check := time.NewTicker(min(max(s.maxIdle/10, minIdleCheck), maxIdleCheck))
	defer check.Stop()
	for {
		select {
		case <-s.quit.Done():
			return
		case <-check.C:
			s.closeIdle(s.ticks())
		}
	}
}

// closeIdle closes what is idle too long at tick now. What a client is owed is
// dropped: it has read none of it all the time.
func (s *Server) closeIdle(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.idle(now - int64(s.maxIdle)) {
			s.limits.bite(s, "connections.max.idle.ms", "closing an idle connection", "client", c.nc.RemoteAddr().String())
			c.abort()
		}
	}
}
