package cluster

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/metadata"
	"klamm/cluster/order"
	"klamm/cluster/peer"
	"klamm/observe"
	"klamm/protocol"
)

// LeaderAndISR tells a broker what it is in a partition.
type LeaderAndISR = order.LeaderAndISR

// StopReplica tells a broker to stop serving a partition.
type StopReplica = order.StopReplica

// Replicas are this broker's partitions. Cluster calls LeaderAndISR and StopReplica one at a time; Configure may come at any moment.
type Replicas interface {
	// LeaderAndISR makes this broker the leader (or follower, where Leader is another) of partitions, with their logs made
	// where there are none and configured with TopicConfig. An error that an *order.TransientError wraps passes by itself: the order
	// may be given again. One whose leader epoch is known already is refused with order.ErrStaleControllerEpoch.
	LeaderAndISR(req *order.LeaderAndISRRequest, config func(topic string) map[string]string) order.Answer
	// StopReplica stops serving partitions, and deletes their logs where that is asked. One that this broker does not know is
	// stopped already, and its log, if there is one, is deleted all the same. The errors are as those of LeaderAndISR.
	StopReplica(req *order.StopReplicaRequest) order.Answer
	// BrokersChanged says that the live brokers are others than before, or at other addresses.
	BrokersChanged()
	// Configure says that a topic's own properties changed. config gives all of them as they are when it is called: what is
	// older must not come after what is newer.
	Configure(topic string, config func(topic string) map[string]string)
	// ConfigureAll is Configure for all topics, when it is not known which of them changed.
	ConfigureAll(config func(topic string) map[string]string)
}

// Options are what a Broker needs.
type Options struct {
	// Connection is this process's way to the metadata tree. Who opened it closes it, after the Broker.
	Connection *Connection
	// SessionTimeout is how long a session lives whose process died: zookeeper.session.timeout.ms. Default 18 s.
	SessionTimeout time.Duration
	// Replicas are this broker's partitions.
	Replicas Replicas
	// BrokerID is broker.id.
	BrokerID int32
	// Endpoints are the listeners as clients reach them: advertised.listeners.
	Endpoints []Endpoint
	// InterBrokerListener is the listener by which followers reach leaders.
	InterBrokerListener string
	// ControlPlaneListener is the listener by which the controller and the brokers ask each other.
	ControlPlaneListener string
	// Dial connects to other brokers. Nil for a broker that is alone.
	Dial peer.Dial
	// DialAddr opens a connection to an address, host:port, for the detector of dead brokers. Default: TCP.
	DialAddr func(ctx context.Context, addr string) (net.Conn, error)
	// SlowFailover has a dead broker's leaderships, and a dead controller's office, wait for the end of its session.
	SlowFailover bool
	// SoftwareVersion is told to the controller. Default "unknown", since there has to be one (KIP-511).
	SoftwareVersion string
	// Rack is broker.rack, nil for none.
	Rack *string
	// Partitions is num.partitions. Default 1.
	Partitions int32
	// ReplicationFactor is default.replication.factor. Default 1.
	ReplicationFactor int16
	// Unclean says whether topics that do not say otherwise may have a leader that is not in sync: unclean.leader.election.enable, which
	// may change with BrokerConfigChanged. Nil for no.
	Unclean func() bool
	// KeepTopics is set if delete.topic.enable is false: marks for deletion that tools write into the tree are removed.
	KeepTopics bool
	// BalanceEvery is leader.imbalance.check.interval.seconds, 0 for never (auto.leader.rebalance.enable), and ImbalancePercent is
	// leader.imbalance.per.broker.percentage.
	BalanceEvery     time.Duration
	ImbalancePercent int
	// ValidateTopicConfig checks all of a topic's own properties. Its error's message goes to the client. Nil: all is well.
	ValidateTopicConfig func(config map[string]string) error
	// BrokerConfigChanged is told, at the start and after each change, the dynamic properties of this broker and the cluster's defaults.
	BrokerConfigChanged func(own, defaults map[string]string)
	// PartitionsDeleted is told of partitions that are no more, before whoever deleted them is answered. Nil: nobody is.
	PartitionsDeleted func([]DeletedPartitions)
	// BrokerChannel makes the controller's connection to another broker, if this broker is the controller. Nil: this broker is alone.
	BrokerChannel func(order.LiveBroker) controller.Channel
	// Offline tells of log directories that failed. Nil: none does.
	Offline *OfflineLogs
	// Room says why there is no room for new partitions on this broker's disks. Nil: there always is.
	Room func() error
	// Observer is told of events; nil: nobody observes.
	Observer *observe.Observer
	// Logger defaults to slog.Default.
	Logger *slog.Logger
	// Clock defaults to time.Now.
	Clock func() time.Time
	// After has f called when some time has passed, and gives what prevents that. Default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func() bool)
	// Intn draws where assignments begin. Default rand.IntN.
	Intn func(n int) int
}

// Broker is this broker's place in the cluster. Its methods may be called by several goroutines at once.
//
// Order of locks: orders, configs.change, configs.removal, mu.
type Broker struct {
	o        Options
	epoch    atomic.Int64                       // the czxid of the registration
	elector  atomic.Pointer[controller.Elector] // of the session; nil before Start
	configs  configs
	watch    *configWatch
	channel  *peer.ControllerChannel // to the controller, whoever that is
	suspects *suspects               // nil for a broker that is alone
	metadata *metadata.Cache
	known    *knowledge
	doubt    doubt           // whether other brokers may lead what this one led
	quit     context.Context // ends when Close begins
	stop     context.CancelFunc

	// orders is held while an order of the controller is carried out, so that they come one after the other. An order may wait for the tree.
	orders          turn
	controllerEpoch atomic.Int32 // the epoch of the last controller that ordered something; changed under orders
	toldAs          int64        // guarded by orders; the latest registration of this broker that an order was for

	// mu is held while an UpdateMetadata is made and applied.
	mu      sync.Mutex
	former  []int64                          // guarded by mu; the sessions of this process that registered the broker
	offline map[protocol.TopicPartition]bool // guarded by mu; partitions whose log directory failed here
	// retrying says that the controller is about to be asked for orders again: see tryLogsAgain.
	retrying atomic.Bool
}

// New makes a broker that is not in the cluster yet: Metadata is empty until Start.
func New(o Options) *Broker {
	remote := o.BrokerChannel == nil && o.Dial != nil
	o.setDefaults()
	b := &Broker{o: o, offline: map[protocol.TopicPartition]bool{}, metadata: metadata.NewCache(""), configs: newConfigs(), orders: newTurn(), known: newKnowledge()}
	b.quit, b.stop = context.WithCancel(context.Background())
	b.watch, b.channel, b.suspects = newConfigWatch(b), b.newChannel(), newSuspects(b)
	if remote {
		b.o.BrokerChannel = b.newBrokerChannel
	}
	return b
}

// Start registers the broker in the tree and becomes the controller if there is none. The controller, whoever it is, tells the broker
// what it leads and follows, and how the cluster looks. When Start returns and this broker is the controller, all partitions that
// it leads are served, and Metadata is complete. The cluster's id is in the tree before: see [EnsureClusterID]. After an error the
// broker is of no use but for Close.
func (b *Broker) Start(ctx context.Context) error {
	tree := b.tree()
	if err := EnsurePaths(ctx, tree); err != nil {
		return err
	}
	id, err := ReadClusterID(ctx, tree)
	if err != nil {
		return err
	}
	b.metadata.SetClusterID(id)
	b.o.Connection.use(b.sessionUser())
	if err := b.begin(ctx, tree); err != nil {
		return err
	}
	if b.o.Offline != nil {
		b.o.Offline.attach(b)
	}
	return nil
}

// begin is Start once the broker hears of its session.
func (b *Broker) begin(ctx context.Context, tree meta.Tree) error {
	if err := b.watch.begin(ctx); err != nil {
		return err
	}
	b.configs.change.Lock()
	b.brokerConfigChanged()
	b.configs.change.Unlock()
	if err := b.checkAddresses(ctx, tree); err != nil {
		return err
	}
	if err := b.listTopics(ctx, tree); err != nil {
		return err
	}
	if err := b.registerAtStart(ctx, tree); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.o.After(knownWithin, b.known.end)
	return b.newElector(tree).Start(ctx)
}

// newElector makes what has this broker become the controller if there is none, in a session.
func (b *Broker) newElector(tree meta.Tree) *controller.Elector {
	e := controller.NewElector(controller.Options{
		Tree: tree, BrokerID: b.o.BrokerID, Dial: b.dial, Listener: b.o.InterBrokerListener, ConfigLock: b.configs.removal,
		BalanceEvery: b.o.BalanceEvery, Observer: b.o.Observer,
		Logger: b.o.Logger.With("logger", "cluster.controller"), Clock: b.o.Clock, After: b.o.After,
		Rules: *b.rules(),
	})
	if was := b.elector.Swap(e); was != nil {
		was.Close()
	}
	return e
}

// rules are what decisions about topics depend on.
func (b *Broker) rules() *controller.Rules {
	return &controller.Rules{
		Partitions: b.o.Partitions, ReplicationFactor: b.o.ReplicationFactor,
		ValidateConfig: b.o.ValidateTopicConfig, Room: b.o.Room, Intn: b.o.Intn, NewID: NewTopicID,
		Unclean: b.o.Unclean, KeepTopics: b.o.KeepTopics, ImbalancePercent: b.o.ImbalancePercent,
	}
}

// liveBrokers are the live brokers that are known.
func liveBrokers(known *Metadata) []order.LiveBroker {
	live := make([]order.LiveBroker, len(known.Brokers))
	for i, info := range known.Brokers {
		live[i] = order.LiveBroker(info)
	}
	return live
}

// ask hands the controller an event, if this broker is it.
func (b *Broker) ask(ctx context.Context, e controller.Event) error {
	if elector := b.elector.Load(); elector != nil {
		return elector.Do(ctx, e)
	}
	return ErrNotController
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if o.Intn == nil {
		o.Intn = rand.IntN
	}
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.ReplicationFactor == 0 {
		o.ReplicationFactor = 1
	}
	if o.BrokerChannel == nil {
		o.BrokerChannel = func(order.LiveBroker) controller.Channel { return lone{} }
	}
	if o.SoftwareVersion == "" {
		o.SoftwareVersion = "unknown"
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 18 * time.Second
	}
}

// Close stops this broker's part in the cluster; its nodes go with the tree's session, which is the caller's to close.
func (b *Broker) Close() {
	b.stop()
	b.o.Connection.use(sessionUser{})
	b.watch.close()
	b.channel.Close()
	b.suspects.close()
	if e := b.elector.Load(); e != nil {
		e.Close()
	}
	b.orders.Lock() // an order under way ends first
	defer b.orders.Unlock()
}

// tree is the session with the tree.
func (b *Broker) tree() meta.Tree { return b.o.Connection.Tree() }

// ID is broker.id.
func (b *Broker) ID() int32 { return b.o.BrokerID }

// Epoch is the broker's epoch: it grows with each start.
func (b *Broker) Epoch() int64 { return b.epoch.Load() }

// ClusterID is the cluster's id.
func (b *Broker) ClusterID() string { return b.Metadata().ClusterID }

// IsController says whether this broker is the controller.
func (b *Broker) IsController() bool { return b.Metadata().ControllerID == b.o.BrokerID }

// Metadata is the cluster as clients see it now. The call is cheap and the snapshot never changes: a request takes it once.
func (b *Broker) Metadata() *Metadata { return b.metadata.Snapshot() }
