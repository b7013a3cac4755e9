package transport

import (
	"net"
	"strings"
)

// State is what a SocketServer holds at one moment, for tests and metrics.
type State struct {
	Open        int   // the connections that count against the limits
	Bounded     bool  // Options.QueuedBytes bounds the bytes of requests
	QueuedLeft  int64 // what is left of Options.QueuedBytes, in bytes
	QueuedUsed  int64 // what is used of Options.QueuedBytes, in bytes; 0 without a bound
	LargeInside int   // the large requests that the server reads or handles
	// LargeOutside are the large requests that wait until some of those are handled.
	LargeOutside int
}

// State gives the present state of the server. Any goroutine may call it after Serve.
func (s *SocketServer) State() (st State) {
	s.quotas.mu.Lock()
	st.Open = s.quotas.total
	s.quotas.mu.Unlock()
	s.budget.mu.Lock()
	st.Bounded, st.QueuedLeft = !s.budget.unbounded, s.budget.left
	if st.Bounded {
		st.QueuedUsed = s.budget.total - s.budget.left
	}
	s.budget.mu.Unlock()
	s.large.mu.Lock()
	st.LargeInside, st.LargeOutside = s.large.inside, len(s.large.outside)
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

// Software is what a client says that it is (KIP-511). Both are words of letters, digits, dots and dashes, or "" where the client did not say.
type Software struct{ Name, Version string }

// maxSoftware bounds the letters of a name or version that a connection keeps, which may be as long as a request.
const maxSoftware = 64

// SetSoftware notes what the client says that it is, and leaves out what is too long for a name.
func (c *Conn) SetSoftware(s Software) {
	s.Name, s.Version = s.Name[:min(len(s.Name), maxSoftware)], s.Version[:min(len(s.Version), maxSoftware)]
	c.software.Store(&Software{strings.Clone(s.Name), strings.Clone(s.Version)})
}

// Software gives what the client says that it is.
func (c *Conn) Software() Software {
	if s := c.software.Load(); s != nil {
		return *s
	}
	return Software{}
}

// Traffic counts the connections of a listener.
type Traffic struct{ Accepted, Closed int64 }

// Traffic gives how many connections the listener has had.
func (l *Listener) Traffic() Traffic {
	return Traffic{Accepted: l.accepted.Load(), Closed: l.closed.Load()}
}

// Expired gives how many connections were closed since they were idle for too long.
func (s *SocketServer) Expired() int64 { return s.expired.Load() }

// NetConn gives the socket, for tests and metrics that ask the operating system about it.
// Only the Conn may read, write or close the socket.
func (c *Conn) NetConn() net.Conn { return c.nc }
