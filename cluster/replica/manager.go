package replica

import (
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// Config is what a topic's configuration means for its partitions. Times are
// in ms, sizes in bytes.
type Config struct {
	Log                  logstore.Config
	MaxMessageBytes      int32 // the largest batch (max.message.bytes)
	LogAppendTime        bool  // message.timestamp.type
	TimestampBeforeMaxMs int64 // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64 // message.timestamp.after.max.ms
	DownConvert          bool  // message.downconversion.enable
	Compression          batch.Compression
}

// maxParallel bounds how many logs are created or deleted at the same time. A deletion waits for
// the disk.
const maxParallel = 16

// Manager holds this broker's partitions and carries out the controller's
// orders. All methods may be called from any goroutine.
type Manager struct {
	store   *logstore.Store
	resolve func(overrides map[string]string) *Config

	// configuring is held from before properties are resolved until the
	// partitions have them, so that an older configuration never replaces a newer one.
	// It is taken before mu.
	configuring sync.Mutex

	onLead func(*Partition)              // may be nil, see OnLead
	onStop func(protocol.TopicPartition) // may be nil, see OnStop

	mu         sync.RWMutex
	partitions map[protocol.TopicPartition]*Partition // guarded by mu
	topics     map[string]*topic                      // guarded by mu; those that have partitions here
}

// topic holds what all partitions of a topic share.
type topic struct {
	overrides  map[string]string // the topic's own properties
	partitions int               // how many are here
}

// NewManager makes a manager, without partitions, over the broker's log directories.
// resolve gives the configuration that a topic's own properties make together with the broker's
// defaults at the time of the call.
func NewManager(store *logstore.Store, resolve func(overrides map[string]string) *Config) *Manager {
	return &Manager{
		store: store, resolve: resolve,
		partitions: make(map[protocol.TopicPartition]*Partition),
		topics:     make(map[string]*topic),
	}
}

// OnLead sets the function that is called with each partition that this broker begins to lead, in no particular order. f must not
// block. OnLead is called before there are partitions.
func (m *Manager) OnLead(f func(*Partition)) { m.onLead = f }

// OnStop sets the function that is called with each partition that is no longer served. OnStop is called before there are partitions.
func (m *Manager) OnStop(f func(protocol.TopicPartition)) { m.onStop = f }

// Partition finds a partition. The error is an *UnknownPartitionError.
func (m *Manager) Partition(tp protocol.TopicPartition) (*Partition, error) {
	m.mu.RLock()
	p := m.partitions[tp]
	m.mu.RUnlock()
	if p == nil {
		return nil, &UnknownPartitionError{tp}
	}
	return p, nil
}

// LeaderAndISR makes this broker the leader of partitions, as their only
// in-sync replica. It opens their logs, or creates those that do not exist. The errors,
// one for each order, are those of logstore.Store.Create; an *order.TransientError
// wraps those that pass by themselves.
func (m *Manager) LeaderAndISR(orders []order.LeaderAndISR, topicConfig func(topic string) map[string]string) []error {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	configs := make(map[string]*Config)
	overrides := make(map[string]map[string]string)
	for i := range orders {
		name := orders[i].Topic
		if configs[name] == nil {
			overrides[name] = topicConfig(name)
			configs[name] = m.resolve(overrides[name])
		}
	}
	return eachOf(len(orders), func(i int) error {
		name := orders[i].Topic
		return transient(m.lead(&orders[i], configs[name], overrides[name]))
	})
}

// transient marks an error that passes by itself.
func transient(err error) error {
	if err != nil && logstore.Transient(err) {
		return &order.TransientError{Err: err}
	}
	return err
}

// eachOf calls f with 0 to n-1, several at the same time, and gives their errors.
func eachOf(n int, f func(int) error) []error {
	errs := make([]error, n)
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i := range n {
		group.Go(func() error { errs[i] = f(i); return nil })
	}
	_ = group.Wait()
	return errs
}

func (m *Manager) lead(order *order.LeaderAndISR, cfg *Config, overrides map[string]string) error {
	open := m.store.GetOrCreate
	if order.IsNew {
		open = m.store.Create
	}
	tp := order.TopicPartition
	log, err := open(tp, order.TopicID, cfg.Log)
	if err != nil {
		return err
	}
	log.Configure(cfg.Log)
	log.AssignLeaderEpoch(order.LeaderEpoch)
	if log.FlushWanted() {
		// Records that a killed broker left in the kernel's memory count as stored from here on: a producer that
		// sends them again is answered as for a duplicate.
		if err := log.Flush(log.EndOffset()); err != nil {
			m.store.ReportFailure(tp, err)
			return err
		}
	}
	p := m.put(order, log, cfg, overrides)
	if m.onLead != nil {
		m.onLead(p)
	}
	return nil
}

// put adds the partition, or gives it its new leader epoch.
func (m *Manager) put(order *order.LeaderAndISR, log *logstore.Log, cfg *Config, overrides map[string]string) *Partition {
	tp := order.TopicPartition
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[tp.Topic]
	if t == nil {
		t = new(topic)
		m.topics[tp.Topic] = t
	}
	t.overrides = overrides
	p := m.partitions[tp]
	if p == nil {
		t.partitions++
		p = &Partition{tp: tp, id: order.TopicID, log: log, store: m.store, end: log.EndOffset()}
		p.hw.Store(p.end)
		log.SetHighWatermark(p.end)
	}
	p.config.Store(cfg)
	p.leaderEpoch.Store(order.LeaderEpoch)
	m.partitions[tp] = p
	return p
}

// StopReplica ends the service of partitions on this broker, and deletes their logs where
// an order says so. A partition that is not here counts as stopped.
func (m *Manager) StopReplica(orders []order.StopReplica) []error {
	return eachOf(len(orders), func(i int) error {
		tp := orders[i].TopicPartition
		if p := m.remove(tp); p != nil {
			p.stop(&UnknownPartitionError{tp})
			if m.onStop != nil {
				m.onStop(tp)
			}
		}
		if !orders[i].Delete {
			return nil
		}
		if err := m.store.Delete(tp); err != nil && !errors.Is(err, logstore.ErrNoLog) {
			return transient(err)
		}
		return nil
	})
}

// remove takes a partition out and gives it, nil when it is not here.
func (m *Manager) remove(tp protocol.TopicPartition) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[tp]
	if p == nil {
		return nil
	}
	delete(m.partitions, tp)
	if t := m.topics[tp.Topic]; t.partitions > 1 {
		t.partitions--
	} else {
		delete(m.topics, tp.Topic)
	}
	return p
}

// Configure gives a topic's partitions its changed properties, which topicConfig gives as they are now.
func (m *Manager) Configure(name string, topicConfig func(topic string) map[string]string) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	overrides := topicConfig(name)
	m.mu.Lock()
	if t := m.topics[name]; t != nil {
		t.overrides = overrides
	}
	m.mu.Unlock()
	m.configure(map[string]*Config{name: m.resolve(overrides)})
}

// Reconfigure resolves every topic's properties again, after the broker's
// defaults have changed.
func (m *Manager) Reconfigure() {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	m.mu.RLock()
	configs := make(map[string]*Config, len(m.topics))
	for name, t := range m.topics {
		configs[name] = m.resolve(t.overrides)
	}
	m.mu.RUnlock()
	m.configure(configs)
}

// configure gives each partition its topic's config. It goes over all
// partitions, since the numbers of a topic's partitions on this broker may have gaps.
func (m *Manager) configure(configs map[string]*Config) {
	var concerned []*Partition
	m.mu.RLock()
	for tp, p := range m.partitions {
		if configs[tp.Topic] != nil {
			concerned = append(concerned, p)
		}
	}
	m.mu.RUnlock()
	for _, p := range concerned {
		cfg := configs[p.tp.Topic]
		p.config.Store(cfg)
		p.log.Configure(cfg.Log)
	}
}
