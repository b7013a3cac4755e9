package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol"
	"klamm/server"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/loggers"
	"klamm/server/transport"
)

// Broker is a whole broker that runs. Start makes one, and Stop ends it.
type Broker struct {
	o        Options
	server   *server.Server
	cluster  *cluster.Broker
	config   *config.Dynamic
	replicas *replica.Manager
	store    *logstore.Store
	tree     meta.Store
	conn     *cluster.Connection // the session with tree
	id       int32               // broker.id
	groups   *groupcoord.Coordinator
	logger   *slog.Logger
	lines    *slog.Logger                    // logger, at a bounded rate: for what clients ask for
	joined   atomic.Pointer[cluster.Broker]  // cluster, for the store's goroutines
	managed  atomic.Pointer[replica.Manager] // replicas, for the store's goroutines
	offline  cluster.OfflineLogs             // what the store tells of directories that failed
}

// Start puts a broker together. The broker accepts clients when Start returns. Start opens
// the ports first and then checks whose directories these are, so that a start that fails
// there changes nothing on the disk.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	cfg := o.Config
	listeners, err := server.Bind(cfg, o.Listen)
	if err != nil {
		return nil, err
	}
	o.Life.Set(observe.Starting)
	b := &Broker{o: o, logger: o.Logger.With(loggers.Key, "broker"), lines: boundedlog.LimitLines(o.Logger)}
	if err := b.start(ctx, cfg, listeners); err != nil {
		o.Life.Set(observe.NotRunning)
		transport.CloseAll(listeners)
		return nil, errors.Join(explain(err), b.release(context.WithoutCancel(ctx)))
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, cfg *config.Broker, listeners []*transport.Listener) error {
	id, err := b.identify(ctx, cfg)
	if err != nil {
		return err
	}
	if b.o.Identified != nil {
		b.o.Identified(id.broker, id.cluster)
	}
	dynamic := config.NewDynamic(cfg, id.broker)
	b.id, b.config = id.broker, dynamic
	b.groups = newGroups(b.o, dynamic, b.offsetsTopic, b.lines.With(loggers.Key, "groupcoord"))
	b.o.Life.Set(observe.Recovery)
	b.store, err = logstore.OpenStore(b.storeOptions(dynamic, id))
	if err != nil {
		return err
	}
	own := endpoints(cfg, listeners)
	if err := b.settle(ctx, cfg, id, own); err != nil {
		return err
	}
	if !b.o.Tree.Shared() {
		if err := b.adopt(ctx, id); err != nil {
			return err
		}
	}
	replicas := replica.NewManager(b.replicaOptions(dynamic))
	b.replicas = replicas
	b.managed.Store(replicas)
	dynamic.OnChange(func(config.Change) { replicas.Reconfigure() })
	dynamic.OnChange(b.reconfigureCleaner(dynamic))
	dynamic.OnChange(b.reconfigureMoves(dynamic))
	coordinateGroups(b.groups, replicas, dynamic, b.o.Clock, b.lines.With(loggers.Key, "groupcoord"))
	b.cluster = cluster.New(b.clusterOptions(dynamic, replicas, id, own))
	b.joined.Store(b.cluster)
	if err := b.cluster.Start(ctx); err != nil {
		return err
	}
	b.groups.Serve()
	b.server = server.New(server.Options{Broker: b.cluster, Replicas: replicas, Store: b.store, Groups: b.groups, Config: dynamic, Logger: b.o.Logger, Levels: b.o.Levels,
		Peers: b.o.Tree.Shared(), Now: b.o.Clock, Observer: b.o.Observer})
	b.server.Serve(listeners)
	b.o.Life.Set(observe.Running)
	return nil
}

// offsetsTopic returns __consumer_offsets, nil while the topic does not exist.
func (b *Broker) offsetsTopic() *cluster.Topic {
	if c := b.joined.Load(); c != nil {
		return c.Metadata().Topic(cluster.OffsetsTopic)
	}
	return nil
}

// adopt adds the topics to the tree whose logs are in the log directories but which the
// tree does not have, since another broker wrote them.
func (b *Broker) adopt(ctx context.Context, id identity) error {
	var found []cluster.LocalLog
	for tp, log := range b.store.All() {
		topicID, _ := b.store.TopicID(tp)
		l := cluster.LocalLog{TopicPartition: tp, TopicID: topicID, LatestEpoch: log.LatestEpoch(), Compacted: log.CleanedTo() >= 0}
		for _, p := range log.ActiveProducers() {
			l.ProducerIDs = max(l.ProducerIDs, p.ProducerID+1)
		}
		found = append(found, l)
	}
	if len(found) == 0 {
		return nil
	}
	done, err := cluster.Adopt(ctx, b.conn.Tree(), id.broker, found)
	if err != nil {
		return err
	}
	if len(done.Topics) > 0 {
		b.logger.Warn("took over the topics of these log directories; their own properties are not known, so they keep all records until retention is set",
			"topics", done.Topics, "empty", done.Filled, "left_alone", done.Strays)
	}
	if len(done.Compacted) > 0 {
		b.logger.Warn("some of these topics have been compacted before; they are compacted again once cleanup.policy=compact is set",
			"topics", done.Compacted)
	}
	return nil
}

// storeOptions returns the options of the store of the log directories.
func (b *Broker) storeOptions(dynamic *config.Dynamic, id identity) logstore.StoreOptions {
	v := dynamic.Current()
	return logstore.StoreOptions{
		FS:        b.o.FS,
		Clock:     b.o.Clock,
		Dirs:      dynamic.Static().LogDirs(),
		BrokerID:  id.broker,
		ClusterID: id.cluster,
		Defaults:  topicConfig(dynamic, id.broker, nil).Log,

		Cleaner:                   config.Cleaner(v),
		MoveThreads:               v.Int("num.replica.alter.log.dirs.threads"),
		MoveBytesPerSecond:        config.MoveBytesPerSecond(v),
		MaxOpenFiles:              MaxOpenFiles(),
		ProducersMax:              v.Int("klamm.producer.ids.max"),
		RecoveryThreads:           v.Int("num.recovery.threads.per.data.dir"),
		InitialTaskDelayMs:        v.Long("log.initial.task.delay.ms"),
		RetentionCheckMs:          v.Long("log.retention.check.interval.ms"),
		FlushCheckMs:              v.Long("log.flush.scheduler.interval.ms"),
		RecoveryPointCheckpointMs: v.Long("log.flush.offset.checkpoint.interval.ms"),
		StartOffsetCheckpointMs:   v.Long("log.flush.start.offset.checkpoint.interval.ms"),
		HighWatermarkCheckpointMs: v.Long("replica.high.watermark.checkpoint.interval.ms"),
		ProducerExpiryCheckMs:     v.Long("producer.id.expiration.check.interval.ms"),

		OnDirFailure: func(_ string, _ error, partitions []protocol.TopicPartition) {
			b.offline.Add(partitions)
			if replicas := b.managed.Load(); replicas != nil {
				replicas.LogsFailed(partitions)
			}
		},
		Observer:      b.o.Observer,
		Logger:        b.o.Logger.With(loggers.Key, "logstore"),
		RequestLogger: b.lines.With(loggers.Key, "logstore"),
	}
}

// reconfigureCleaner returns a function that gives the cleaner the settings that were
// changed while the broker runs.
func (b *Broker) reconfigureCleaner(dynamic *config.Dynamic) func(config.Change) {
	was := config.Cleaner(dynamic.Current())
	return func(config.Change) {
		now := config.Cleaner(dynamic.Current())
		if now == was {
			return
		}
		if err := b.store.SetCleaner(now); err != nil {
			b.logger.Warn("compaction goes on as before", "error", err)
			return
		}
		was = now
	}
}

// reconfigureMoves returns a function that changes the rate at which logs move between
// directories, when somebody changed it while the broker runs.
func (b *Broker) reconfigureMoves(dynamic *config.Dynamic) func(config.Change) {
	was := config.MoveBytesPerSecond(dynamic.Current())
	return func(config.Change) {
		if now := config.MoveBytesPerSecond(dynamic.Current()); now != was {
			b.store.SetMoveRate(now)
			was = now
		}
	}
}

// MaxOpenFiles is how many files the logs may keep open: two fifths of what the process may have. The rest is for connections
// and for files that are open for a moment: a log can close a file and open it again, a client without a connection can do
// nothing. Go's runtime has raised the soft limit to the hard one by now.
func MaxOpenFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return openFilesUnknown
	}
	return openFilesOf(limit.Cur)
}

const (
	openFilesUnknown = 4096    // where the system does not tell its limit
	openFilesMost    = 1 << 20 // where there is no limit, which is more than that
)

// openFilesOf returns how many of the files that a limit allows the logs may keep open.
func openFilesOf(limit uint64) int { return int(min(limit/5*2, openFilesMost)) }

// topicConfig returns a topic's configuration: its own properties, and the broker's for the
// others.
func topicConfig(dynamic *config.Dynamic, broker int32, overrides map[string]string) *replica.Config {
	t, _ := dynamic.Topic(overrides)
	return &replica.Config{
		Log:                  t.Log(dynamic.Current()),
		MaxMessageBytes:      t.MaxMessageBytes,
		MinInSyncReplicas:    int32(t.Values.Int("min.insync.replicas")),
		LogAppendTime:        t.LogAppendTime,
		TimestampBeforeMaxMs: t.TimestampBeforeMaxMs,
		TimestampAfterMaxMs:  t.TimestampAfterMaxMs,
		DownConvert:          t.Values.Bool("message.downconversion.enable"),
		Compression:          t.Compression(),
		LeaderThrottled:      throttledReplicas(&t, "leader.replication.throttled.replicas", broker),
		FollowerThrottled:    throttledReplicas(&t, "follower.replication.throttled.replicas", broker),
	}
}

func (b *Broker) clusterOptions(dynamic *config.Dynamic, replicas *replica.Manager, id identity, endpoints []cluster.Endpoint) cluster.Options {
	v := dynamic.Current()
	o := cluster.Options{
		Connection:     b.conn,
		SessionTimeout: time.Duration(v.Int("zookeeper.session.timeout.ms")) * time.Millisecond,
		Replicas:       replicas,
		BrokerID:       id.broker,
		Endpoints:      endpoints,

		InterBrokerListener:  dynamic.Static().InterBrokerListener(),
		ControlPlaneListener: dynamic.Static().ControlPlaneListener(),
		Dial:                 b.dialController,
		DialAddr:             b.o.Dial,
		SlowFailover:         !v.Bool("klamm.fast.failover.enable"),
		Partitions:           int32(v.Int("num.partitions")),
		ReplicationFactor:    int16(v.Int("default.replication.factor")),
		Unclean:              func() bool { return dynamic.Current().Bool("unclean.leader.election.enable") },
		KeepTopics:           !v.Bool("delete.topic.enable"),
		ImbalancePercent:     v.Int("leader.imbalance.per.broker.percentage"),
		ValidateTopicConfig: func(overrides map[string]string) error {
			values := make(map[string]*string, len(overrides))
			for name, value := range overrides {
				values[name] = &value
			}
			_, err := dynamic.CreateTopic(values)
			return err
		},
		BrokerConfigChanged: func(own, defaults map[string]string) {
			for _, err := range append(dynamic.SetDefault(defaults), dynamic.SetBroker(own)...) {
				b.lines.Warn("a dynamic property has no effect", "error", boundedlog.Printable(err.Error()))
			}
		},
		PartitionsDeleted: partitionsDeleted(b.groups),
		Offline:           &b.offline,
		Room:              b.store.Room,
		Observer:          b.o.Observer,
		Logger:            b.lines.With(loggers.Key, "cluster"),
		Clock:             b.o.Clock,
		After:             b.o.After,
	}
	if v.Bool("auto.leader.rebalance.enable") {
		o.BalanceEvery = time.Duration(v.Long("leader.imbalance.check.interval.seconds")) * time.Second
	}
	if rack := v.String("broker.rack"); rack != "" {
		o.Rack = &rack
	}
	return o
}

// endpoints returns the address that clients get for each listener. It marks a listener
// without an advertised host: its clients get the local address of their own connection.
func endpoints(cfg *config.Broker, listeners []*transport.Listener) []cluster.Endpoint {
	var out []cluster.Endpoint
	for _, a := range cfg.Advertised() {
		e := cluster.Endpoint{Listener: a.Name, SecurityProtocol: a.Protocol, Host: a.Host, Port: int32(a.Port)}
		for _, l := range listeners {
			if l.Name != a.Name {
				continue
			}
			if e.Port == 0 {
				_, port, _ := net.SplitHostPort(l.Addr().String())
				n, _ := strconv.ParseUint(port, 10, 16)
				e.Port = int32(n)
			}
			l.Any = a.Host == ""
		}
		if e.Host == "" {
			e.Host, _ = os.Hostname()
		}
		out = append(out, e)
	}
	return out
}

// Addrs returns the addresses of the broker's listeners, in the order of the listeners.
func (b *Broker) Addrs() []net.Addr {
	var out []net.Addr
	for _, l := range b.server.Listeners() {
		out = append(out, l.Addr())
	}
	return out
}

// Server returns the part of the broker that serves requests. It is for those who look at the broker, and for tests.
func (b *Broker) Server() *server.Server { return b.server }

// Cluster returns this broker's part in the cluster. It is for those who look at the broker, and for tests.
func (b *Broker) Cluster() *cluster.Broker { return b.cluster }

// ID returns broker.id.
func (b *Broker) ID() int32 { return b.id }

// Observer returns what counts what the broker does, nil where nobody observes.
func (b *Broker) Observer() *observe.Observer { return b.o.Observer }

// Store returns the log directories, for those who look at the broker.
func (b *Broker) Store() *logstore.Store { return b.store }

// Groups returns the coordinator of groups, for those who look at the broker.
func (b *Broker) Groups() *groupcoord.Coordinator { return b.groups }

// Connected says whether the session with the metadata tree lives, as far as the broker can tell.
func (b *Broker) Connected() bool { return b.conn.Connected() }

// Replicas returns the partitions that this broker has replicas of. It is for those who look at the broker, and for tests.
func (b *Broker) Replicas() *replica.Manager { return b.replicas }

// Session returns the session with the metadata tree. It is for tests.
func (b *Broker) Session() meta.Tree { return b.conn.Tree() }

// Config returns the broker's configuration, with the changes since it started.
func (b *Broker) Config() *config.Dynamic { return b.config }

// Stop ends the broker cleanly. It gives its leaderships up, and finishes the requests that are being handled. The logs are flushed next, and the
// checkpoints and the mark of a clean stop are written: no client can delay that, and neither can what hangs, such as one of
// several disks. Last, Stop waits until clients have taken their answers. When ctx ends, it cuts the connections that
// are left. It goes on to wait for the logs, whose disk may be slow.
func (b *Broker) Stop(ctx context.Context) error {
	b.o.Life.Set(observe.PendingControlledShutdown)
	b.leave(ctx)
	b.o.Life.Set(observe.ShuttingDown)
	b.within(ctx, "the end of this broker's leaderships", b.replicas.Resign)
	b.server.Settle(ctx)
	released := make(chan struct{})
	var err error
	go func() { defer close(released); err = b.release(ctx) }()
	select {
	case <-released:
	case <-ctx.Done():
	}
	if cut := b.server.Shutdown(ctx); cut != nil {
		b.logger.Warn("connections were cut, their clients did not take their answers in time", "error", cut)
	}
	<-released
	b.o.Life.Set(observe.NotRunning)
	return err
}

// patience is how long a stop waits for each thing that a disk or another broker may hold up, before it goes on with the logs.
const patience = time.Second

// release closes the groups, the cluster, the store and the tree, as far as start made them.
func (b *Broker) release(ctx context.Context) error {
	var stored, left error
	if b.groups != nil {
		b.within(ctx, "the groups' coordinator", b.groups.Close)
	}
	if b.cluster != nil {
		b.within(ctx, "this broker's part in the cluster", b.cluster.Close)
	}
	if b.replicas != nil {
		b.within(ctx, "the fetching from leaders", b.replicas.Close)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if b.store != nil {
			patient, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			stored = b.store.Close(patient)
		}
	}()
	select {
	case <-closed:
	case <-ctx.Done(): // a broker that does not serve any more must not keep its session because a disk hangs
	}
	if b.conn != nil {
		ended := make(chan error, 1)
		b.within(ctx, "the session with the metadata tree", func() { ended <- b.conn.Close() })
		select {
		case left = <-ended:
		default:
		}
	}
	if b.tree != nil {
		left = errors.Join(left, b.tree.Close())
	}
	<-closed
	return errors.Join(stored, left)
}

// within calls f, and waits until it returns, for patience, or until ctx ends.
func (b *Broker) within(ctx context.Context, what string, f func()) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-ctx.Done():
		b.logger.Warn("something hangs, the stop goes on without it", "task", what)
	}
}
