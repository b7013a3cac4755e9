package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"klamm/protocol"
)

// Options configure a SocketServer. Every field is required unless its comment says
// otherwise.
type Options struct {
	// Serve serves one request of a connection, on the connection's goroutine. It takes the
	// answer's place with Conn.Expect before it does anything else, and completes the answer
	// before it returns or later. body is valid until Serve returns. If Serve returns an error,
	// the server answers the earlier requests of the connection and then closes it.
	Serve func(c *Conn, header protocol.RequestHeader, body []byte) error

	MaxRequestBytes int32         // socket.request.max.bytes
	QueuedBytes     int64         // queued.max.request.bytes; 0 or less means no bound
	SendBufferBytes int           // socket.send.buffer.bytes; with -1 the operating system chooses
	MaxIdle         time.Duration // connections.max.idle.ms; a negative value keeps idle connections open
	RateWindows     int           // quota.window.num
	RateWindow      time.Duration // quota.window.size.seconds

	// Limited is called when a limit holds a client back. limit is the name of the Kafka
	// property. args contain no text that a client chose.
	Limited func(limit, msg string, args ...any)
	// FreeFiles is called when the process has no file descriptor for another connection. It reports whether it
	// freed some: then the server accepts on at once. Nil frees none.
	FreeFiles func() bool
	// ClientErred is called when a client made an error, or when the server could not serve it.
	ClientErred func(c *Conn, msg string, err error)
	Logger      *slog.Logger     // gets the errors of the listeners
	Now         func() time.Time // the wall clock
}

// SocketServer accepts connections on its listeners and passes their requests to
// Options.Serve, as Apache Kafka's class of this name does. Its owner calls Serve,
// StopAccepting, Settle and Close once each, in this order. Any goroutine may call the
// other methods.
type SocketServer struct {
	serve       func(c *Conn, header protocol.RequestHeader, body []byte) error
	limited     func(limit, msg string, args ...any)
	clientErred func(c *Conn, msg string, err error)
	freeFiles   func() bool
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
	large           *gate     // bounds the large requests
	born            time.Time // the time at which ticks is 0

	expired atomic.Int64 // connections that were closed since they were idle, for metrics

	quit context.Context // StopAccepting ends it
	stop context.CancelFunc
	own  sync.WaitGroup // the accept loops and watchIdle
	wg   sync.WaitGroup // the connections

	mu      sync.Mutex
	conns   map[*Conn]struct{} // guarded by mu; the open connections; nil once Settle has begun
	leaving map[*Conn]struct{} // guarded by mu; the connections that Settle found open, nil before
}

// NewSocketServer makes a server. It accepts no connection before Serve.
func NewSocketServer(o Options) *SocketServer {
	s := &SocketServer{
		serve: o.Serve, limited: o.Limited, clientErred: o.ClientErred, freeFiles: o.FreeFiles, logger: o.Logger, now: o.Now,
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
// the name of the listener for other brokers, "" if clients use that listener too. The
// connections of the protected listener do not wait for the broker's limits.
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

// SetLimits changes the limits on connections. If more connections are open than the new
// limits allow, it closes those that have been idle for longest.
func (s *SocketServer) SetLimits(limits ConnectionLimits) {
	s.quotas.setLimits(limits)
	s.closeExcess()
}

// accept accepts connections until the listener is closed. After any other error (no
// descriptors left, a connection reset before it was accepted) it pauses and tries again:
// if a listener gave up, the broker would look alive and serve nobody. It does not pause
// when descriptors were freed, unless somebody else has taken those.
func (s *SocketServer) accept(l *Listener) {
	defer s.own.Done()
	const firstPause, maxPause = 5 * time.Millisecond, time.Second
	pause, freed := firstPause, false
	for {
		nc, err := l.ln.Accept()
		if err != nil {
			if s.quit.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			if freed = !freed && outOfFiles(err) && s.freeFiles != nil && s.freeFiles(); freed {
				continue
			}
			s.logger.Warn("cannot accept a connection", "listener", l.Name, "error", err)
			select {
			case <-s.quit.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause, freed = firstPause, false
		s.admit(nc, l)
	}
}

// outOfFiles reports whether an error is for want of file descriptors.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// admit begins to serve an accepted connection. If too many connections are open, admit
// waits, and meanwhile the listener accepts no other. If the client's address has too many
// connections, admit closes this one.
func (s *SocketServer) admit(nc net.Conn, l *Listener) {
	c := newConn(s, l, nc)
	held := func(limit string) {
		s.limited(limit, "a connection waits to be accepted", "client", nc.RemoteAddr().String(), "listener", l.Name)
	}
	if err := s.quotas.take(l.Name, c.remote, held); err != nil {
		if errors.Is(err, errQuotasClosed) {
			reset(nc)
			return
		}
		s.clientErred(c, "a connection was refused", err)
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
		reset(c.nc)
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	c.listener.accepted.Add(1)
	go func() {
		defer s.wg.Done()
		c.serve()
		c.listener.closed.Add(1)
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.quotas.giveBack(c.listener.Name, c.remote)
	}()
}

// StopAccepting closes the listeners. The server goes on to serve the open connections.
func (s *SocketServer) StopAccepting() {
	s.stop()
	CloseAll(s.listeners)
	s.quotas.close()
}

// Settle stops the reading of requests, and waits until all requests that were read are served, or until
// ctx ends. It does not wait until clients have read their answers, since a client may take any time for that.
// A second call changes nothing and waits for the same requests.
func (s *SocketServer) Settle(ctx context.Context) {
	s.mu.Lock()
	if s.conns != nil {
		s.leaving, s.conns = s.conns, nil
	}
	leaving := s.leaving // which nobody changes any more
	s.mu.Unlock()
	for c := range leaving {
		c.Stop()
	}
	defer context.AfterFunc(ctx, func() {
		for c := range leaving {
			c.seal()
		}
	})()
	for c := range leaving {
		c.settle()
	}
	waitFor(ctx, &s.own)
}

// Close waits until each client has read its answers, and then closes the client's connection. If ctx
// ends first, Close cuts the remaining connections and returns ctx's error. It returns when all connections have ended.
func (s *SocketServer) Close(ctx context.Context) error {
	if waitFor(ctx, &s.wg) {
		return nil
	}
	s.mu.Lock()
	leaving := s.leaving
	s.mu.Unlock()
	for c := range leaving {
		c.Abort()
	}
	s.wg.Wait()
	return ctx.Err()
}

// waitFor waits for wg. It reports false if ctx ends first.
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

// Listeners gives the listeners that Serve was given.
func (s *SocketServer) Listeners() []*Listener { return s.listeners }

// Conns gives the open connections, in no order; none once Settle has begun.
func (s *SocketServer) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// ticks gives the time since NewSocketServer, in ns. It does not jump when an operator
// sets the clock.
func (s *SocketServer) ticks() int64 { return int64(s.now().Sub(s.born)) }
