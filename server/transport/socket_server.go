package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"klamm/protocol"
)

// Options are what a SocketServer is made of. All fields are required unless said
// otherwise.
type Options struct {
	// Serve serves one request of a connection, on the connection's goroutine. It takes the
	// answer's place by Conn.Expect before it does anything else, and completes the answer
	// before it returns or later on. body is good until it returns. The error that it
	// returns closes the connection, after what was asked before is answered.
	Serve func(c *Conn, header protocol.RequestHeader, body []byte) error

	MaxRequestBytes int32         // socket.request.max.bytes
	QueuedBytes     int64         // queued.max.request.bytes; 0 and less stand for no bound
	SendBufferBytes int           // socket.send.buffer.bytes; -1 leaves it to the system
	MaxIdle         time.Duration // connections.max.idle.ms; negative keeps idle connections
	RateWindows     int           // quota.window.num
	RateWindow      time.Duration // quota.window.size.seconds

	// Limited is told that a limit, named as its property is, holds a client back.
	// Nothing in args is a client's text.
	Limited func(limit, msg string, args ...any)
	// ClientErred is told what a client did wrong, or could not be served with.
	ClientErred func(c *Conn, msg string, err error)
	Logger      *slog.Logger
	Now         func() time.Time // the wall clock
}

// SocketServer accepts connections on its listeners and has their requests served.
// Serve, StopAccepting, Settle and Close are called once each, in this order.
type SocketServer struct {
	serve       func(c *Conn, header protocol.RequestHeader, body []byte) error
	limited     func(limit, msg string, args ...any)
	clientErred func(c *Conn, msg string, err error)
	logger      *slog.Logger
	now         func() time.Time
	listeners   []*Listener
	buffers     buffers

	maxRequestBytes int32
	sendBufferBytes int
	maxIdle         time.Duration
	quotas          *connectionQuotas
	newRate         func() *creationRate
	budget          *byteBudget
	large           *gate     // of large requests
	born            time.Time // where ticks count from

	quit context.Context // ended by StopAccepting
	stop context.CancelFunc
	own  sync.WaitGroup // accept loops and who watches connections
	wg   sync.WaitGroup // connections

	mu      sync.Mutex
	conns   map[*Conn]struct{} // guarded by mu; nil once Settle has begun
	leaving map[*Conn]struct{} // those that Settle found; used by Settle and Close
}

// NewSocketServer makes a server of connections; it accepts none yet.
func NewSocketServer(o Options) *SocketServer {
	s := &SocketServer{
		serve: o.Serve, limited: o.Limited, clientErred: o.ClientErred, logger: o.Logger, now: o.Now,
		maxRequestBytes: o.MaxRequestBytes, sendBufferBytes: o.SendBufferBytes, maxIdle: o.MaxIdle,
		newRate: func() *creationRate { return newCreationRate(o.RateWindows, o.RateWindow) },
		budget:  newByteBudget(o.QueuedBytes),
		large:   &gate{most: gateMost, patience: gateStuck},
		born:    o.Now(),
		conns:   make(map[*Conn]struct{}),
	}
	s.quit, s.stop = context.WithCancel(context.Background())
	return s
}

// Serve starts to accept connections on the listeners and returns at once. protected is
// the name of the brokers' own listener, "" if there is no other: its connections do not
// wait for the broker's limits.
func (s *SocketServer) Serve(ls []*Listener, limits ConnectionLimits, protected string) {
	s.listeners = ls
	s.quotas = newConnectionQuotas(limits, protected, s.ticks, s.newRate)
	for _, l := range ls {
		s.own.Add(1)
		go s.accept(l)
	}
	if s.maxIdle >= 0 {
		s.own.Add(1)
		go s.watchIdle()
	}
}

// SetLimits changes how many connections there may be. Where there are more already,
// those that are idle for longest are closed.
func (s *SocketServer) SetLimits(limits ConnectionLimits) {
	s.quotas.setLimits(limits)
	s.closeExcess()
}

// accept takes connections until the listener is closed. An error that is not
// the close (no descriptors left, a connection reset before it was taken) is
// waited out: a listener that gave up would leave a broker that looks alive
// and serves nobody.
func (s *SocketServer) accept(l *Listener) {
	defer s.own.Done()
	const firstPause, maxPause = 5 * time.Millisecond, time.Second
	pause := firstPause
	for {
		nc, err := l.ln.Accept()
		if err != nil {
			if s.quit.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.logger.Warn("cannot accept a connection", "listener", l.Name, "error", err)
			select {
			case <-s.quit.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		s.admit(nc, l)
	}
}

// admit begins to serve a connection that was accepted. With too many open it
// waits, and nothing is accepted on the listener meanwhile; one too many of a
// client's address is closed.
func (s *SocketServer) admit(nc net.Conn, l *Listener) {
	c := newConn(s, l, nc)
	held := func(limit string) {
		s.limited(limit, "a connection waits to be accepted", "client", nc.RemoteAddr().String(), "listener", l.Name)
	}
	if err := s.quotas.take(l.Name, c.remote, held); err != nil {
		if !errors.Is(err, errQuotasClosed) {
			s.clientErred(c, "a connection was refused", err)
		}
		_ = nc.Close()
		return
	}
	if err := s.configure(nc); err != nil {
		s.clientErred(c, "a connection could not be configured, closing it", err)
		s.quotas.giveBack(c.listener.Name, c.remote)
		_ = nc.Close()
		return
	}
	s.start(c)
	s.closeExcess()
}

// start serves a connection on a goroutine of its own.
func (s *SocketServer) start(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.quotas.giveBack(c.listener.Name, c.remote)
		_ = c.nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.quotas.giveBack(c.listener.Name, c.remote)
	}()
}

// StopAccepting closes the listeners. Connections that are open are served on.
func (s *SocketServer) StopAccepting() {
	s.stop()
	CloseAll(s.listeners)
	s.quotas.close()
}

// Settle has no further request read, and waits until those requests are served that were read before, or until
// ctx ends. It does not wait until clients have taken their answers, since a client takes as long as it likes.
func (s *SocketServer) Settle(ctx context.Context) {
	s.mu.Lock()
	s.leaving = s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range s.leaving {
		c.Stop()
	}
	defer context.AfterFunc(ctx, func() {
		for c := range s.leaving {
			c.seal()
		}
	})()
	for c := range s.leaving {
		c.settle()
	}
	waitFor(ctx, &s.own)
}

// Close waits until clients have taken the answers that they are owed, and closes each connection then. When ctx
// ends first, it cuts the connections that are left, and fails. It returns when all have ended.
func (s *SocketServer) Close(ctx context.Context) error {
	if waitFor(ctx, &s.wg) {
		return nil
	}
	for c := range s.leaving {
		c.Abort()
	}
	s.wg.Wait()
	return ctx.Err()
}

// waitFor waits for a group, and reports false when ctx ends first.
func waitFor(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Listeners are those that Serve was given.
func (s *SocketServer) Listeners() []*Listener { return s.listeners }

// Conns are the connections that are open.
func (s *SocketServer) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// ticks is the time since the server was made, in ns. It does not jump when
// somebody sets the clock.
func (s *SocketServer) ticks() int64 { return int64(s.now().Sub(s.born)) }
