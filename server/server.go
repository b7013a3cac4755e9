package server

import (
	"context"
	"log/slog"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/server/admin"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/data"
	"klamm/server/groups"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/txn"
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
	groups    *groupcoord.Coordinator
	config    *config.Dynamic
	logger    *slog.Logger
	sockets   *transport.SocketServer
	data      *data.Service
	admin     *admin.Service
	handlers  map[int16]request.Handler // by the API's key; not changed once requests come
	places    *request.Places           // of requests of many elements
	clientLog *boundedlog.ClientLog
	limits    *boundedlog.LimitLog

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
		groups:    o.Groups,
		config:    o.Config,
		logger:    o.Logger,
		places:    request.NewPlaces(),
		clientLog: boundedlog.NewClientLog(o.Logger, o.Now),
		limits:    boundedlog.NewLimitLog(o.Logger, o.Now),
		expiring:  make(chan struct{}),
	}
	s.quit, s.stop = context.WithCancel(context.Background())
	s.cut, s.kill = context.WithCancel(context.Background())
	s.admin = admin.New(admin.Options{Broker: o.Broker, Replicas: o.Replicas, Store: o.Store, Config: o.Config, Limits: s.limits, Cut: s.cut})
	g := groups.New(groups.Options{Broker: o.Broker, Groups: o.Groups, Config: o.Config, AutoCreate: s.admin.AutoCreate, AutoCreateLater: s.admin.AutoCreateLater})
	s.data = data.New(data.Options{
		Broker: o.Broker, Replicas: o.Replicas, Config: o.Config, Places: s.places, Limits: s.limits, ClientErred: s.clientErred, Now: o.Now,
	})
	s.handlers = newHandlers(apiVersions{o.Broker}, s.data, g, txn.New(txn.Options{Broker: o.Broker}), s.admin)
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
	s.admin.Wait()
	return err
}

// Listeners are those that Serve was given.
func (s *Server) Listeners() []*transport.Listener { return s.sockets.Listeners() }

// Sockets are the server's connections.
func (s *Server) Sockets() *transport.SocketServer { return s.sockets }

// Data serves the APIs of records.
func (s *Server) Data() *data.Service { return s.data }

// Admin serves the APIs of administration.
func (s *Server) Admin() *admin.Service { return s.admin }

// clientErred logs what the client of a connection did wrong.
func (s *Server) clientErred(c *transport.Conn, msg string, err error) {
	s.clientLog.Warn(c.RemoteAddr(), c.Listener().Name, msg, err)
}

// expireOffsets has offsets looked through now and then, until the server stops.
func (s *Server) expireOffsets(every time.Duration) {
	defer close(s.expiring)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.quit.Done():
			return
		case <-tick.C:
			s.groups.ExpireOffsets()
		}
	}
}
