package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"klamm/cluster/replica"
	"klamm/protocol"
)

// maxPending bounds the answers that a connection may owe at a time. A client
// that pipelines further is not read from until answers have gone out.
const maxPending = 512

// flushBytes is how much of ready answers may be held back while more
// requests of the same connection are already here.
const flushBytes = 64 << 10

// maxHeld is how many bytes of answers that cannot be sent yet a connection may
// collect, because the client does not read or an earlier answer is awaited.
// Then it is not read from until that changes.
const maxHeld = 256 << 10

// readBuffer is the size of a connection's read buffer: enough for a small
// request and the head of a large one. Bodies are read past it, straight into
// their frame.
const readBuffer = 8 << 10

// conn is one client's connection.
//
// One goroutine reads requests and calls their handlers, in the order of the
// wire. An answer that is ready when its handler returns is held until the
// goroutine would wait for the next bytes or calls a handler that may wait, so
// that produce requests which came together are answered together. An answer
// that has to wait (acks=all) keeps its place in the queue, and the goroutine
// goes on; whoever completes it sends what has become ready. Answers leave in
// the order of their requests, always.
//
// A fetch that waits for records is answered by whoever appends them. The goroutine meanwhile
// waits for the client's next request, or for its end, and handles none before the fetch is answered.
type conn struct {
	server   *Server
	listener *Listener
	nc       net.Conn
	remote   netip.Addr             // the client's address
	br       *bufio.Reader          // nil until the client has sent something
	header   protocol.RequestHeader // of the request read last; its client id is used again
	charged  int64                  // bytes of the current request that count against queued.max.request.bytes
	large    bool                   // the current request is one of those that the gate counts
	inside   pass                   // the zero one where it is not inside
	turn     chan pass              // told when it may go in
	arrived  func(want int) int     // waitForBytes; made once
	receiver receiver
	reader   smallReader   // used by the connection's goroutine
	sender   sender        // only used by who holds writing
	active   atomic.Int64  // when bytes last moved, see Server.ticks
	quit     chan struct{} // closed with stopping and with broken: ends waits for something else than the socket

	waiting atomic.Pointer[replica.Waiter] // the fetch that waits, nil for none
	left    atomic.Bool                    // the client is gone: no fetch of its waits any more
	later   atomic.Bool                    // a request is answered later, and the next one handled after that: see typedLater
	timer   *time.Timer                    // wakes the fetch that waits; used by whose the fetch is

	// park state, used by the connection's goroutine and by awaitsNothing.
	parkMu   sync.Mutex
	parked   bool          // guarded by parkMu
	answered chan struct{} // guarded by parkMu; closed when no fetch waits any more; nil where nobody asks

	mu       sync.Mutex
	changed  sync.Cond // signalled when pending shrinks or writing ends
	pending  []*answer // guarded by mu; answers owed, oldest first
	held     int       // guarded by mu; bytes ready and not yet taken to be written
	writing  bool      // guarded by mu; somebody is sending
	broken   bool      // guarded by mu; the socket failed or was aborted: nothing is sent any more
	stopping bool      // guarded by mu; no further request is read
	busy     bool      // guarded by mu; the connection's goroutine reads a request or handles it
	sealed   bool      // guarded by mu; no further request is handled
	ended    bool      // guarded by mu; quit is closed
}

func newConn(s *Server, l *Listener, nc net.Conn) *conn {
	c := &conn{server: s, listener: l, nc: nc, remote: remoteAddr(nc), quit: make(chan struct{})}
	c.changed.L = &c.mu
	c.arrived = c.waitForBytes
	c.receiver.open(nc, c.flush)
	c.reader.open(nc)
	c.sender.open(nc, c.touch)
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
func (c *conn) touch() { c.active.Store(c.server.ticks()) }

// flushingReader sends what is ready before each read that may wait for the
// client: the client may be waiting for just that.
type flushingReader struct{ c *conn }

func (r flushingReader) Read(p []byte) (int, error) {
	r.c.flush()
	n, err := r.c.reader.Read(p)
	if n > 0 {
		r.c.touch()
	}
	return n, err
}

// serve reads requests until the client leaves, errs, or the server stops, and
// then sends what is still owed.
func (c *conn) serve() {
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
				c.server.clientLog.warn(c, "a request could not be read, closing the connection", err)
			}
			break
		}
		err = c.handle(frame)
		c.uncharge()
		if isDisconnect(err) {
			break // the client left while its fetch waited
		} else if err != nil {
			c.server.clientLog.warn(c, "a request was refused, closing the connection", err)
			c.drain()
			return
		}
	}
	if !c.isStopping() {
		c.left.Store(true)
		if c.later.Load() {
			c.abort() // its group may have it wait for long
		}
	}
	c.wakeFetch()
	c.drain()
	c.linger()
}

// next waits until no fetch waits for records any more, and no member for its group, and reads the next request. What
// a client pipelines behind that goes to the read buffer; once that is full, nobody looks at the socket until it
// is answered.
func (c *conn) next() (*protocol.Buffer, error) {
	for c.waits() {
		if c.br.Buffered() == 0 {
			// Mostly the fetch is answered first, and the client then asks again.
			if _, err := c.br.Peek(1); err != nil {
				return nil, err
			}
			continue
		}
		answered := c.fetchAnswered()
		if err := c.park(c.server.now().Add(time.Hour), answered); err != nil {
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

// waits says that a request is not answered yet that others are not to overtake.
func (c *conn) waits() bool { return c.waiting.Load() != nil || c.later.Load() }

// owesNothing says that all requests so far have their answers.
func (c *conn) owesNothing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.broken && (len(c.pending) == 0 || c.pending[len(c.pending)-1].ready)
}

// fetchAnswered is closed when no request waits that others are not to overtake.
func (c *conn) fetchAnswered() <-chan struct{} {
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

// awaits notes the fetch that waits, for so long at most.
func (c *conn) awaits(w *replica.Waiter, most time.Duration) {
	c.waiting.Store(w)
	if c.timer == nil {
		c.timer = time.AfterFunc(most, c.wakeFetch)
	} else {
		c.timer.Reset(most)
	}
}

// awaitsNothing notes that no fetch waits any more: the last one's answer has its place.
func (c *conn) awaitsNothing() {
	c.timer.Stop()
	c.parkMu.Lock()
	c.waiting.Store(nil)
	c.goOnLocked()
	c.parkMu.Unlock()
	c.mu.Lock()
	c.changed.Broadcast()
	c.mu.Unlock()
}

// letGo notes that a request which others were not to overtake has its answer.
func (c *conn) letGo() {
	c.parkMu.Lock()
	c.later.Store(false)
	c.goOnLocked()
	c.parkMu.Unlock()
}

// goOnLocked has the next request handled, with parkMu held.
func (c *conn) goOnLocked() {
	if c.answered != nil {
		close(c.answered)
		c.answered = nil
		c.wakeLocked()
	}
}

// wakeFetch has the fetch that waits answered with what there is.
func (c *conn) wakeFetch() {
	if w := c.waiting.Load(); w != nil {
		w.Wake()
	}
}

// isEnding says that a fetch is not to wait.
func (c *conn) isEnding() bool { return c.left.Load() || c.isStopping() }

// lingerTime bounds how long a stop waits for a client to take what it was sent.
const lingerTime = time.Second

// linger sees to it that the answers reach a client that has sent more than was
// read when the server stopped: a socket that is closed with bytes unread resets
// the connection, and the client loses what it has not taken yet. So the end is
// told, and what still comes is read and dropped until the client closes too.
func (c *conn) linger() {
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
func (c *conn) read() (*protocol.Buffer, error) {
	n, err := protocol.ReadFrameSize(c.br, c.server.maxRequestBytes)
	if err != nil {
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
func (c *conn) waitForBytes(want int) int {
	n := c.receiver.await(want)
	if c.large && n >= want {
		c.flush() // a client that does not read is waited for outside
		if c.turn == nil {
			c.turn = make(chan pass, 1)
		}
		c.inside = c.server.large.enter(c.turn, c.quit)
	}
	return n
}

// leaveGate makes room for other large requests, before anything that may wait for long.
func (c *conn) leaveGate() {
	if c.inside.in {
		c.server.large.leave(c.inside)
		c.inside = pass{}
	}
}

// heldByBudget says that a request waits for others.
func (c *conn) heldByBudget() {
	c.server.limits.bite(c.server, "queued.max.request.bytes", "a request waits to be read", "client", c.nc.RemoteAddr().String())
}

// uncharge gives back what read took of the bounds on requests.
func (c *conn) uncharge() {
	c.server.budget.giveBack(c.charged)
	c.charged = 0
	c.leaveGate()
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
	c.restLocked()
	for !c.broken && !c.stopping {
		full := len(c.pending) >= maxPending || c.held >= maxHeld
		switch {
		case (full || c.held >= flushBytes) && c.pending[0].ready && !c.writing:
			c.flushLocked()
		case full:
			c.changed.Wait()
		default:
			c.busy = true
			return true
		}
	}
	return false
}

// restLocked notes that the connection's goroutine neither reads a request nor handles one.
func (c *conn) restLocked() {
	c.busy = false
	c.toldIfStoppingLocked()
}

// toldIfStoppingLocked wakes settle, which waits for such changes only while the server stops.
func (c *conn) toldIfStoppingLocked() {
	if c.stopping {
		c.changed.Broadcast()
	}
}

// settle waits until every request that the connection has read is handled, and has no further one handled. A client
// that does not read its answers is not waited for: the request behind those is never handled. seal ends the wait.
func (c *conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.sealed && (c.busy && !c.writing || c.handlesLocked()) {
		c.changed.Wait()
	}
	c.sealed = true
}

// handlesLocked says that a request has no answer yet.
func (c *conn) handlesLocked() bool {
	return slices.ContainsFunc(c.pending, func(a *answer) bool { return !a.ready })
}

// seal has no further request handled.
func (c *conn) seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	c.changed.Broadcast()
}

// drain sends what is owed and waits for what is not ready yet.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restLocked()
	for len(c.pending) > 0 && !c.broken {
		if c.pending[0].ready && !c.writing {
			c.flushLocked()
			continue
		}
		c.changed.Wait()
	}
	for c.writing || c.waiting.Load() != nil {
		c.changed.Wait()
	}
	c.dropLocked()
}

func (c *conn) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping || c.broken
}

func (c *conn) isBroken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// stop asks the connection to end once it has answered what it has read.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	c.endLocked()
	// A park that sets its own deadline later looks at stopping again.
	_ = c.nc.SetReadDeadline(longAgo)
}

// abort cuts the connection; answers owed are dropped.
func (c *conn) abort() {
	c.mu.Lock()
	c.breakLocked()
	c.mu.Unlock()
}

// breakLocked ends all sending, and closes the socket, which wakes the reader.
func (c *conn) breakLocked() {
	c.broken = true
	c.endLocked()
	_ = c.nc.Close()
}

func (c *conn) endLocked() {
	if !c.ended {
		c.ended = true
		close(c.quit)
	}
	c.changed.Broadcast()
}

// idle reports that nothing has happened on the connection since a tick: no
// byte moved, and no answer is being worked on, as that of a fetch that waits.
func (c *conn) idle(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	working := len(c.pending) > 0 && !c.writing
	return !working && c.active.Load() <= since
}

// expect takes the next place in the order of answers. It reports false when the request is not to be handled, because
// the server has stopped.
func (c *conn) expect(a *answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed {
		return false
	}
	c.pending = append(c.pending, a)
	return true
}

// completer says who completes an answer, and with that when it is sent.
type completer int

const (
	// own is the connection's goroutine: it sends later, when it would wait for the next request.
	own completer = iota
	// aside is anybody else: the sending is left to a goroutine, since a client that does not
	// read must not hold up who appends to a partition.
	aside
	// here is anybody else too, but what the socket takes at once is sent at once: another
	// goroutine costs as much as the sending.
	here
)

// complete marks an answer ready.
func (c *conn) complete(a *answer, by completer) {
	c.mu.Lock()
	if c.broken {
		a.release()
	}
	a.ready = true
	c.held += a.size
	c.toldIfStoppingLocked()
	send := by != own && !c.writing && c.pending[0] == a
	atOnce := send && by == here && a.size <= c.sender.atOnce && c.sender.drained()
	c.mu.Unlock()
	switch {
	case atOnce:
		c.flush()
	case send:
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
		left := copy(c.pending, c.pending[n:])
		clear(c.pending[left:])
		c.pending = c.pending[:left]
		c.held -= size
		c.writing = true
		c.toldIfStoppingLocked()
		c.mu.Unlock()
		err := c.sender.send(batch)
		for _, a := range batch {
			a.release()
		}
		clear(batch)
		c.mu.Lock()
		c.writing = false
		if err != nil {
			c.breakLocked()
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

// park waits until woken is closed, the deadline passes, the client leaves or
// the server stops. The error says that the client left.
//
// It reads from the socket meanwhile, which is how a client that left is noticed
// without a goroutine to watch it. What a client pipelines behind the request
// that waits goes to the read buffer; once that is full, nobody looks at the
// socket until the wait is over.
func (c *conn) park(deadline time.Time, woken <-chan struct{}) error {
	c.flush()
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
func (c *conn) unpark() {
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
func (c *conn) wakeLocked() {
	if c.parked {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

func (s *Server) until(t time.Time) time.Duration { return t.Sub(s.now()) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
