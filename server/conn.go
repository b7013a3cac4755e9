package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"klamm/protocol"
)

// maxPending bounds the answers that a connection may owe at a time. A client
// that pipelines further is not read from until answers have gone out.
const maxPending = 512

// flushBytes is how much of ready answers may be held back while more
// requests of the same connection are already here.
const flushBytes = 64 << 10

// readBuffer is the size of a connection's read buffer: enough for a small
// request and the head of a large one. Bodies are read past it, straight into
// their frame.
const readBuffer = 8 << 10

// conn is one client's connection.
//
// One goroutine reads requests and calls their handlers, in the order of the
// wire. An answer that is ready when its handler returns is held until the
// goroutine would wait for the next bytes, so that requests which came together
// are answered together. An answer that has to wait (acks=all) keeps its place
// in the queue, and the goroutine goes on; whoever completes it sends what has
// become ready. Answers leave in the order of their requests, always.
type conn struct {
	server   *Server
	listener *Listener
	nc       net.Conn
	raw      syscall.RawConn // nil where nc has none: then no sendfile
	br       *bufio.Reader
	sender   sender // only used by who holds writing

	// park state, used by the connection's goroutine and by wake.
	parkMu sync.Mutex
	parked bool // guarded by parkMu

	mu       sync.Mutex
	changed  sync.Cond // signalled when pending shrinks or writing ends
	pending  []*answer // guarded by mu; answers owed, oldest first
	held     int       // guarded by mu; bytes ready and not yet taken to be written
	writing  bool      // guarded by mu; somebody is sending
	broken   bool      // guarded by mu; the socket failed or was aborted: nothing is sent any more
	stopping bool      // guarded by mu; no further request is read
}

func newConn(s *Server, l *Listener, nc net.Conn) *conn {
	c := &conn{server: s, listener: l, nc: nc}
	c.changed.L = &c.mu
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.sender = newSender(nc, c.raw)
	c.br = bufio.NewReaderSize(flushingReader{c}, readBuffer)
	return c
}

// flushingReader sends what is ready before each read that may wait for the
// client: the client may be waiting for just that.
type flushingReader struct{ c *conn }

func (r flushingReader) Read(p []byte) (int, error) {
	r.c.flush()
	return r.c.nc.Read(p)
}

// serve reads requests until the client leaves, errs, or the server stops, and
// then sends what is still owed.
func (c *conn) serve() {
	defer func() { _ = c.nc.Close() }()
	for c.room() {
		frame, err := protocol.ReadFrame(c.br, c.server.maxRequestBytes)
		if err != nil {
			if !c.isStopping() && !isDisconnect(err) {
				c.server.clientLog.warn(c, "a request could not be read, closing the connection", err)
			}
			break
		}
		if err := c.handle(frame); isDisconnect(err) {
			break // the client left while its fetch waited
		} else if err != nil {
			c.server.clientLog.warn(c, "a request was refused, closing the connection", err)
			c.drain()
			return
		}
	}
	c.drain()
}

// isDisconnect tells a client that went away from one that erred.
func isDisconnect(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// room waits until the connection owes few enough answers to read on. It
// reports false when no further request is to be read.
func (c *conn) room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) >= maxPending && !c.broken && !c.stopping {
		if c.pending[0].ready && !c.writing {
			c.flushLocked()
			continue
		}
		c.changed.Wait()
	}
	if c.held >= flushBytes {
		c.flushLocked()
	}
	return !c.broken && !c.stopping
}

// drain sends what is owed and waits for what is not ready yet.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 && !c.broken {
		if c.pending[0].ready && !c.writing {
			c.flushLocked()
			continue
		}
		c.changed.Wait()
	}
	for c.writing {
		c.changed.Wait()
	}
	c.dropLocked()
}

func (c *conn) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping || c.broken
}

// stop asks the connection to end once it has answered what it has read.
func (c *conn) stop() {
	c.mu.Lock()
	c.stopping = true
	c.changed.Broadcast()
	c.mu.Unlock()
	_ = c.nc.SetReadDeadline(longAgo)
}

// abort cuts the connection; answers owed are dropped.
func (c *conn) abort() {
	c.mu.Lock()
	c.broken = true
	c.changed.Broadcast()
	c.mu.Unlock()
	_ = c.nc.Close()
}

// expect takes the next place in the order of answers.
func (c *conn) expect(a *answer) {
	c.mu.Lock()
	c.pending = append(c.pending, a)
	c.mu.Unlock()
}

// complete marks an answer ready. The connection's own goroutine passes
// own=true and sends later, when it would wait for the next request; anybody
// else leaves the sending to a goroutine, since a client that does not read
// must not hold up who appends to a partition.
func (c *conn) complete(a *answer, own bool) {
	c.mu.Lock()
	if c.broken {
		a.release()
	}
	a.ready = true
	c.held += a.size
	send := !own && !c.writing && c.pending[0] == a
	c.mu.Unlock()
	if send {
		go c.flush()
	}
}

// flush sends what is ready, in order.
func (c *conn) flush() {
	c.mu.Lock()
	c.flushLocked()
	c.mu.Unlock()
}

// flushLocked sends the ready answers at the front of the queue. It gives up mu
// while it writes; writing keeps everybody else from doing the same, and is
// looked at again under mu, so that no answer that became ready meanwhile is
// left behind.
func (c *conn) flushLocked() {
	if c.writing {
		return
	}
	for !c.broken {
		n, size := 0, 0
		for n < len(c.pending) && c.pending[n].ready {
			size += c.pending[n].size
			n++
		}
		if n == 0 {
			return
		}
		batch := c.sender.take(c.pending[:n])
		c.pending = append(c.pending[:0], c.pending[n:]...)
		c.held -= size
		c.writing = true
		c.mu.Unlock()
		err := c.sender.send(batch)
		for _, a := range batch {
			a.release()
		}
		c.mu.Lock()
		c.writing = false
		if err != nil {
			c.broken = true
			_ = c.nc.Close() // wakes the reader
		}
		c.changed.Broadcast()
	}
	c.dropLocked()
}

// dropLocked gives back what answers that will not be sent hold. Those not
// ready yet are given back by complete.
func (c *conn) dropLocked() {
	if !c.broken {
		return
	}
	for _, a := range c.pending {
		if a.ready {
			a.release()
		}
	}
}

var longAgo = time.Unix(1, 0)

// park waits until wake is called, the deadline passes, or the client leaves
// or the server stops; only the latter two return an error. It reads from the
// socket meanwhile (into the buffer: a client may pipeline), which is how a
// client that left is noticed without a goroutine to watch it.
func (c *conn) park(deadline time.Time, woken <-chan struct{}) error {
	c.flush()
	c.parkMu.Lock()
	select {
	case <-woken:
		c.parkMu.Unlock()
		return nil
	default:
	}
	c.parked = true
	_ = c.nc.SetReadDeadline(deadline)
	c.parkMu.Unlock()
	defer func() {
		c.parkMu.Lock()
		c.parked = false
		_ = c.nc.SetReadDeadline(time.Time{})
		c.parkMu.Unlock()
		if c.isStopping() {
			_ = c.nc.SetReadDeadline(longAgo)
		}
	}()
	if c.isStopping() {
		return nil
	}
	if c.br.Buffered() == 0 {
		_, err := c.br.Peek(1)
		switch {
		case err == nil: // the client sent its next request: wait without the socket
		case isTimeout(err):
			return nil
		default:
			return err
		}
	}
	timer := time.NewTimer(c.server.until(deadline))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	}
	return nil
}

// wake ends a park early; harmless when none is under way. The caller has
// closed or filled the channel that park was given.
func (c *conn) wake() {
	c.parkMu.Lock()
	if c.parked {
		_ = c.nc.SetReadDeadline(longAgo)
	}
	c.parkMu.Unlock()
}

func (s *Server) until(t time.Time) time.Duration { return t.Sub(s.now()) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
