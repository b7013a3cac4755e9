package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// LeaderAndISR tells a broker what it is in a partition.
type LeaderAndISR = order.LeaderAndISR

// StopReplica tells a broker to stop serving a partition.
type StopReplica = order.StopReplica

// Replicas are this broker's partitions. Cluster calls LeaderAndISR and StopReplica one at a time, from one goroutine;
// Configure may come at any moment.
type Replicas interface {
	// LeaderAndISR makes this broker the leader (or follower, where Leader is another) of partitions, with their logs made
	// where there are none and configured with TopicConfig. The errors are one for each, nil for what went well; nil stands for all.
	// One that an *order.TransientError wraps passes by itself: the order is given again.
	LeaderAndISR(orders []LeaderAndISR, config func(topic string) map[string]string) []error
	// StopReplica stops serving partitions, and deletes their logs where that is asked. One that this broker does not know is
	// stopped already, and its log, if there is one, is deleted all the same. The errors are as those of LeaderAndISR.
	StopReplica(orders []StopReplica) []error
	// Configure says that a topic's own properties changed. config gives all of them as they are when it is called: what is
	// older must not come after what is newer.
	Configure(topic string, config func(topic string) map[string]string)
}

// Options are what a Broker needs.
type Options struct {
	// Tree is this process's session with the metadata tree. Who opened it closes it, after the Broker.
	Tree meta.Tree
	// Replicas are this broker's partitions.
	Replicas Replicas
	// BrokerID is broker.id.
	BrokerID int32
	// Endpoints are the listeners as clients reach them: advertised.listeners.
	Endpoints []Endpoint
	// Rack is broker.rack, nil for none.
	Rack *string
	// Partitions is num.partitions. Default 1.
	Partitions int32
	// ReplicationFactor is default.replication.factor. Default 1.
	ReplicationFactor int16
	// ValidateTopicConfig checks all of a topic's own properties. Its error's message goes to the client. Nil: all is well.
	ValidateTopicConfig func(config map[string]string) error
	// ValidateBrokerConfig checks all of the dynamic properties of a broker, or with perBroker false of the cluster's default. Nil: all is well.
	ValidateBrokerConfig func(config map[string]string, perBroker bool) error
	// BrokerConfigChanged is told, at the start and after each change, the dynamic properties of this broker and the cluster's defaults.
	BrokerConfigChanged func(own, defaults map[string]string)
	// TopicsDeleted is told of topics that are no more, as they were, before whoever deleted them is answered. Nil: nobody is.
	TopicsDeleted func([]*Topic)
	// Offline tells of log directories that failed. Nil: none does.
	Offline *OfflineLogs
	// Room says why there is no room for new partitions on this broker's disks. Nil: there always is.
	Room func() error
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
type Broker struct {
	o          Options
	epoch      int64
	clusterID  string
	controller *controller.Controller
	configs    configs
	metadata   atomic.Pointer[Metadata]

	// mu guards what Metadata is made of besides the controller's state, and its replacement.
	mu      sync.Mutex
	offline map[protocol.TopicPartition]bool // partitions whose log directory failed here
	gone    []*Topic                         // topics that are no more, of which TopicsDeleted is not told yet
}

// Start registers the broker in the tree, becomes the controller, and has all partitions that it leads served. When it returns
// Metadata is complete. The cluster's id is in the tree before: see [EnsureClusterID].
func Start(ctx context.Context, o Options) (*Broker, error) {
	o.setDefaults()
	b := &Broker{o: o, offline: map[protocol.TopicPartition]bool{}}
	if err := EnsurePaths(o.Tree); err != nil {
		return nil, err
	}
	id, err := ReadClusterID(o.Tree)
	if err != nil {
		return nil, err
	}
	b.clusterID = id
	b.metadata.Store(&Metadata{ClusterID: id, ControllerID: -1, topics: newTopicTable()})
	if err := b.configs.load(o.Tree, o.BrokerID); err != nil {
		return nil, err
	}
	if o.BrokerConfigChanged != nil {
		o.BrokerConfigChanged(b.configs.brokers(o.BrokerID))
	}
	if err := b.register(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.controller, err = controller.Elect(controller.Options{
		Tree: o.Tree, BrokerID: o.BrokerID, Sender: (*sender)(b), ConfigLock: &b.configs.removal,
		Logger: o.Logger, Clock: o.Clock, After: o.After, NewID: NewTopicID,
		Rules: controller.Rules{
			Partitions: o.Partitions, ReplicationFactor: o.ReplicationFactor,
			ValidateConfig: o.ValidateTopicConfig, Room: o.Room, Intn: o.Intn,
		},
	})
	if err != nil {
		return nil, err
	}
	if o.Offline != nil {
		o.Offline.attach(b)
	}
	return b, nil
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
}

// register makes this broker's node, which lives as long as its session.
func (b *Broker) register() error {
	info := znode.Broker{Endpoints: b.o.Endpoints, Rack: b.o.Rack, JMXPort: -1, TimestampMs: b.o.Clock().UnixMilli()}
	_, stat, err := b.o.Tree.Create(znode.BrokerPath(b.o.BrokerID), info.Encode(), meta.Ephemeral)
	if errors.Is(err, meta.ErrNodeExists) {
		return fmt.Errorf("a broker with id %d is registered already: %w", b.o.BrokerID, err)
	}
	if err != nil {
		return err
	}
	b.epoch = stat.Czxid
	return nil
}

// Close stops this broker's part in the cluster; its nodes go with the tree's session, which is the caller's to close.
func (b *Broker) Close() { b.controller.Close() }

// ID is broker.id.
func (b *Broker) ID() int32 { return b.o.BrokerID }

// Epoch is the broker's epoch: it grows with each start.
func (b *Broker) Epoch() int64 { return b.epoch }

// ClusterID is the cluster's id.
func (b *Broker) ClusterID() string { return b.clusterID }

// IsController says whether this broker is the controller.
func (b *Broker) IsController() bool { return b.Metadata().ControllerID == b.o.BrokerID }

// Metadata is the cluster as clients see it now. The call is cheap and the snapshot never changes: a request takes it once.
func (b *Broker) Metadata() *Metadata { return b.metadata.Load() }

// SetOffline says that the logs of partitions cannot be used any more, because their directory failed: clients
// are told that nobody leads them, until the broker starts again.
func (b *Broker) SetOffline(partitions []protocol.TopicPartition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.metadata.Load()
	changed := map[string][]int32{}
	for _, tp := range partitions {
		if !b.offline[tp] {
			b.offline[tp] = true
			changed[tp.Topic] = append(changed[tp.Topic], tp.Partition)
		}
	}
	put := make([]*Topic, 0, len(changed))
	for name, numbers := range changed {
		if t := old.Topic(name); t != nil {
			copied := *t
			copied.Partitions = t.Partitions.with(t.Partitions.Len(), numbers, func(n int, p *Partition) {
				b.takeOfflineLocked(protocol.TopicPartition{Topic: name, Partition: int32(n)}, p)
			})
			put = append(put, &copied)
		}
	}
	next := *old
	next.topics = old.topics.with(put, nil)
	b.metadata.Store(&next)
}

// takeOfflineLocked shows a partition as one that failed here, if its log directory did.
func (b *Broker) takeOfflineLocked(tp protocol.TopicPartition, p *Partition) {
	if b.offline[tp] {
		p.takeOffline(b.o.BrokerID)
	}
}
