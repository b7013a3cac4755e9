package transport

import "time"

// The server looks for idle connections ten times within connections.max.idle.ms, but the
// time between two looks stays within these bounds.
const (
	minIdleCheck = 10 * time.Millisecond
	maxIdleCheck = 10 * time.Second
)

// watchIdle closes idle connections (connections.max.idle.ms) until the server
// stops. One goroutine looks at all connections, so that a connection needs no
// timer of its own.
func (s *SocketServer) watchIdle() {
	defer s.own.Done()
	check := time.NewTicker(min(max(s.maxIdle/10, minIdleCheck), maxIdleCheck))
	defer check.Stop()
	for {
		select {
		case <-s.quit.Done():
			return
		case <-check.C:
			s.CloseIdle(s.maxIdle)
		}
	}
}

// CloseIdle closes the connections on which nothing has happened for the time idle. It
// drops the answers that such a client is owed, since the client has read none of them
// for that time. Any goroutine may call it.
func (s *SocketServer) CloseIdle(idle time.Duration) {
	since := s.ticks() - int64(idle)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.idle(since) && !c.heardSince(since) {
			s.limited("connections.max.idle.ms", "closing an idle connection", "client", c.nc.RemoteAddr().String())
			s.expired.Add(1)
			c.Abort()
		}
	}
}

// heardSince reports whether the client has sent a part of a request since the tick. The connection leaves such a
// part in the kernel until the whole request is there, so Conn.idle does not see it.
func (c *Conn) heardSince(since int64) bool {
	ago, ok := c.receiver.heard()
	return ok && c.server.ticks()-int64(ago) > since
}
