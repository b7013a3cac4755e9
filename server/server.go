package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol"
	"klamm/server/admin"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/data"
	"klamm/server/groups"
	"klamm/server/loggers"
	"klamm/server/peer"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/txn"
)

// Options are what a Server is made of. All fields but Peers, Now and Observer are required.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Store    *logstore.Store  // the directories that their logs are in
	Groups   *groupcoord.Coordinator
	Config   *config.Dynamic // what the user configured, with what changed since
	Logger   *slog.Logger
	Observer *observe.Observer // nil: nobody observes
	Levels   *loggers.Levels   // of the lines that Logger writes
	Peers    bool              // this broker shares its metadata tree with others, which send it requests
	Now      func() time.Time  // the wall clock; time.Now when nil
}

// Server accepts connections on its listeners and answers their requests.
// Serve, Settle and Shutdown are called once each, in this order.
type Server struct {
	groups    *groupcoord.Coordinator
	config    *config.Dynamic
	logger    *slog.Logger
	requests  *slog.Logger // a line for each request, at DEBUG
	sockets   *transport.SocketServer
	data      *data.Service
	admin     *admin.Service
	handlers  map[int16]request.Handler  // by API key; nobody changes it after New
	places    *request.Places            // the places for requests of many elements
	stats     map[int16]*observe.Request // by API key; nobody changes it after New
	clientLog *boundedlog.ClientLog
	limits    *boundedlog.LimitLog
	peers     bool            // other brokers send requests
	known     <-chan struct{} // closed when this broker knows the topics that there are

	quit context.Context // ends when Settle begins
	stop context.CancelFunc
	cut  context.Context // ends when Settle or Shutdown stops waiting for requests
	kill context.CancelFunc

	expiring chan struct{} // closed when expireOffsets returns
}

// New makes a server. It opens no socket and starts no goroutine.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := o.Config.Current()
	s := &Server{
		groups:    o.Groups,
		config:    o.Config,
		logger:    o.Logger.With(loggers.Key, "server"),
		requests:  o.Logger.With(loggers.Key, "server.requests"),
		stats:     statsOf(o.Observer),
		places:    request.NewPlaces(),
		clientLog: boundedlog.NewClientLog(o.Logger.With(loggers.Key, "server.requests"), o.Now),
		limits:    boundedlog.NewLimitLog(o.Logger.With(loggers.Key, "server.limits"), o.Now, o.Observer),
		peers:     o.Peers,
		known:     o.Broker.Known(),
		expiring:  make(chan struct{}),
	}
	s.quit, s.stop = context.WithCancel(context.Background())
	s.cut, s.kill = context.WithCancel(context.Background())
	s.admin = admin.New(admin.Options{Broker: o.Broker, Replicas: o.Replicas, Store: o.Store, Config: o.Config, Levels: o.Levels, Limits: s.limits, Cut: s.cut})
	g := groups.New(groups.Options{Broker: o.Broker, Groups: o.Groups, Config: o.Config, AutoCreate: s.admin.AutoCreate, AutoCreateLater: s.admin.AutoCreateLater})
	s.data = data.New(data.Options{
		Broker: o.Broker, Replicas: o.Replicas, Config: o.Config, Places: s.places, Limits: s.limits, ClientErred: s.clientErred, Now: o.Now, Cut: s.cut,
		Observer: o.Observer,
	})
	s.handlers = newHandlers(apiVersions{o.Broker}, s.data, g, txn.New(txn.Options{Broker: o.Broker}), s.admin,
		peer.New(peer.Options{Broker: o.Broker, Cut: s.cut, Failed: s.clientErred}))
	s.sockets = transport.NewSocketServer(transport.Options{
		Serve:           s.dispatch,
		MaxRequestBytes: int32(v.Int("socket.request.max.bytes")),
		QueuedBytes:     v.Long("queued.max.request.bytes"),
		SendBufferBytes: v.Int("socket.send.buffer.bytes"),
		MaxIdle:         time.Duration(v.Long("connections.max.idle.ms")) * time.Millisecond,
		RateWindows:     v.Int("quota.window.num"),
		RateWindow:      time.Duration(v.Int("quota.window.size.seconds")) * time.Second,
		Limited:         s.limits.Hit,
		FreeFiles:       func() bool { return s.freeFiles(o.Store) },
		ClientErred:     s.clientErred,
		Logger:          o.Logger.With(loggers.Key, "server.transport"),
		Now:             o.Now,
	})
	return s
}

// statsOf gives the counters of each API that is served.
func statsOf(o *observe.Observer) map[int16]*observe.Request {
	stats := map[int16]*observe.Request{}
	if o != nil {
		for _, api := range protocol.APIs() {
			stats[api.Key] = o.Request(api.Name)
		}
	}
	return stats
}

// Serve starts to accept connections on the listeners and returns at once.
func (s *Server) Serve(ls []*transport.Listener) {
	v := s.config.Current()
	between, protected := s.config.Static().InterBrokerListener(), "" // protected if clients have another
	if len(ls) > 1 {
		protected = between
	}
	for _, l := range ls {
		l.Peers = s.peers && (l.Name == between || l.Name == s.config.Static().ControlPlaneListener())
	}
	s.sockets.Serve(ls, s.connectionLimits(v, ls), protected)
	s.config.OnChange(func(c config.Change) {
		if c.Has("max.connections", "max.connection.creation.rate", "max.connections.per.ip", "max.connections.per.ip.overrides") {
			s.sockets.SetLimits(s.connectionLimits(c.New, ls))
		}
	})
	go s.expireOffsets(time.Duration(v.Long("offsets.retention.check.interval.ms")) * time.Millisecond)
}

// settleTimeout is how long Settle waits at most for the requests that are being handled. A request that takes longer
// may find its log closed. groupsTimeout is its part for what the groups write in the background, which a disk may hold up.
const (
	settleTimeout = 5 * time.Second
	groupsTimeout = time.Second
)

// Settle stops accepting connections and requests, and waits until the requests that were read before are handled. It
// stops waiting when ctx ends, and after settleTimeout. It does not wait until clients have taken their answers, since a
// client may take any time. After Settle the caller may flush and close the partitions: the answers that are not sent
// yet need only the files that they hold open.
func (s *Server) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, s.kill)()
	s.stop()
	s.sockets.StopAccepting()
	groups := done(s.groups.Close) // it answers the waiting members, who then look for the group's next coordinator
	select {
	case <-groups:
	case <-time.After(groupsTimeout):
	case <-ctx.Done():
	}
	s.sockets.Settle(ctx)
	select {
	case <-s.expiring:
	case <-ctx.Done():
	}
}

// done calls f on a goroutine, and closes the channel when f returns.
func done(f func()) <-chan struct{} {
	c := make(chan struct{})
	go func() { defer close(c); f() }()
	return c
}

// Shutdown closes each connection when its client has taken its last answer, and waits until all are closed. If ctx ends
// first, Shutdown cuts the connections that are left and returns an error. It does not wait then for topics that are being
// created for clients, since a disk may hold them up.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.kill()
	defer context.AfterFunc(ctx, s.kill)()
	err := s.sockets.Close(ctx)
	s.kill()
	select {
	case <-done(s.admin.Wait):
	case <-ctx.Done():
	}
	return err
}

// Listeners returns the listeners that Serve was given.
func (s *Server) Listeners() []*transport.Listener { return s.sockets.Listeners() }

// Sockets returns the part of the server that holds its connections.
func (s *Server) Sockets() *transport.SocketServer { return s.sockets }

// Data returns the service of the record APIs.
func (s *Server) Data() *data.Service { return s.data }

// Admin returns the service of the administration APIs.
func (s *Server) Admin() *admin.Service { return s.admin }

// freeFiles takes file descriptors from the logs for connections, and reports whether it got any.
func (s *Server) freeFiles(store *logstore.Store) bool {
	n := store.CloseIdleFiles()
	if n > 0 {
		s.limits.Hit("RLIMIT_NOFILE", "no file descriptor was left for a connection, the logs closed idle files", "files", n)
	}
	return n > 0
}

// clientErred logs an error that the client of a connection made.
func (s *Server) clientErred(c *transport.Conn, msg string, err error) {
	if unknown := (*protocol.UnknownAPIError)(nil); errors.As(err, &unknown) {
		err = fmt.Errorf("%s v%d is not served", apiName(unknown.Key), unknown.Version)
	}
	s.clientLog.Warn(c.RemoteAddr(), c.ClientID(), c.Listener().Name, msg, err)
}

// expireOffsets has the coordinator expire offsets at an interval, until the server stops.
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
