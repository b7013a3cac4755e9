package replica

import (
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"klamm/cluster/controller"
	"klamm/logstore"
	"klamm/protocol"
)

// Config is what a topic's configuration means for its partitions. Times are
// in ms, sizes in bytes.
type Config struct {
	Log                  logstore.Config
	MaxMessageBytes      int32 // the largest batch (max.message.bytes)
	LogAppendTime        bool  // message.timestamp.type
	TimestampBeforeMaxMs int64 // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64 // message.timestamp.after.max.ms
}

// maxParallel bounds how many logs are made or deleted at a time: each waits
// for the disk several times.
const maxParallel = 16

// Manager holds this broker's partitions, and carries out what the controller
// orders. All methods may be called from any goroutine.
type Manager struct {
	store   *logstore.Store
	resolve func(overrides map[string]string) *Config

	mu         sync.RWMutex
	partitions map[protocol.TopicPartition]*Partition // guarded by mu
	topics     map[string]map[string]string           // guarded by mu; the properties of topics that have partitions here
}

// NewManager makes a manager without partitions over the broker's directories.
// resolve gives the meaning of a topic's own properties, with the broker's
// defaults as they are at the time of the call.
func NewManager(store *logstore.Store, resolve func(overrides map[string]string) *Config) *Manager {
	return &Manager{
		store: store, resolve: resolve,
		partitions: make(map[protocol.TopicPartition]*Partition),
		topics:     make(map[string]map[string]string),
	}
}

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
// in-sync replica. Logs are opened, or made where there are none. The errors,
// one for each order, are those of logstore.Store.Create.
func (m *Manager) LeaderAndISR(orders []controller.LeaderAndISR, topicConfig func(topic string) map[string]string) []error {
	configs := make(map[string]*Config)
	for i := range orders {
		topic := orders[i].Topic
		if configs[topic] == nil {
			overrides := topicConfig(topic)
			configs[topic] = m.resolve(overrides)
			m.mu.Lock()
			m.topics[topic] = overrides
			m.mu.Unlock()
		}
	}
	return eachOf(len(orders), func(i int) error { return m.lead(&orders[i], configs[orders[i].Topic]) })
}

// eachOf calls f for 0 to n-1, several at a time, and gives their errors.
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

func (m *Manager) lead(order *controller.LeaderAndISR, cfg *Config) error {
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
		// What a crash left with the kernel alone counts from here on: a producer that
		// sends it again is told that it is stored.
		if err := log.Flush(log.EndOffset()); err != nil {
			m.store.ReportFailure(tp, err)
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[tp]
	if p == nil {
		p = &Partition{tp: tp, id: order.TopicID, log: log, store: m.store, end: log.EndOffset()}
		p.hw.Store(p.end)
		log.SetHighWatermark(p.end)
	}
	p.config.Store(cfg)
	p.leaderEpoch.Store(order.LeaderEpoch)
	m.partitions[tp] = p
	return nil
}

// StopReplica ends the service of partitions here, and deletes their logs where
// that is asked. A partition that is not here is stopped already.
func (m *Manager) StopReplica(orders []controller.StopReplica) []error {
	return eachOf(len(orders), func(i int) error {
		tp := orders[i].TopicPartition
		m.mu.Lock()
		p := m.partitions[tp]
		delete(m.partitions, tp)
		delete(m.topics, tp.Topic)
		m.mu.Unlock()
		if p != nil {
			p.stop(&UnknownPartitionError{tp})
		}
		if !orders[i].Delete {
			return nil
		}
		if err := m.store.Delete(tp); err != nil && !errors.Is(err, logstore.ErrNoLog) {
			return err
		}
		return nil
	})
}

// Configure gives a topic's partitions its changed properties.
func (m *Manager) Configure(topic string, overrides map[string]string) {
	m.mu.Lock()
	m.topics[topic] = overrides
	m.mu.Unlock()
	m.configure(topic, m.resolve(overrides))
}

// Reconfigure resolves every topic's properties anew, after the broker's
// defaults changed.
func (m *Manager) Reconfigure() {
	m.mu.RLock()
	topics := make(map[string]*Config, len(m.topics))
	for topic, overrides := range m.topics {
		topics[topic] = m.resolve(overrides)
	}
	m.mu.RUnlock()
	for topic, cfg := range topics {
		m.configure(topic, cfg)
	}
}

func (m *Manager) configure(topic string, cfg *Config) {
	// Partition numbers have no gaps.
	for i := int32(0); ; i++ {
		p, err := m.Partition(protocol.TopicPartition{Topic: topic, Partition: i})
		if err != nil {
			return
		}
		p.config.Store(cfg)
		p.log.Configure(cfg.Log)
	}
}
