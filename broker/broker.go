package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/cluster/znode"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/server"
	"klamm/server/boundedlog"
	"klamm/server/config"
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
	tree     Session
	groups   *groupcoord.Coordinator
	logger   *slog.Logger
	lines    *slog.Logger                   // logger, at a bounded rate: for what clients ask for
	joined   atomic.Pointer[cluster.Broker] // cluster, for the store's goroutines
	offline  cluster.OfflineLogs            // what the store tells of directories that failed
}

// Start puts a broker together. The broker accepts clients when Start returns. Start opens
// the ports first and then checks whose directories these are, so that a start that fails
// there changes nothing on the disk.
func Start(ctx context.Context, o Options) (*Broker, error) {
	o.fill()
	cfg := o.Config
	listeners, err := server.Bind(cfg, o.Listen)
	if err != nil {
		return nil, err
	}
	b := &Broker{o: o, logger: o.Logger, lines: boundedlog.LimitLines(o.Logger)}
	if err := b.start(ctx, cfg, listeners); err != nil {
		transport.CloseAll(listeners)
		return nil, errors.Join(err, b.release(ctx))
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, cfg *config.Broker, listeners []*transport.Listener) error {
	id, err := b.identify(cfg)
	if err != nil {
		return err
	}
	if b.o.Identified != nil {
		b.o.Identified(id.broker, id.cluster)
	}
	dynamic := config.NewDynamic(cfg, id.broker)
	b.config = dynamic
	b.groups = newGroups(b.o, dynamic, b.offsetsTopic, b.lines)
	b.store, err = logstore.OpenStore(b.storeOptions(dynamic, id))
	if err != nil {
		return err
	}
	if err := b.settle(cfg, id); err != nil {
		return err
	}
	if err := b.adopt(id); err != nil {
		return err
	}
	replicas := replica.NewManager(b.store, func(overrides map[string]string) *replica.Config {
		return topicConfig(dynamic, overrides)
	})
	b.replicas = replicas
	dynamic.OnChange(func(config.Change) { replicas.Reconfigure() })
	dynamic.OnChange(b.reconfigureCleaner(dynamic))
	dynamic.OnChange(b.reconfigureMoves(dynamic))
	coordinateGroups(b.groups, replicas, dynamic, b.o.Clock)
	b.cluster, err = cluster.Start(ctx, b.clusterOptions(dynamic, replicas, id, endpoints(cfg, listeners)))
	if err != nil {
		return err
	}
	b.joined.Store(b.cluster)
	b.groups.Serve()
	b.server = server.New(server.Options{Broker: b.cluster, Replicas: replicas, Store: b.store, Groups: b.groups, Config: dynamic, Logger: b.logger, Now: b.o.Clock})
	b.server.Serve(listeners)
	return nil
}

// offsetsTopic returns __consumer_offsets, nil while the topic does not exist.
func (b *Broker) offsetsTopic() *cluster.Topic {
	if c := b.joined.Load(); c != nil {
		return c.Metadata().Topic(cluster.OffsetsTopic)
	}
	return nil
}

// identity has the ids of the broker and its cluster.
type identity struct {
	broker    int32
	cluster   string
	generated bool // the tree generates the broker's id, and broker is the id that it will give
}

// identify finds the ids of the broker and its cluster in its configuration, its
// directories and its tree. It changes nothing on the disk.
func (b *Broker) identify(cfg *config.Broker) (identity, error) {
	dirs := cfg.LogDirs()
	id := identity{broker: cfg.ID()}
	for _, dir := range dirs {
		m, err := logstore.ReadMetaProperties(b.o.FS, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return id, err
		}
		if id.broker == logstore.NoBrokerID {
			id.broker = m.BrokerID
		}
		if id.cluster == "" {
			id.cluster = m.ClusterID
		}
	}
	var drawn int32 // how many ids were drawn from the tree
	nodes, err := b.o.Tree.Peek(znode.ClusterID, znode.BrokerSeqID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := lostTree(b.o.FS, dirs); err != nil {
			return id, err
		}
	case err != nil:
		return id, err
	default:
		if nodes[0].Err == nil {
			if id.cluster, err = znode.DecodeClusterID(nodes[0].Data); err != nil {
				return id, err
			}
		}
		drawn = nodes[1].Stat.Version
	}
	if id.cluster == "" {
		id.cluster = cluster.NewTopicID().String()
	}
	if id.broker != logstore.NoBrokerID {
		return id, nil
	}
	ok, reserved := cfg.GenerateID()
	if !ok {
		return id, errors.New("broker.id: no id is given, and broker.id.generation.enable forbids to draw one")
	}
	id.generated, id.broker = true, reserved+drawn+1
	return id, nil
}

// settle opens the tree and writes the cluster's id and the generated broker id into it.
func (b *Broker) settle(cfg *config.Broker, id identity) error {
	var err error
	if b.tree, err = b.o.Tree.Open(b.store.LendReserve); err != nil {
		return err
	}
	if _, err := cluster.EnsureClusterID(b.tree, id.cluster); err != nil {
		return err
	}
	if !id.generated {
		return nil
	}
	_, reserved := cfg.GenerateID()
	drawn, err := cluster.GenerateBrokerID(b.tree, reserved)
	if err == nil && drawn != id.broker {
		err = fmt.Errorf("broker.id: the metadata tree gave %d, and the log directories have %d already", drawn, id.broker)
	}
	return err
}

// adopt adds the topics to the tree whose logs are in the log directories but which the
// tree does not have, since another broker wrote them.
func (b *Broker) adopt(id identity) error {
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
	done, err := cluster.Adopt(b.tree, id.broker, found)
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
		Defaults:  topicConfig(dynamic, nil).Log,

		Cleaner:                   config.Cleaner(v),
		MoveThreads:               v.Int("num.replica.alter.log.dirs.threads"),
		MoveBytesPerSecond:        config.MoveBytesPerSecond(v),
		MaxOpenFiles:              maxOpenFiles(),
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
			for _, tp := range partitions {
				if tp.Topic == cluster.OffsetsTopic {
					b.groups.Resigned(tp.Partition)
				}
			}
		},
		Logger:        b.logger,
		RequestLogger: b.lines,
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

// maxOpenFiles is how many files the logs may keep open: two fifths of what the process may have. The rest is for connections
// and for files that are open for a moment: a log can close a file and open it again, a client without a connection can do
// nothing. Go's runtime has raised the soft limit to the hard one by now.
func maxOpenFiles() int {
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
func topicConfig(dynamic *config.Dynamic, overrides map[string]string) *replica.Config {
	t, _ := dynamic.Topic(overrides)
	return &replica.Config{
		Log:                  t.Log(dynamic.Current()),
		MaxMessageBytes:      t.MaxMessageBytes,
		LogAppendTime:        t.LogAppendTime,
		TimestampBeforeMaxMs: t.TimestampBeforeMaxMs,
		TimestampAfterMaxMs:  t.TimestampAfterMaxMs,
		DownConvert:          t.Values.Bool("message.downconversion.enable"),
		Compression:          t.Compression(),
	}
}

func (b *Broker) clusterOptions(dynamic *config.Dynamic, replicas *replica.Manager, id identity, endpoints []cluster.Endpoint) cluster.Options {
	v := dynamic.Current()
	o := cluster.Options{
		Tree:              b.tree,
		Replicas:          replicas,
		BrokerID:          id.broker,
		Endpoints:         endpoints,
		Partitions:        int32(v.Int("num.partitions")),
		ReplicationFactor: int16(v.Int("default.replication.factor")),
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
		TopicsDeleted: topicsDeleted(b.groups),
		Offline:       &b.offline,
		Room:          b.store.Room,
		Logger:        b.lines,
		Clock:         b.o.Clock,
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

// Server returns the part of the broker that serves requests. It is for tests.
func (b *Broker) Server() *server.Server { return b.server }

// Cluster returns this broker's part in the cluster. It is for tests.
func (b *Broker) Cluster() *cluster.Broker { return b.cluster }

// Replicas returns the partitions that this broker leads. It is for tests.
func (b *Broker) Replicas() *replica.Manager { return b.replicas }

// Config returns the broker's configuration, with the changes since it started.
func (b *Broker) Config() *config.Dynamic { return b.config }

// Stop ends the broker cleanly. Requests that are being handled are finished first. The logs are flushed next, and the
// checkpoints and the mark of a clean stop are written: no client can delay that. Last, Stop waits until
// clients have taken their answers. When ctx ends, it cuts the connections that are left.
func (b *Broker) Stop(ctx context.Context) error {
	b.server.Settle(ctx)
	err := b.release(ctx)
	if cut := b.server.Shutdown(ctx); cut != nil {
		b.logger.Warn("connections were cut, their clients did not take their answers in time", "error", cut)
	}
	return err
}

// release closes the cluster, the store and the tree, as far as start opened them.
func (b *Broker) release(ctx context.Context) error {
	var errs []error
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.store != nil {
		errs = append(errs, b.store.Close(context.WithoutCancel(ctx)))
	}
	if b.tree != nil {
		errs = append(errs, b.tree.Close())
	}
	return errors.Join(errs...)
}
