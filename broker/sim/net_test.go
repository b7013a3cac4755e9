package sim

import (
	"cmp"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// network is a network in memory. A host has a name; an address is host:port. What was sent over a connection arrives in order and after the
// delay of its way, as by TCP: a way that is blocked holds bytes back and does not lose them, until one side closes the connection.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener // guarded by mu; by address
	ways      map[way]*passage     // guarded by mu; those that were used or changed
	conns     map[*conn]bool       // guarded by mu; both ends of each open connection
	down      map[string]bool      // guarded by mu; hosts without power
	made      int                  // guarded by mu; how many connections there were
}

// way is one direction between two hosts.
type way struct{ from, to string }

// passage is the state of a way.
type passage struct {
	blocked bool
	delay   time.Duration
	jitter  *rand.Rand    // draws how much of delay a message takes, so that connections overtake each other; nil where each takes all of it
	changed chan struct{} // closed when it changes
}

// usual is how long a message takes. If it took no time, whoever asks again and again would keep the time from passing.
const usual = 200 * time.Microsecond

func newNetwork() *network {
	return &network{listeners: map[string]*listener{}, ways: map[way]*passage{}, conns: map[*conn]bool{}, down: map[string]bool{}}
}

func (n *network) passageLocked(w way) *passage {
	p := n.ways[w]
	if p == nil {
		p = &passage{delay: usual, changed: make(chan struct{})}
		n.ways[w] = p
	}
	return p
}

// change changes a way.
func (n *network) change(w way, f func(*passage)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.passageLocked(w)
	f(p)
	close(p.changed)
	p.changed = make(chan struct{})
}

// block blocks the way, or ends that.
func (p *passage) block(blocked bool) { p.blocked = blocked }

// slow sets how much longer than usual a message takes.
func (n *network) slow(from, to string, d time.Duration) {
	n.change(way{from, to}, func(p *passage) { p.delay, p.jitter = usual+d, nil })
}

// scatter has messages take up to d longer than usual, each another time.
func (n *network) scatter(from, to string, d time.Duration, seed uint64) {
	n.change(way{from, to}, func(p *passage) { p.delay, p.jitter = usual+d, rand.New(rand.NewPCG(seed, 0)) })
}

// cross waits until a message that is sent now has come through, or until quit.
func (n *network) cross(w way, quit <-chan struct{}) bool {
	n.mu.Lock()
	p := n.passageLocked(w)
	delay := p.delay
	if p.jitter != nil {
		delay = usual + time.Duration(p.jitter.Int64N(int64(delay)))
	}
	n.mu.Unlock()
	if delay > 0 && !sleep(delay, quit) {
		return false
	}
	for {
		n.mu.Lock()
		p := n.passageLocked(w)
		blocked, changed := p.blocked || n.down[w.to], p.changed
		n.mu.Unlock()
		if !blocked {
			return true
		}
		select {
		case <-changed:
		case <-quit:
			return false
		}
	}
}

// sleep waits. It reports false if quit came before.
func sleep(d time.Duration, quit <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-quit:
		return false
	}
}

// host is one host's place in the network, for one life of its process.
type host struct {
	n    *network
	name string

	mu     sync.Mutex
	pulled bool // guarded by mu; its process is dead
}

func (n *network) host(name string) *host { return &host{n: n, name: name} }

func (h *host) isPulled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pulled
}

// listen implements broker.Options.Listen.
func (h *host) listen(addr string) (net.Listener, error) {
	if h.isPulled() {
		return nil, syscall.ENETDOWN
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.listeners[addr] != nil {
		return nil, syscall.EADDRINUSE
	}
	l := &listener{host: h, addr: addr, arrived: make(chan *conn, 128), closed: make(chan struct{})}
	h.n.listeners[addr] = l
	return l, nil
}

// dial implements broker.Options.Dial.
func (h *host) dial(ctx context.Context, addr string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "sim", Addr: address(addr), Err: system("connect", err)}
	}
	to, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fail(err)
	}
	if h.isPulled() {
		return fail(syscall.ENETDOWN)
	}
	there, back := way{h.name, to}, way{to, h.name}
	if !h.n.cross(there, ctx.Done()) {
		return fail(ctx.Err())
	}
	h.n.mu.Lock()
	l := h.n.listeners[addr]
	h.n.mu.Unlock()
	if !h.n.cross(back, ctx.Done()) {
		return fail(ctx.Err())
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if l == nil || h.n.listeners[addr] != l {
		return fail(syscall.ECONNREFUSED)
	}
	if h.isPulled() {
		return fail(syscall.ENETDOWN)
	}
	out, in := newStream(there), newStream(back)
	a := &conn{host: h, local: address(h.name), remote: address(addr), in: in, out: out}
	b := &conn{host: l.host, local: address(addr), remote: address(h.name), in: out, out: in}
	a.other, b.other = b, a
	h.n.made++
	a.number, b.number, a.dialled = h.n.made, h.n.made, true
	h.n.conns[a], h.n.conns[b] = true, true
	go h.n.carry(out)
	go h.n.carry(in)
	select {
	case l.arrived <- b:
		return a, nil
	default:
		a.end(syscall.ECONNREFUSED)
		b.end(syscall.ECONNREFUSED)
		delete(h.n.conns, a)
		delete(h.n.conns, b)
		return fail(syscall.ECONNREFUSED)
	}
}

// pull ends the host's process: its sockets are closed by its system, or are silent if its power is gone.
func (h *host) pull(power bool) {
	h.mu.Lock()
	h.pulled = true
	h.mu.Unlock()
	h.n.mu.Lock()
	for addr, l := range h.n.listeners {
		if l.host == h {
			delete(h.n.listeners, addr)
			l.close()
		}
	}
	var own []*conn
	for c := range h.n.conns {
		if c.host == h {
			own = append(own, c)
			delete(h.n.conns, c)
		}
	}
	if power {
		h.n.down[h.name] = true
	}
	h.n.mu.Unlock()
	for _, c := range own {
		c.in.fail(net.ErrClosed, false)
		if power {
			c.out.mute()
		} else {
			c.out.finish(syscall.ECONNRESET)
		}
	}
}

// boot gives a host without power its power back: what was connected to it learns that it knows nothing of connections.
func (n *network) boot(name string) {
	n.mu.Lock()
	delete(n.down, name)
	var left []*conn
	for c := range n.conns {
		if string(c.remote) == name || hostOf(string(c.remote)) == name {
			left = append(left, c)
		}
	}
	for w, p := range n.ways {
		if w.to == name {
			close(p.changed)
			p.changed = make(chan struct{})
		}
	}
	n.mu.Unlock()
	for _, c := range left {
		c.end(syscall.ECONNRESET)
	}
}

// open gives one end of each open connection, in the order in which they were made.
func (n *network) open() (list []*conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.dialled {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *conn) int { return cmp.Compare(a.number, b.number) })
	return list
}

// system wraps an error of the operating system as package net does.
func system(call string, err error) error {
	if _, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(call, err)
	}
	return err
}

func hostOf(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

// address is a net.Addr.
type address string

func (address) Network() string  { return "sim" }
func (a address) String() string { return string(a) }

type listener struct {
	host    *host
	addr    string
	arrived chan *conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.arrived:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) close() {
	l.once.Do(func() {
		close(l.closed)
		for {
			select {
			case c := <-l.arrived:
				c.out.finish(syscall.ECONNRESET)
				c.in.fail(net.ErrClosed, false)
			default:
				return
			}
		}
	})
}

func (l *listener) Close() error {
	l.host.n.mu.Lock()
	if l.host.n.listeners[l.addr] == l {
		delete(l.host.n.listeners, l.addr)
	}
	l.host.n.mu.Unlock()
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.addr) }

// stream is one direction of a connection.
type stream struct {
	way  way
	quit chan struct{} // closed when nothing more is carried

	mu      sync.Mutex
	sent    [][]byte      // guarded by mu; on their way
	ended   error         // guarded by mu; what the reader gets behind what was sent; nil while the writer may write
	muted   bool          // guarded by mu; the writer's host is without power
	there   []byte        // guarded by mu; arrived
	over    error         // guarded by mu; what the reader gets when there is empty
	changed chan struct{} // guarded by mu; closed when any of them changes
	once    sync.Once
}

// window is how much may be on its way before a writer waits.
const window = 1 << 20

func newStream(w way) *stream {
	return &stream{way: w, quit: make(chan struct{}), changed: make(chan struct{})}
}

func (s *stream) notifyLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// finish ends the stream behind what was written.
func (s *stream) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = err
		s.notifyLocked()
	}
}

// mute has the stream give nothing more, and no end either.
func (s *stream) mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted, s.sent = true, nil
	s.notifyLocked()
}

// fail ends the stream at once for its reader, with what is on its way lost. The writer does not learn that, unless told.
func (s *stream) fail(err error, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = err
	}
	if tell && s.ended == nil {
		s.ended = err
	}
	s.sent = nil
	s.notifyLocked()
	s.once.Do(func() { close(s.quit) })
}

// carry brings what is sent to the reader.
func (n *network) carry(s *stream) {
	for {
		s.mu.Lock()
		if s.over != nil {
			s.mu.Unlock()
			return
		}
		if len(s.sent) == 0 && s.ended == nil || s.muted {
			changed := s.changed
			s.mu.Unlock()
			select {
			case <-changed:
			case <-s.quit:
			}
			continue
		}
		sent, end := s.sent, s.ended
		s.sent = nil
		s.mu.Unlock()
		if !n.cross(s.way, s.quit) {
			return
		}
		s.mu.Lock()
		if s.over == nil && !s.muted {
			for _, b := range sent {
				s.there = append(s.there, b...)
			}
			if end != nil && len(s.sent) == 0 {
				s.over = end
			}
			s.notifyLocked()
		}
		s.mu.Unlock()
	}
}

// conn is one end of a connection.
type conn struct {
	host          *host
	other         *conn
	number        int // in the order in which connections were made
	dialled       bool
	local, remote address
	in, out       *stream

	mu          sync.Mutex
	read, write deadline // guarded by mu
	resets      bool     // guarded by mu; see SetLinger
}

var _ net.Conn = (*conn)(nil)

// deadline is when a Read or Write gives up.
type deadline struct {
	at      time.Time
	changed chan struct{} // closed when it is set anew
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		c.in.mu.Lock()
		there := len(c.in.there)
		if there > 0 {
			n := copy(p, c.in.there)
			if c.in.there = c.in.there[n:]; len(c.in.there) == 0 {
				c.in.there = nil
			}
			c.in.notifyLocked()
			c.in.mu.Unlock()
			return n, nil
		}
		over, changed := c.in.over, c.in.changed
		c.in.mu.Unlock()
		if over != nil {
			if over == io.EOF {
				return 0, io.EOF
			}
			return 0, &net.OpError{Op: "read", Net: "sim", Addr: c.remote, Err: system("read", over)}
		}
		if err := c.wait(&c.read, "read", changed); err != nil {
			return 0, err
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	for {
		c.out.mu.Lock()
		queued := len(c.out.there)
		for _, b := range c.out.sent {
			queued += len(b)
		}
		if c.out.ended != nil {
			err := c.out.ended
			c.out.mu.Unlock()
			if err == io.EOF {
				err = net.ErrClosed
			}
			return 0, &net.OpError{Op: "write", Net: "sim", Addr: c.remote, Err: system("write", err)}
		}
		if c.out.over != nil || c.out.muted { // nobody is there any more
			c.out.mu.Unlock()
			return len(p), nil
		}
		if queued < window {
			c.out.sent = append(c.out.sent, append([]byte(nil), p...))
			c.out.notifyLocked()
			c.out.mu.Unlock()
			return len(p), nil
		}
		changed := c.out.changed
		c.out.mu.Unlock()
		if err := c.wait(&c.write, "write", changed); err != nil {
			return 0, err
		}
	}
}

// wait waits for a change, until a deadline.
func (c *conn) wait(d *deadline, op string, changed <-chan struct{}) error {
	c.mu.Lock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	at, moved := d.at, d.changed
	c.mu.Unlock()
	var late <-chan time.Time
	if !at.IsZero() {
		left := at.Sub(clock(0)) // at may be of a clock that was set
		if left <= 0 {
			return &net.OpError{Op: op, Net: "sim", Addr: c.remote, Err: os.ErrDeadlineExceeded}
		}
		t := time.NewTimer(left)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-changed:
	case <-moved:
	case <-late:
	}
	return nil
}

func (c *conn) setDeadline(t time.Time, ds ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range ds {
		d.at = t
		if d.changed != nil {
			close(d.changed)
			d.changed = nil
		}
	}
	return nil
}

func (c *conn) SetDeadline(t time.Time) error      { return c.setDeadline(t, &c.read, &c.write) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(t, &c.read) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.write) }
func (c *conn) LocalAddr() net.Addr                { return c.local }
func (c *conn) RemoteAddr() net.Addr               { return c.remote }

// Close implements net.Conn: the other side reads what was written, and then the end.
func (c *conn) Close() error {
	c.host.n.mu.Lock()
	open := c.host.n.conns[c]
	delete(c.host.n.conns, c)
	c.host.n.mu.Unlock()
	if !open {
		return net.ErrClosed
	}
	c.in.fail(net.ErrClosed, false)
	c.mu.Lock()
	resets := c.resets
	c.mu.Unlock()
	if resets {
		c.out.finish(syscall.ECONNRESET)
	} else {
		c.out.finish(io.EOF)
	}
	return nil
}

// SetLinger is that of *net.TCPConn, as far as a broker uses it: with 0 the other side reads a reset in place of the end.
func (c *conn) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resets = seconds == 0
	return nil
}

// end cuts one end of a connection.
func (c *conn) end(err error) {
	c.in.fail(err, true)
	c.out.fail(err, true)
}
