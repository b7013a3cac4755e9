package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/transport"
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
	sockets     *transport.SocketServer
	sessions    *sessionCache
	clientLog   *boundedlog.ClientLog
	limits      *boundedlog.LimitLog
	producerIDs producerIDs

	fetchMaxBytes int
	fetching      atomic.Int64   // partitions of the large fetches under way, see fetchContext.begin
	many          places         // of requests of many elements
	creating      atomic.Bool    // topics are created that nobody waits for, see autoCreateLater
	aside         sync.WaitGroup // what is done that nobody waits for
	born          time.Time      // where ticks count from

	quit context.Context // ended by Settle, when it stops accepting
	stop context.CancelFunc
	cut  context.Context // ended when Settle or Shutdown waits no longer
	kill context.CancelFunc

	expiring chan struct{} // closed when expireOffsets has ended
}

// New makes a server; it opens nothing yet.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := o.Config.Current()
	s := &Server{
		broker:        o.Broker,
		replicas:      o.Replicas,
		store:         o.Store,
		groups:        o.Groups,
		config:        o.Config,
		logger:        o.Logger,
		now:           o.Now,
		clientLog:     boundedlog.NewClientLog(o.Logger, o.Now),
		limits:        boundedlog.NewLimitLog(o.Logger, o.Now),
		sessions:      newSessionCache(v.Int("max.incremental.fetch.session.cache.slots")),
		fetchMaxBytes: v.Int("fetch.max.bytes"),
		many:          newPlaces(),
		born:          o.Now(),
		expiring:      make(chan struct{}),
	}
	s.sockets = transport.NewSocketServer(transport.Options{
		Serve:           s.dispatch,
		MaxRequestBytes: int32(v.Int("socket.request.max.bytes")),
		QueuedBytes:     v.Long("queued.max.request.bytes"),
		SendBufferBytes: v.Int("socket.send.buffer.bytes"),
		MaxIdle:         time.Duration(v.Long("connections.max.idle.ms")) * time.Millisecond,
		RateWindows:     v.Int("quota.window.num"),
		RateWindow:      time.Duration(v.Int("quota.window.size.seconds")) * time.Second,
		Limited:         s.limits.Hit,
		ClientErred:     s.clientErred,
		Logger:          o.Logger,
		Now:             o.Now,
	})
	s.quit, s.stop = context.WithCancel(context.Background())
	s.cut, s.kill = context.WithCancel(context.Background())
	return s
}

// Serve starts to accept connections on the listeners and returns at once.
func (s *Server) Serve(ls []*transport.Listener) {
	v := s.config.Current()
	protected := "" // the brokers' own listener, where there is another
	if len(ls) > 1 {
		protected = s.config.Static().InterBrokerListener()
	}
	s.sockets.Serve(ls, s.connectionLimits(v, ls), protected)
	s.config.OnChange(func(c config.Change) {
		if c.Has("max.connections", "max.connection.creation.rate", "max.connections.per.ip", "max.connections.per.ip.overrides") {
			s.sockets.SetLimits(s.connectionLimits(c.New, ls))
		}
	})
	go s.expireOffsets(time.Duration(v.Long("offsets.retention.check.interval.ms")) * time.Millisecond)
}

// settleTimeout is how long Settle waits for requests that are being handled. A request that takes longer may find
// the log closed.
const settleTimeout = 5 * time.Second

// Settle stops accepting connections and requests, and waits until those requests are handled that were read before; until
// ctx ends, or settleTimeout. It does not wait until clients have taken their answers, since a client takes as
// long as it likes. After Settle the partitions may be flushed and closed: answers that are still on their way need no more
// than the files that they hold open.
func (s *Server) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, s.kill)()
	s.stop()
	s.sockets.StopAccepting()
	s.groups.Close() // who waits for a group is told to look for its next coordinator
	s.sockets.Settle(ctx)
	select {
	case <-s.expiring:
	case <-ctx.Done():
	}
}

// Shutdown waits until clients have taken the answers that they are owed, and closes each connection then. When ctx
// ends first, it cuts the connections that are left, and fails.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.kill()
	defer context.AfterFunc(ctx, s.kill)()
	err := s.sockets.Close(ctx)
	s.kill()
	s.aside.Wait()
	return err
}

// Listeners are those that Serve was given.
func (s *Server) Listeners() []*transport.Listener { return s.sockets.Listeners() }

// clientErred logs what the client of a connection did wrong.
func (s *Server) clientErred(c *transport.Conn, msg string, err error) {
	s.clientLog.Warn(c.RemoteAddr(), c.Listener().Name, msg, err)
}

// nowMs is the time in ms since 1970, as records carry it.
func (s *Server) nowMs() int64 { return s.now().UnixMilli() }

// ticks is the time since the server was made, in ns. It does not jump when
// somebody sets the clock.
func (s *Server) ticks() int64 { return int64(s.now().Sub(s.born)) }

// ticksMs is ticks in ms.
func (s *Server) ticksMs() int64 { return s.ticks() / int64(time.Millisecond) }
