package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"klamm/protocol"
)

// readBuffer is the size of a connection's read buffer in bytes: enough for a small
// request and the head of a large one. The rest of a large request goes from the socket
// straight into its frame.
const readBuffer = 8 << 10

// Conn is one client's connection.
//
// Its exported methods are for the code that serves the requests of the connection. Any
// goroutine may call a method unless the comment of the method says otherwise.
//
// One goroutine, the connection's goroutine, reads requests and calls their handlers in the
// order in which the requests arrive. An answer that has to wait (acks=all) keeps its place
// in the queue, and the goroutine goes on to the next request. Answers always leave in the
// order of their requests; the comment on order says who sends them.
//
// The goroutine that appends records answers a fetch that waits for them. Meanwhile the connection's
// goroutine waits for the client's next request, or for the client to leave. It handles no request
// before the fetch is answered.
type Conn struct {
	server       *SocketServer
	listener     *Listener
	nc           net.Conn
	remote       netip.Addr             // the client's address
	br           *bufio.Reader          // nil until the client has sent a byte
	header       protocol.RequestHeader // the header of the latest request; Parse reuses the memory of its client id
	requestBytes int                    // the size of the current request
	frame        *protocol.Buffer       // the bytes of the current request, nil once ForgetRequest released them
	charged      int64                  // bytes of the current request that count against queued.max.request.bytes
	large        bool                   // the gate counts the current request
	inside       pass                   // what the current request leaves the gate with; zero when it is not inside
	turn         chan pass              // gets a pass when the current request may enter the gate
	arrived      func(want int) int     // waitForBytes, as a function value that is made once
	receiver     receiver
	reader       smallReader  // only the connection's goroutine uses it
	sender       sender       // only the goroutine that set order.writing uses it
	active       atomic.Int64 // when bytes last moved, see SocketServer.ticks
	received     int64        // when bytes last came, see SocketServer.ticks; only the connection's goroutine uses it
	order                     // the order of the answers

	heard    atomic.Bool              // the client was sent an answer that is no greeting
	software atomic.Pointer[Software] // nil until the client has said
	left     atomic.Bool              // the client has left: its requests wait no more
	later    atomic.Bool              // the current request is answered later, and no other is served before: see HoldNext
	timer    *time.Timer              // wakes the waiting request; only Await and AwaitsNothing use it, on the goroutine that serves that request

	// The connection's goroutine, AwaitsNothing and ServeNext use these.
	parkMu   sync.Mutex
	parked   bool          // guarded by parkMu
	answered chan struct{} // guarded by parkMu; closed when no request waits any more; nil when the connection's goroutine does not ask
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

// remoteAddr gives the client's IP address, the zero Addr if the connection is not TCP.
func remoteAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// touch records that bytes have moved now.
func (c *Conn) touch() { c.active.Store(c.server.ticks()) }

// flushingReader sends the ready answers before each read that may wait for the
// client, since the client may be waiting for one of them.
type flushingReader struct{ c *Conn }

func (r flushingReader) Read(p []byte) (int, error) {
	r.c.rest()
	n, err := r.c.reader.Read(p)
	if n > 0 {
		r.c.received = r.c.server.ticks()
		r.c.active.Store(r.c.received)
	}
	return n, err
}

// serve reads requests until the client leaves or makes an error, or the server stops.
// Then it sends the answers that it still owes.
func (c *Conn) serve() {
	defer c.close()
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
			c.Abort() // the request may wait for its group for long
		}
	}
	c.wakeDelayed()
	c.drain()
	c.linger()
}

// close closes the socket: with a reset when the server stops and has answered nothing on it but greetings.
func (c *Conn) close() {
	if c.isStopping() && !c.heard.Load() {
		reset(c.nc)
		return
	}
	_ = c.nc.Close()
}

// reset closes a connection as a broken network does, after which clients try again. When a connection ends cleanly before its first
// answer but that to ApiVersions, franz-go concludes that it speaks to something else than a broker, or without the credentials that one asks for, and gives up.
func reset(nc net.Conn) {
	below := nc
	if secured, ok := nc.(interface{ NetConn() net.Conn }); ok {
		below = secured.NetConn()
	}
	if socket, ok := below.(interface{ SetLinger(seconds int) error }); ok { // as *net.TCPConn has it
		_ = socket.SetLinger(0)
	}
	_ = nc.Close()
}

// serveFrame parses the header of a request and passes the request to Options.Serve. An
// error closes the connection.
func (c *Conn) serveFrame(frame *protocol.Buffer) error {
	c.frame, c.requestBytes = frame, len(frame.B)
	defer c.ForgetRequest()
	n, err := c.header.Parse(frame.B)
	if err != nil {
		return fmt.Errorf("the request header cannot be decoded: %w", err)
	}
	return c.server.serve(c, c.header, frame.B[n:])
}

// next waits until no earlier request waits (a fetch for records, a member for its group), and then reads the next
// request. Meanwhile the requests that the client pipelines go to the read buffer. Once the read buffer is full, nobody
// reads from the socket until the waiting request is answered.
func (c *Conn) next() (*protocol.Buffer, error) {
	for c.waits() {
		if c.br.Buffered() == 0 {
			// In most cases the fetch is answered first, and then the client sends its next request.
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
			<-answered // closes soon; the requests that the client sent before it left are still handled
			continue
		}
		if c.isStopping() {
			return nil, net.ErrClosed
		}
	}
	return c.read()
}

// idle reports whether nothing has happened on the connection since a tick: no byte
// moved, and no request is being handled or waits.
func (c *Conn) idle(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	working := len(c.pending) > 0 && !c.writing
	return !working && c.active.Load() <= since
}

// socket is the connection as the outlet of its order.
type socket struct{ c *Conn }

func (s socket) write(batch []*Answer) error {
	writing := s.c.server.ticks()
	if !s.c.heard.Load() && slices.ContainsFunc(batch, func(a *Answer) bool { return !a.Greeting }) {
		s.c.heard.Store(true)
	}
	if err := s.c.sender.send(batch); err != nil {
		return err
	}
	written := s.c.active.Load() // the sender has touched the connection
	for _, a := range batch {
		a.counted(writing, written)
	}
	return nil
}

// Begin says that the request of an answer is about to be handled. The code that serves it calls Begin once, on the connection's goroutine, where the
// request is observed.
func (c *Conn) Begin(a *Answer, version int16) {
	a.seen.version, a.seen.bytes = version, c.requestBytes
	a.seen.times.Read, a.seen.times.Begun = c.received, c.server.ticks()
}

// Waits says that the request of an answer waits from now on for something else than its handler. Only the first call counts. The code that serves
// the request calls it while nobody else can complete the answer.
func (c *Conn) Waits(a *Answer) {
	if a.seen.times.Begun != 0 && a.seen.times.Waits == 0 {
		a.seen.times.Waits = c.server.ticks()
	}
}

// Complete marks an answer ready: see order.Complete.
func (c *Conn) Complete(a *Answer, by Completer) {
	if a.seen.times.Begun != 0 {
		a.seen.times.Completed = c.server.ticks()
	}
	c.order.Complete(a, by)
}

func (s socket) takes(bytes int) bool { return bytes <= s.c.sender.atOnce && s.c.sender.drained() }

func (s socket) spawn(f func()) { go f() }

// interrupt may come just before Park sets a deadline of its own. Park looks at stopping
// after that.
func (s socket) interrupt() { _ = s.c.nc.SetReadDeadline(longAgo) }

func (s socket) cut() { _ = s.c.nc.Close() }

func (s socket) release(a *Answer) { a.release(&s.c.server.buffers) }

// waits reports whether a request waits that later requests must not overtake.
func (c *Conn) waits() bool { return c.later.Load() || c.delayed() != nil }

// delayed gives the waiting request, nil for none.
func (c *Conn) delayed() Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// nothingWaits gives a channel that is closed as soon as waits reports false.
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
	// Wake answers the request with what there is. The connection may call it more than
	// once, and after the request was answered.
	Wake()
}

// Await records that the latest request waits. The connection wakes w after most, when the
// client leaves and when the server stops, and serves no further request before
// AwaitsNothing. A request that has waited may wait again.
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

// AwaitsNothing ends what Await began: the answer of the waiting request is complete.
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

// HoldNext keeps the connection from serving a further request before ServeNext, since the
// current request will be answered later.
func (c *Conn) HoldNext() { c.later.Store(true) }

// ServeNext ends what HoldNext began.
func (c *Conn) ServeNext() {
	c.parkMu.Lock()
	c.later.Store(false)
	c.goOnLocked()
	c.parkMu.Unlock()
}

// goOnLocked lets the connection's goroutine handle the next request. The caller holds parkMu.
func (c *Conn) goOnLocked() {
	if c.answered != nil {
		close(c.answered)
		c.answered = nil
		c.wakeLocked()
	}
}

// wakeDelayed wakes the waiting request, if there is one.
func (c *Conn) wakeDelayed() {
	if w := c.delayed(); w != nil {
		w.Wake()
	}
}

// Ending reports whether the client has left or the server stops: a request must not wait then.
func (c *Conn) Ending() bool { return c.left.Load() || c.isStopping() }

// Left reports whether the client has left, so that nobody will read an answer.
func (c *Conn) Left() bool { return c.left.Load() }

// Quit gives a channel that is closed when the connection ends. Code that waits on behalf of
// the client must stop waiting then.
func (c *Conn) Quit() <-chan struct{} { return c.quit }

// Listener gives the listener that accepted the connection.
func (c *Conn) Listener() *Listener { return c.listener }

// RemoteAddr gives the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// ClientID gives the client id in the header of the latest request, "" if there is none. Only the connection's goroutine
// may call it, or the owner of a connection that is not served yet.
func (c *Conn) ClientID() string {
	if c.header.ClientID == nil {
		return ""
	}
	return *c.header.ClientID
}

// LocalAddr gives the broker's address that the client connected to.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteIP gives the client's IP address, the zero Addr if the connection is not TCP.
func (c *Conn) RemoteIP() netip.Addr { return c.remote }

// Buffer gives an empty buffer with room for n bytes. The caller passes it to Answer.Fill,
// which gives it back.
func (c *Conn) Buffer(n int) []byte { return c.server.buffers.get(n) }

// lingerTime bounds how long linger waits for a client to read its answers.
const lingerTime = time.Second

// linger makes sure that a client gets its answers although it sent requests that the
// stopping server did not read. When a process closes a socket that holds unread bytes,
// the kernel resets the connection, and the client loses the answers that it has not read
// yet. So linger closes only the sending side, and reads and drops what the client sends
// until the client closes too.
func (c *Conn) linger() {
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || c.isBroken() || !c.isStopping() || !c.heard.Load() || c.br.Buffered() == 0 && c.receiver.unread() == 0 {
		return
	}
	if tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, tcp)
	}
}

// read reads one request. It waits first while the bytes of all requests are at their
// bound (queued.max.request.bytes).
func (c *Conn) read() (*protocol.Buffer, error) {
	n, err := protocol.ReadFrameSize(c.br, c.server.maxRequestBytes)
	if err != nil {
		return nil, err
	}
	if err := protocol.CheckFrameSize(c.br, n, c.listener.Peers); err != nil {
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

// waitForBytes waits for the bytes of a request that have not arrived. When all bytes of a large request
// have arrived, it waits until the gate lets the request in. It gives how many bytes have arrived.
func (c *Conn) waitForBytes(want int) int {
	n := c.receiver.await(want)
	if c.large && n >= want {
		c.rest() // before it enters: sending may wait for a client that does not read
		if c.turn == nil {
			c.turn = make(chan pass, 1)
		}
		c.inside = c.server.large.enter(c.turn, c.quit)
	}
	return n
}

// MayWait leaves the gate and sends the ready answers. The code that serves a request calls
// it before anything that may wait for long, on the connection's goroutine only.
func (c *Conn) MayWait() {
	c.LeaveGate()
	c.flush()
}

// LeaveGate makes room for other large requests. The code that serves a request calls it
// before it takes a place in another queue, on the connection's goroutine only.
func (c *Conn) LeaveGate() {
	if c.inside.in {
		c.server.large.leave(c.inside)
		c.inside = pass{}
	}
}

// ForgetRequest gives back the bytes of the current request, and their share of queued.max.request.bytes. Nobody may use
// these bytes afterwards. The code that serves a request may call ForgetRequest before it waits; the connection calls it
// again after Options.Serve has returned. Only the connection's goroutine calls it.
func (c *Conn) ForgetRequest() {
	if c.frame != nil {
		c.frame.Release()
		c.frame = nil
	}
	c.uncharge()
}

// heldByBudget reports that a request waits for queued.max.request.bytes. It first sends the
// ready answers, so that they do not wait too.
func (c *Conn) heldByBudget() {
	c.rest()
	c.server.limited("queued.max.request.bytes", "a request waits to be read", "client", c.nc.RemoteAddr().String())
}

// uncharge gives back what read took of queued.max.request.bytes, and leaves the gate.
func (c *Conn) uncharge() {
	c.server.budget.giveBack(c.charged)
	c.charged = 0
	c.LeaveGate()
}

// isDisconnect reports whether an error says that the client left, and not that it made an error.
func isDisconnect(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Park waits until woken is closed, the deadline passes, the client leaves or
// the server stops. It returns an error only if the client left. Only the connection's
// goroutine calls it.
//
// Meanwhile Park reads from the socket. So it notices that the client left, without a
// second goroutine. The requests that the client pipelines behind the waiting request go
// to the read buffer. Once the read buffer is full, nobody reads from the socket until
// Park returns.
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

// unpark removes the read deadline from the socket again, unless the server stops.
func (c *Conn) unpark() {
	c.parkMu.Lock()
	c.parked = false
	_ = c.nc.SetReadDeadline(time.Time{})
	c.parkMu.Unlock()
	if c.isStopping() {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

// wakeLocked ends a Park early, if one is under way. The caller holds parkMu and has
// closed the channel that Park was given.
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
