package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"klamm/protocol"
)

// readBuffer is the size of a connection's read buffer: enough for a small
// request and the head of a large one. Bodies are read past it, straight into
// their frame.
const readBuffer = 8 << 10

// Conn is one client's connection.
//
// Its exported methods are for who serves the requests of the connection, and may be
// called by any goroutine unless they say otherwise.
//
// One goroutine reads requests and calls their handlers, in the order of the
// wire. An answer that has to wait (acks=all) keeps its place in the queue, and the
// goroutine goes on. Answers leave in the order of their requests, always; who sends
// them is told at order.
//
// A fetch that waits for records is answered by whoever appends them. The goroutine meanwhile
// waits for the client's next request, or for its end, and handles none before the fetch is answered.
type Conn struct {
	server   *SocketServer
	listener *Listener
	nc       net.Conn
	remote   netip.Addr             // the client's address
	br       *bufio.Reader          // nil until the client has sent something
	header   protocol.RequestHeader // of the request read last; its client id is used again
	frame    *protocol.Buffer       // the current request's bytes, nil once they were given back
	charged  int64                  // bytes of the current request that count against queued.max.request.bytes
	large    bool                   // the current request is one of those that the gate counts
	inside   pass                   // the zero one where it is not inside
	turn     chan pass              // told when it may go in
	arrived  func(want int) int     // waitForBytes; made once
	receiver receiver
	reader   smallReader  // used by the connection's goroutine
	sender   sender       // only used by who holds writing
	active   atomic.Int64 // when bytes last moved, see SocketServer.ticks
	order                 // of the answers

	left  atomic.Bool // the client is gone: no request of its waits any more
	later atomic.Bool // a request is answered later, and the next one handled after that: see HoldNext
	timer *time.Timer // wakes the request that waits; used by whose the request is

	// park state, used by the connection's goroutine and by awaitsNothing.
	parkMu   sync.Mutex
	parked   bool          // guarded by parkMu
	answered chan struct{} // guarded by parkMu; closed when no fetch waits any more; nil where nobody asks
}

func newConn(s *SocketServer, l *Listener, nc net.Conn) *Conn {
	c := &Conn{server: s, listener: l, nc: nc, remote: remoteAddr(nc)}
	c.order.open(socket{c})
	c.arrived = c.waitForBytes
	c.receiver.open(nc, c.rest)
	c.reader.open(nc)
	c.sender.open(nc, &s.buffers, c.touch)
	c.touch()
	return c
}

// remoteAddr is the address that the client came from, the zero Addr if it
// has none that is an IP's.
func remoteAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// touch notes that bytes have moved.
func (c *Conn) touch() { c.active.Store(c.server.ticks()) }

// flushingReader sends what is ready before each read that may wait for the
// client: the client may be waiting for just that.
type flushingReader struct{ c *Conn }

func (r flushingReader) Read(p []byte) (int, error) {
	r.c.rest()
	n, err := r.c.reader.Read(p)
	if n > 0 {
		r.c.touch()
	}
	return n, err
}

// serve reads requests until the client leaves, errs, or the server stops, and
// then sends what is still owed.
func (c *Conn) serve() {
	defer func() { _ = c.nc.Close() }()
	if c.receiver.awaitBytes() != nil {
		return // the client left, or the server stops
	}
	br := bufio.NewReaderSize(flushingReader{c}, readBuffer)
	c.mu.Lock()
	c.br = br
	c.mu.Unlock()
	for c.room() {
		frame, err := c.next()
		if err != nil {
			if !c.isStopping() && !isDisconnect(err) {
				c.server.clientErred(c, "a request could not be read, closing the connection", err)
			}
			break
		}
		err = c.serveFrame(frame)
		if isDisconnect(err) {
			break // the client left while its fetch waited
		} else if err != nil {
			c.server.clientErred(c, "a request was refused, closing the connection", err)
			c.drain()
			return
		}
	}
	if !c.isStopping() {
		c.left.Store(true)
		if c.later.Load() {
			c.Abort() // its group may have it wait for long
		}
	}
	c.wakeDelayed()
	c.drain()
	c.linger()
}

// serveFrame parses the header of a request and hands the request on. The error, if any,
// closes the connection.
func (c *Conn) serveFrame(frame *protocol.Buffer) error {
	c.frame = frame
	defer c.ForgetRequest()
	n, err := c.header.Parse(frame.B)
	if err != nil {
		return fmt.Errorf("the request header cannot be decoded: %w", err)
	}
	return c.server.serve(c, c.header, frame.B[n:])
}

// next waits until no fetch waits for records any more, and no member for its group, and reads the next request. What
// a client pipelines behind that goes to the read buffer; once that is full, nobody looks at the socket until it
// is answered.
func (c *Conn) next() (*protocol.Buffer, error) {
	for c.waits() {
		if c.br.Buffered() == 0 {
			// Mostly the fetch is answered first, and the client then asks again.
			if _, err := c.br.Peek(1); err != nil {
				return nil, err
			}
			continue
		}
		answered := c.nothingWaits()
		if err := c.Park(c.server.now().Add(time.Hour), answered); err != nil {
			if !c.owesNothing() {
				return nil, err
			}
			<-answered // any moment: what the client sent before it left is handled
			continue
		}
		if c.isStopping() {
			return nil, net.ErrClosed
		}
	}
	return c.read()
}

// idle reports that nothing has happened on the connection since a tick: no
// byte moved, and no answer is being worked on, as that of a fetch that waits.
func (c *Conn) idle(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	working := len(c.pending) > 0 && !c.writing
	return !working && c.active.Load() <= since
}

// socket is the connection as the order of its answers has it.
type socket struct{ c *Conn }

func (s socket) write(batch []*Answer) error { return s.c.sender.send(batch) }

func (s socket) takes(bytes int) bool { return bytes <= s.c.sender.atOnce && s.c.sender.drained() }

func (s socket) spawn(f func()) { go f() }

// A park that sets its own deadline later looks at stopping again.
func (s socket) interrupt() { _ = s.c.nc.SetReadDeadline(longAgo) }

func (s socket) cut() { _ = s.c.nc.Close() }

func (s socket) release(a *Answer) { a.release(&s.c.server.buffers) }

// waits says that a request is not answered yet that others are not to overtake.
func (c *Conn) waits() bool { return c.later.Load() || c.delayed() != nil }

// delayed is the request that waits, nil for none.
func (c *Conn) delayed() Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// nothingWaits is closed when no request waits that others are not to overtake.
func (c *Conn) nothingWaits() <-chan struct{} {
	c.parkMu.Lock()
	defer c.parkMu.Unlock()
	done := make(chan struct{})
	if !c.waits() {
		close(done)
	} else {
		c.answered = done
	}
	return done
}

// Waiter is a request that waits for something before it is answered, as a fetch
// does in the purgatory of Apache Kafka.
type Waiter interface {
	// Wake has the request answered with what there is. It may come more than once, and
	// after the request was answered.
	Wake()
}

// Await notes that the request that was served last waits, for so long at most: then,
// when the client leaves and when the server stops, it is woken. No further request of
// the connection is served before AwaitsNothing. A request that has waited may wait again.
func (c *Conn) Await(w Waiter, most time.Duration) {
	c.mu.Lock()
	c.waiting = w
	c.mu.Unlock()
	if c.timer == nil {
		c.timer = time.AfterFunc(most, c.wakeDelayed)
	} else {
		c.timer.Reset(most)
	}
}

// AwaitsNothing notes that no request waits any more: the last one's answer is complete.
func (c *Conn) AwaitsNothing() {
	c.timer.Stop()
	c.parkMu.Lock()
	c.mu.Lock()
	c.waiting = nil
	c.mu.Unlock()
	c.goOnLocked()
	c.parkMu.Unlock()
	c.mu.Lock()
	c.changed.Broadcast()
	c.mu.Unlock()
}

// HoldNext has the connection serve no further request before ServeNext: the one that
// is being served will be answered later.
func (c *Conn) HoldNext() { c.later.Store(true) }

// ServeNext ends what HoldNext began.
func (c *Conn) ServeNext() {
	c.parkMu.Lock()
	c.later.Store(false)
	c.goOnLocked()
	c.parkMu.Unlock()
}

// goOnLocked has the next request handled, with parkMu held.
func (c *Conn) goOnLocked() {
	if c.answered != nil {
		close(c.answered)
		c.answered = nil
		c.wakeLocked()
	}
}

// wakeDelayed has the request that waits answered with what there is.
func (c *Conn) wakeDelayed() {
	if w := c.delayed(); w != nil {
		w.Wake()
	}
}

// Ending says that a request is not to wait: the client has left, or the server stops.
func (c *Conn) Ending() bool { return c.left.Load() || c.isStopping() }

// Left says that the client has left, so that nobody will read an answer.
func (c *Conn) Left() bool { return c.left.Load() }

// Quit is closed when the connection ends: who waits for something on behalf of its
// client is to wait no longer.
func (c *Conn) Quit() <-chan struct{} { return c.quit }

// Listener is where the connection came in.
func (c *Conn) Listener() *Listener { return c.listener }

// RemoteAddr is the address that the client came from.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// ClientID is the name that the client gave itself in the request that was read last, empty where there was none. It
// is for the connection's goroutine, and for who has a connection that is not served yet.
func (c *Conn) ClientID() string {
	if c.header.ClientID == nil {
		return ""
	}
	return *c.header.ClientID
}

// LocalAddr is the address of ours that the client reached.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteIP is the IP address that the client came from, the zero Addr if it has none.
func (c *Conn) RemoteIP() netip.Addr { return c.remote }

// Buffer gives an empty buffer with room for n bytes, for Answer.Fill.
func (c *Conn) Buffer(n int) []byte { return c.server.buffers.get(n) }

// lingerTime bounds how long a stop waits for a client to take what it was sent.
const lingerTime = time.Second

// linger sees to it that the answers reach a client that has sent more than was
// read when the server stopped: a socket that is closed with bytes unread resets
// the connection, and the client loses what it has not taken yet. So the end is
// told, and what still comes is read and dropped until the client closes too.
func (c *Conn) linger() {
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || c.isBroken() || !c.isStopping() || c.br.Buffered() == 0 && c.receiver.unread() == 0 {
		return
	}
	if tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, tcp)
	}
}

// read reads one request, and waits for its turn where the bytes of requests
// are bounded (queued.max.request.bytes).
func (c *Conn) read() (*protocol.Buffer, error) {
	n, err := protocol.ReadFrameSize(c.br, c.server.maxRequestBytes)
	if err != nil {
		return nil, err
	}
	if err := protocol.CheckFrameSize(c.br, n); err != nil {
		return nil, err
	}
	if !c.server.budget.take(int64(n), c.quit, c.heldByBudget) {
		return nil, net.ErrClosed
	}
	c.charged = int64(n)
	c.large = n >= gateBytes
	frame, err := protocol.ReadFrameBody(c.br, n, c.arrived)
	if err != nil {
		c.uncharge()
	}
	return frame, err
}

// waitForBytes waits for what there is still to come of a request, and when all of a large one is there,
// for its turn to be read.
func (c *Conn) waitForBytes(want int) int {
	n := c.receiver.await(want)
	if c.large && n >= want {
		c.rest() // a client that does not read is waited for outside
		if c.turn == nil {
			c.turn = make(chan pass, 1)
		}
		c.inside = c.server.large.enter(c.turn, c.quit)
	}
	return n
}

// MayWait is called by who serves a request before anything that may wait for long: other
// large requests have their turn meanwhile, and the client what is ready for it. Only the
// connection's goroutine calls it.
func (c *Conn) MayWait() {
	c.LeaveGate()
	c.flush()
}

// LeaveGate makes room for other large requests, before what has turns of its own. Only
// the connection's goroutine calls it.
func (c *Conn) LeaveGate() {
	if c.inside.in {
		c.server.large.leave(c.inside)
		c.inside = pass{}
	}
}

// ForgetRequest gives the bytes of the current request back, with what they took of queued.max.request.bytes: nobody may
// look at them any more. Who serves a request may call it before waiting; it is called in any case when the request was handled. Only
// the connection's goroutine calls it.
func (c *Conn) ForgetRequest() {
	if c.frame != nil {
		c.frame.Release()
		c.frame = nil
	}
	c.uncharge()
}

// heldByBudget says that a request waits for others. Answers that are ready do not wait with it.
func (c *Conn) heldByBudget() {
	c.rest()
	c.server.limited("queued.max.request.bytes", "a request waits to be read", "client", c.nc.RemoteAddr().String())
}

// uncharge gives back what read took of the bounds on requests.
func (c *Conn) uncharge() {
	c.server.budget.giveBack(c.charged)
	c.charged = 0
	c.LeaveGate()
}

// isDisconnect tells a client that went away from one that erred.
func isDisconnect(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

var longAgo = time.Unix(1, 0)

// Park waits until woken is closed, the deadline passes, the client leaves or
// the server stops. The error says that the client left.
//
// It reads from the socket meanwhile, which is how a client that left is noticed
// without a goroutine to watch it. What a client pipelines behind the request
// that waits goes to the read buffer; once that is full, nobody looks at the
// socket until the wait is over.
func (c *Conn) Park(deadline time.Time, woken <-chan struct{}) error {
	c.rest()
	c.uncharge()
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
	defer c.unpark()
	if c.isStopping() {
		return nil
	}
	for c.br.Buffered() < c.br.Size() {
		if _, err := c.br.Peek(c.br.Buffered() + 1); isTimeout(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
	timer := time.NewTimer(c.server.until(deadline))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	case <-c.quit:
	}
	return nil
}

// unpark lets the socket be read without a deadline again, unless the server stops.
func (c *Conn) unpark() {
	c.parkMu.Lock()
	c.parked = false
	_ = c.nc.SetReadDeadline(time.Time{})
	c.parkMu.Unlock()
	if c.isStopping() {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

// wakeLocked ends a park early; harmless when none is under way. The caller has
// closed the channel that park was given.
func (c *Conn) wakeLocked() {
	if c.parked {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

func (s *SocketServer) until(t time.Time) time.Duration { return t.Sub(s.now()) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
