package replica

import (
	"context"
	"sync"

	"klamm/protocol"
)

// fetcherPool has the fetchers of a broker: num.replica.fetchers for each leader (AbstractFetcherManager of Apache Kafka). It is the Fetchers of a
// Manager in a cluster.
//
// Order of locks: fetcherPool.mu, fetcher.mu, then those of partitions and logs.
type fetcherPool struct {
	o      *Options
	nowMs  func() int64
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	start  func(*fetcher) // starts a fetcher's goroutine
	// exceeded says whether FollowerRate is exceeded; nil without one.
	exceeded func() bool

	mu       sync.Mutex
	fetchers map[fetcherKey]*fetcher                // guarded by mu
	where    map[protocol.TopicPartition]fetcherKey // guarded by mu; where a partition is fetched
	perLead  int                                    // guarded by mu; num.replica.fetchers, by which partitions were spread last
}

// fetcherKey is a leader, and which of its fetchers it is.
type fetcherKey struct {
	leader int32
	index  int
}

func newFetcherPool(o *Options, nowMs func() int64) *fetcherPool {
	pool := &fetcherPool{o: o, nowMs: nowMs, fetchers: map[fetcherKey]*fetcher{}, where: map[protocol.TopicPartition]fetcherKey{}}
	if o.FollowerRate != nil {
		pool.exceeded = func() bool { return o.FollowerRate.Exceeded(nowMs()) }
	}
	pool.ctx, pool.cancel = context.WithCancel(context.Background())
	pool.start = func(f *fetcher) { pool.done.Go(func() { f.run(pool.ctx) }) }
	return pool
}

// Set implements Fetchers.
func (pool *fetcherPool) Set(partitions []Followed) {
	orders := make([]fetchOrder, len(partitions))
	for i := range partitions {
		p := &partitions[i]
		orders[i] = fetchOrder{tp: p.TopicPartition(), topicID: p.TopicID, leader: p.Leader, leaderEpoch: p.LeaderEpoch, truncating: p.Truncating,
			inSync: p.InSync, throttled: p.throttlesFollower, at: positionOf(p.Log()), log: p.Partition}
		orders[i].at.offset = p.StartOffset
	}
	pool.set(orders)
}

func (pool *fetcherPool) set(orders []fetchOrder) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if pool.ctx.Err() != nil {
		return
	}
	pool.respreadLocked()
	byFetcher := map[fetcherKey][]*fetchOrder{}
	for i := range orders {
		o := &orders[i]
		key := pool.keyLocked(o.tp, o.leader)
		if old, there := pool.where[o.tp]; there && old != key {
			pool.removeLocked(o.tp)
		}
		byFetcher[key] = append(byFetcher[key], o)
	}
	for key, list := range byFetcher {
		pool.addLocked(key, list)
	}
}

// addLocked gives partitions to a fetcher, which is made if it is not there.
func (pool *fetcherPool) addLocked(key fetcherKey, orders []*fetchOrder) {
	f, there := pool.fetchers[key]
	if !there {
		f = &fetcher{
			pool: pool, o: pool.o, key: key, logger: pool.o.Logger.With("logger", "cluster.replica.fetcher", "leader", key.leader, "fetcher", key.index),
			wake: make(chan struct{}, 1), state: newFetchState(pool.o.BrokerID, pool.o.BrokerEpoch, pool.exceeded),
		}
		pool.fetchers[key] = f
	}
	f.mu.Lock()
	for _, o := range orders {
		f.state.set(o)
		pool.where[o.tp] = key
	}
	f.interruptLaterLocked()
	f.mu.Unlock()
	if there {
		f.poke()
	} else {
		pool.start(f)
	}
}

// keyLocked says which fetcher fetches a partition.
func (pool *fetcherPool) keyLocked(tp protocol.TopicPartition, leader int32) fetcherKey {
	hash := int32(0)
	for i := range len(tp.Topic) {
		hash = 31*hash + int32(tp.Topic[i])
	}
	return fetcherKey{leader, int(uint32(31*hash+tp.Partition) % uint32(pool.perLead))}
}

// respreadLocked moves partitions to other fetchers after num.replica.fetchers has changed. One that has failed stays where it is until the next order.
func (pool *fetcherPool) respreadLocked() {
	n := max(pool.o.Settings().Fetchers, 1)
	if n == pool.perLead {
		return
	}
	pool.perLead = n
	moved := map[fetcherKey][]*fetchOrder{}
	for tp, old := range pool.where {
		key := pool.keyLocked(tp, old.leader)
		if key == old {
			continue
		}
		from := pool.fetchers[old]
		from.mu.Lock()
		o, moves := from.state.take(tp)
		from.mu.Unlock()
		if !moves {
			continue
		}
		o.leader = old.leader
		moved[key] = append(moved[key], &o)
	}
	for key, list := range moved {
		pool.addLocked(key, list)
	}
}

// Remove implements Fetchers.
func (pool *fetcherPool) Remove(partitions []protocol.TopicPartition) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	for _, tp := range partitions {
		pool.removeLocked(tp)
	}
}

func (pool *fetcherPool) removeLocked(tp protocol.TopicPartition) {
	key, there := pool.where[tp]
	if !there {
		return
	}
	delete(pool.where, tp)
	f := pool.fetchers[key]
	f.mu.Lock() // waits for a change of the log that is under way
	f.state.remove(tp)
	f.mu.Unlock()
}

// BrokersChanged implements Fetchers. A leader that could not be reached may be reached now.
func (pool *fetcherPool) BrokersChanged() {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.respreadLocked()
	for _, f := range pool.fetchers {
		f.poke()
	}
}

// Close implements Fetchers.
func (pool *fetcherPool) Close() {
	pool.cancel()
	pool.done.Wait()
}
