package replica

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// Config is what a topic's configuration means for its partitions. Times are
// in ms, sizes in bytes.
type Config struct {
	Log                  logstore.Config
	MaxMessageBytes      int32 // the largest batch (max.message.bytes)
	MinInSyncReplicas    int32 // min.insync.replicas
	LogAppendTime        bool  // message.timestamp.type
	TimestampBeforeMaxMs int64 // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64 // message.timestamp.after.max.ms
	DownConvert          bool  // message.downconversion.enable
	Compression          batch.Compression

	LeaderThrottled   *ThrottledReplicas // leader.replication.throttled.replicas
	FollowerThrottled *ThrottledReplicas // follower.replication.throttled.replicas
}

// Manager holds this broker's partitions and carries out the controller's
// orders. All methods may be called from any goroutine.
type Manager struct {
	o        Options
	store    *logstore.Store
	fetchers Fetchers
	logger   *slog.Logger
	born     time.Time // NowMs counts from here

	onLead func(*Partition)              // may be nil, see OnLead
	onStop func(protocol.TopicPartition) // may be nil, see OnStop

	alterations alterations
	ctx         context.Context // ends with Close
	cancel      context.CancelFunc
	background  sync.WaitGroup

	// ordering is held while an order of the controller is carried out. Nothing else needs it, so that a disk that is slow to make a log
	// holds up the next order alone. It is taken before the locks below and those of partitions.
	ordering sync.Mutex
	// fetching is held while fetchers are told, so that none is told to fetch what is no longer followed.
	fetching sync.Mutex
	// configuring is held from before properties are resolved until they are in topics, so that an older configuration never
	// replaces a newer one. It is taken before mu.
	configuring sync.Mutex

	mu           sync.RWMutex
	partitions   map[protocol.TopicPartition]*Partition // guarded by mu
	topics       map[string]*topic                      // guarded by mu; those that have partitions here, or are about to
	stopLagCheck func() bool                            // guarded by mu; nil when there is none
}

// topic holds what all partitions of a topic share.
type topic struct {
	overrides  map[string]string // the topic's own properties
	config     *Config           // what they mean
	counts     *observe.Topic    // what clients do with the topic; nil where nobody observes
	partitions int               // how many are here, and how many are being made
}

// NewManager makes a manager, without partitions.
func NewManager(o Options) *Manager {
	o.setDefaults()
	m := &Manager{
		o: o, store: o.Store, fetchers: noFetchers{}, logger: o.Logger, born: o.Clock(),
		partitions: make(map[protocol.TopicPartition]*Partition),
		topics:     make(map[string]*topic),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.alterations.manager, m.alterations.more = m, make(chan struct{}, 1)
	if o.DialLeader != nil {
		m.fetchers = newFetcherPool(&m.o, m.NowMs)
	}
	if o.AlterPartition != nil {
		m.lagCheckLater()
	}
	return m
}

// Close ends the fetching, and asks the controller for nothing any more. Partitions stay what they are.
func (m *Manager) Close() {
	m.cancel()
	m.alterations.close()
	m.mu.Lock()
	if m.stopLagCheck != nil {
		m.stopLagCheck()
	}
	m.mu.Unlock()
	m.fetching.Lock()
	m.fetchers.Close()
	m.fetching.Unlock()
	m.background.Wait()
}

// OnLead sets the function that is called with each partition that this broker begins to lead, in no particular order. It is not called when a
// leader is elected again. f must not block. OnLead is called before there are partitions.
func (m *Manager) OnLead(f func(*Partition)) { m.onLead = f }

// OnStop sets the function that is called with each partition that this broker does not lead any more. Of one partition OnLead and OnStop are
// called in turns. f must not block. OnStop is called before there are partitions.
func (m *Manager) OnStop(f func(protocol.TopicPartition)) { m.onStop = f }

// NowMs gives the time in ms since the manager was made. It does not jump when somebody sets the clock.
func (m *Manager) NowMs() int64 { return m.o.Clock().Sub(m.born).Milliseconds() }

func (m *Manager) lagMaxMs() int64 { return m.o.Settings().LagTimeMaxMs }

// Partition finds a partition, whatever its role: see Partition.Leading. The error is an *UnknownPartitionError.
func (m *Manager) Partition(tp protocol.TopicPartition) (*Partition, error) {
	m.mu.RLock()
	p := m.partitions[tp]
	m.mu.RUnlock()
	if p == nil {
		return nil, &UnknownPartitionError{tp}
	}
	return p, nil
}

// all gives the partitions, in no order.
func (m *Manager) all() []*Partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]*Partition, 0, len(m.partitions))
	for _, p := range m.partitions {
		list = append(list, p)
	}
	return list
}

// BrokersChanged says that other brokers live now than before, or at other addresses: replicas may join ISRs, the high watermark may pass those
// that are not waited for any more, and followers may find their leaders.
func (m *Manager) BrokersChanged() {
	nowMs := m.NowMs()
	for _, p := range m.all() {
		if p.state.Load().Role == Leader {
			p.brokersChanged(nowMs)
		}
	}
	m.fetching.Lock()
	defer m.fetching.Unlock()
	m.fetchers.BrokersChanged()
}

// brokersChanged looks again at what depends on who lives. A follower that has died may lack, when it lives again, what it had before.
func (p *Partition) brokersChanged(nowMs int64) {
	var c completions
	p.mu.Lock()
	if len(p.remotes) > 0 {
		for i := range p.remotes {
			if r := &p.remotes[i]; !p.manager.o.Alive(r.id) {
				p.unwatchLocked(&c, r)
				r.fetchedMs = never
			}
		}
		p.expandLocked(p.state.Load(), nowMs-p.manager.lagMaxMs(), nowMs)
		p.advanceLocked(&c)
		p.completeDeletionsLocked(&c)
	}
	p.mu.Unlock()
	c.run()
}

// lagCheckLater has the ISRs looked at when half of replica.lag.time.max.ms is over, and again and again.
func (m *Manager) lagCheckLater() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return
	}
	m.stopLagCheck = m.o.After(max(time.Duration(m.lagMaxMs())*time.Millisecond/2, time.Millisecond), func() {
		nowMs := m.NowMs()
		for _, p := range m.all() {
			p.lagCheck(nowMs)
		}
		m.lagCheckLater()
	})
}

// wallMs gives the time in ms since 1970, as logs want it.
func (m *Manager) wallMs() int64 { return m.o.Clock().UnixMilli() }
