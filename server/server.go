package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/server/config"
)

// Options are what a Server is made of. All fields are required unless said
// otherwise.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Store    *logstore.Store  // the directories that their logs are in
	Groups   *groupcoord.Coordinator
	Config   *config.Dynamic // what the user configured, with what changed since
	Logger   *slog.Logger
	Now      func() time.Time // the wall clock; time.Now when nil
}

// Server accepts connections on its listeners and answers their requests.
// Serve, Settle and Shutdown are called once each, in this order.
type Server struct {
	broker      *cluster.Broker
	replicas    *replica.Manager
	store       *logstore.Store
	groups      *groupcoord.Coordinator
	config      *config.Dynamic
	logger      *slog.Logger
	now         func() time.Time
	listeners   []*Listener
	sessions    *sessionCache
	clientLog   clientLog
	limits      limitLog
	producerIDs producerIDs

	maxRequestBytes int32
	fetchMaxBytes   int
	sendBufferBytes int           // of a client's socket; -1 leaves it to the system
	maxIdle         time.Duration // negative keeps idle connections
	quotas          *connectionQuotas
	budget          *byteBudget
	large           *gate         // of large requests
	fetching        atomic.Int64  // partitions of the large fetches under way, see fetchContext.begin
	many            chan struct{} // held while a request of more than manyElements is served
	born            time.Time     // where ticks count from

	quit context.Context // ended by Settle, when it stops accepting
	stop context.CancelFunc
	cut  context.Context // ended when Settle or Shutdown waits no longer
	kill context.CancelFunc
	own  sync.WaitGroup // accept loops, and what runs at intervals
	wg   sync.WaitGroup // connections

	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu; nil once Settle has begun
	leaving map[*conn]struct{} // those that Settle found; used by Settle and Shutdown
}

// New makes a server; it opens nothing yet.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := o.Config.Current()
	s := &Server{
		broker:          o.Broker,
		replicas:        o.Replicas,
		store:           o.Store,
		groups:          o.Groups,
		config:          o.Config,
		logger:          o.Logger,
		now:             o.Now,
		conns:           make(map[*conn]struct{}),
		sessions:        newSessionCache(v.Int("max.incremental.fetch.session.cache.slots")),
		maxRequestBytes: int32(v.Int("socket.request.max.bytes")),
		fetchMaxBytes:   v.Int("fetch.max.bytes"),
		sendBufferBytes: v.Int("socket.send.buffer.bytes"),
		maxIdle:         time.Duration(v.Long("connections.max.idle.ms")) * time.Millisecond,
		budget:          newByteBudget(v.Long("queued.max.request.bytes")),
		large:           &gate{most: gateMost, patience: gateStuck},
		many:            make(chan struct{}, 1),
		born:            o.Now(),
	}
	s.quit, s.stop = context.WithCancel(context.Background())
	s.cut, s.kill = context.WithCancel(context.Background())
	return s
}

// Serve starts to accept connections on the listeners and returns at once.
func (s *Server) Serve(ls []*Listener) {
	s.listeners = ls
	v := s.config.Current()
	s.quotas = newConnectionQuotas(s.connectionLimits(v), s.protectedListener(), s.ticks, func() *creationRate {
		return newCreationRate(v.Int("quota.window.num"), time.Duration(v.Int("quota.window.size.seconds"))*time.Second)
	})
	s.config.OnChange(func(c config.Change) {
		if c.Has("max.connections", "max.connection.creation.rate", "max.connections.per.ip", "max.connections.per.ip.overrides") {
			s.quotas.setLimits(s.connectionLimits(c.New))
			s.closeExcess()
		}
	})
	for _, l := range ls {
		s.own.Add(1)
		go s.accept(l)
	}
	if s.maxIdle >= 0 {
		s.own.Add(1)
		go s.watchIdle()
	}
	s.own.Add(1)
	go s.expireOffsets(time.Duration(v.Long("offsets.retention.check.interval.ms")) * time.Millisecond)
}

// accept takes connections until the listener is closed. An error that is not
// the close (no descriptors left, a connection reset before it was taken) is
// waited out: a listener that gave up would leave a broker that looks alive
// and serves nobody.
func (s *Server) accept(l *Listener) {
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
func (s *Server) admit(nc net.Conn, l *Listener) {
	c := newConn(s, l, nc)
	held := func(limit string) {
		s.limits.bite(s, limit, "a connection waits to be accepted", "client", nc.RemoteAddr().String(), "listener", l.Name)
	}
	if err := s.quotas.take(l.Name, c.remote, held); err != nil {
		if !errors.Is(err, errQuotasClosed) {
			s.clientLog.warn(c, "a connection was refused", err)
		}
		_ = nc.Close()
		return
	}
	if err := s.configure(nc); err != nil {
		s.clientLog.warn(c, "a connection could not be configured, closing it", err)
		s.quotas.giveBack(c.listener.Name, c.remote)
		_ = nc.Close()
		return
	}
	s.start(c)
	s.closeExcess()
}

// start serves a connection on a goroutine of its own.
func (s *Server) start(c *conn) {
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

// settleTimeout is how long Settle waits for requests that are being handled. A request that takes longer may find
// the log closed.
const settleTimeout = 5 * time.Second

// Settle stops accepting connections and requests, and waits until those requests are handled that were read before; until
// ctx ends, or settleTimeout. It does not wait until clients have taken their answers, since a client takes as
// long as it likes. After Settle the partitions may be flushed and closed: answers that are still on their way need no more
// than the files that they hold open.
func (s *Server) Settle(ctx context.Context) {
	s.stop()
	CloseAll(s.listeners)
	s.quotas.close()
	s.groups.Close() // who waits for a group is told to look for its next coordinator
	s.mu.Lock()
	s.leaving = s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range s.leaving {
		c.stop()
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		s.kill()
		for c := range s.leaving {
			c.seal()
		}
	})()
	for c := range s.leaving {
		c.settle()
	}
	await(ctx, &s.own)
}

// Shutdown waits until clients have taken the answers that they are owed, and closes each connection then. When ctx
// ends first, it cuts the connections that are left, and fails.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.kill()
	if await(ctx, &s.wg) {
		return nil
	}
	s.kill()
	for c := range s.leaving {
		c.abort()
	}
	s.wg.Wait()
	return ctx.Err()
}

// await waits for a group, and reports false when ctx ends first.
func await(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// nowMs is the time in ms since 1970, as records carry it.
func (s *Server) nowMs() int64 { return s.now().UnixMilli() }

// ticks is the time since the server was made, in ns. It does not jump when
// somebody sets the clock.
func (s *Server) ticks() int64 { return int64(s.now().Sub(s.born)) }

// ticksMs is ticks in ms.
func (s *Server) ticksMs() int64 { return s.ticks() / int64(time.Millisecond) }
