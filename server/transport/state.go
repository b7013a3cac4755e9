package transport

import "net"

// State is what a SocketServer holds at a moment, for tests and metrics.
type State struct {
	Open        int   // connections that count against the limits
	QueuedLeft  int64 // what is left of Options.QueuedBytes
	LargeInside int   // large requests that are being read or served
}

// State looks at the server.
func (s *SocketServer) State() (st State) {
	s.quotas.mu.Lock()
	st.Open = s.quotas.total
	s.quotas.mu.Unlock()
	s.budget.mu.Lock()
	st.QueuedLeft = s.budget.left
	s.budget.mu.Unlock()
	s.large.mu.Lock()
	st.LargeInside = s.large.inside
	s.large.mu.Unlock()
	return st
}

// ConnState is what a connection holds at a moment, for tests and metrics.
type ConnState struct {
	Owed    int  // answers that have not been taken to be written
	Held    int  // bytes of those that are ready
	Writing bool // answers are being written
	Waiting bool // a request waits: see Await
}

// State looks at the connection.
func (c *Conn) State() ConnState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ConnState{Owed: len(c.pending), Held: c.held, Writing: c.writing, Waiting: c.waiting != nil}
}

// NetConn is the socket, for tests and metrics that ask the system about it. Nobody
// but the Conn reads, writes or closes it.
func (c *Conn) NetConn() net.Conn { return c.nc }
