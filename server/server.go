package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/server/config"
)

// Options are what a Server is made of. All fields are required unless said
// otherwise.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Store    *logstore.Store  // the directories that their logs are in
	Config   *config.Dynamic  // what the user configured, with what changed since
	Logger   *slog.Logger
	Now      func() time.Time // the wall clock; time.Now when nil
}

// Server accepts connections on its listeners and answers their requests.
// Listen, Serve and Shutdown are called once each, in this order.
type Server struct {
	broker      *cluster.Broker
	replicas    *replica.Manager
	store       *logstore.Store
	config      *config.Dynamic
	logger      *slog.Logger
	now         func() time.Time
	listeners   []*Listener
	sessions    *sessionCache
	clientLog   clientLog
	producerIDs producerIDs

	maxRequestBytes int32
	fetchMaxBytes   int

	stopping atomic.Bool
	wg       sync.WaitGroup // accept loops and connections

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu; nil once Shutdown has begun
}

// New makes a server; it opens nothing yet.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{
		broker:          o.Broker,
		replicas:        o.Replicas,
		store:           o.Store,
		config:          o.Config,
		logger:          o.Logger,
		now:             o.Now,
		conns:           make(map[*conn]struct{}),
		sessions:        newSessionCache(int(o.Config.Current().Int("max.incremental.fetch.session.cache.slots"))),
		maxRequestBytes: int32(o.Config.Current().Int("socket.request.max.bytes")),
		fetchMaxBytes:   int(o.Config.Current().Int("fetch.max.bytes")),
	}
}

// Listener is one bound listener of the broker.
type Listener struct {
	Name string // the listener's name, PLAINTEXT unless configured otherwise
	// Any is set when the listener takes connections on every address and
	// nothing was configured to be advertised: then each client is told the
	// address that its own connection came in on.
	Any bool

	ln net.Listener
}

// Addr is the address that was bound, with the port that a port of 0 became.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Bind opens the listeners' sockets. Nothing is accepted before Serve, so that
// a port in use is known before a directory is touched. On error what was
// opened is closed again; the error names the listener and its address.
func Bind(specs []config.Listener) ([]*Listener, error) {
	var bound []*Listener
	for _, spec := range specs {
		ln, err := net.Listen("tcp", spec.Address())
		if err != nil {
			CloseAll(bound)
			return nil, &BindError{Listener: spec.Name, Addr: spec.Address(), Err: err}
		}
		bound = append(bound, &Listener{Name: spec.Name, ln: ln})
	}
	return bound, nil
}

// CloseAll closes listeners that were bound and are not served.
func CloseAll(ls []*Listener) {
	for _, l := range ls {
		_ = l.ln.Close()
	}
}

// BindError says which listener could not be opened.
type BindError struct {
	Listener string
	Addr     string
	Err      error
}

func (e *BindError) Error() string {
	return fmt.Sprintf("listener %s cannot listen on %s: %v", e.Listener, e.Addr, e.Err)
}

func (e *BindError) Unwrap() error { return e.Err }

// Serve starts to accept connections on the listeners and returns at once.
func (s *Server) Serve(ls []*Listener) {
	s.listeners = ls
	for _, l := range ls {
		s.wg.Add(1)
		go s.accept(l)
	}
}

// accept takes connections until the listener is closed. An error that is not
// the close (no descriptors left, a connection reset before it was taken) is
// waited out: a listener that gave up would leave a broker that looks alive
// and serves nobody.
func (s *Server) accept(l *Listener) {
	defer s.wg.Done()
	const firstPause, maxPause = 5 * time.Millisecond, time.Second
	pause := firstPause
	for {
		nc, err := l.ln.Accept()
		if err != nil {
			if s.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			s.logger.Warn("cannot accept a connection", "listener", l.Name, "error", err)
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		s.start(nc, l)
	}
}

// start serves one connection on a goroutine of its own.
func (s *Server) start(nc net.Conn, l *Listener) {
	c := newConn(s, l, nc)
	s.mu.Lock()
	if s.conns == nil {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Shutdown stops accepting, lets every connection answer what it has begun and
// closes them. When ctx ends first, the connections left are cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	CloseAll(s.listeners)
	s.mu.Lock()
	open := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range open {
		c.stop()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for c := range open {
			c.abort()
		}
		<-done
		return ctx.Err()
	}
}

// nowMs is the time in ms since 1970, as records carry it.
func (s *Server) nowMs() int64 { return s.now().UnixMilli() }
