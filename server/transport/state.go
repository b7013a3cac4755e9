package transport

import "net"

// State is what a SocketServer holds at one moment, for tests and metrics.
type State struct {
	Open        int   // the connections that count against the limits
	QueuedLeft  int64 // what is left of Options.QueuedBytes, in bytes
	LargeInside int   // the large requests that the server reads or handles
}

// State gives the present state of the server. Any goroutine may call it after Serve.
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

// ConnState is what a connection holds at one moment, for tests and metrics.
type ConnState struct {
	Owed    int  // the answers whose writing has not begun
	Held    int  // the bytes of those answers that are ready
	Writing bool // a goroutine writes answers
	Waiting bool // a request waits: see Conn.Await
}

// State gives the present state of the connection. Any goroutine may call it.
func (c *Conn) State() ConnState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ConnState{Owed: len(c.pending), Held: c.held, Writing: c.writing, Waiting: c.waiting != nil}
}

// NetConn gives the socket, for tests and metrics that ask the operating system about it.
// Only the Conn may read, write or close the socket.
func (c *Conn) NetConn() net.Conn { return c.nc }
