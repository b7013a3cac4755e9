// Package data serves the APIs of records: Produce, Fetch and its sessions, and the APIs
// of a log's offsets, of the deletion of records and of producers. There is one file for
// each API.
//
// It parses requests, checks batches and makes answers. It knows neither sockets nor
// files, and decides nothing about leaders: it asks the packages below the server, and
// turns their errors into codes by package codes.
//
// Begin reading at produce.go and fetch.go.
package data

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/observe"
	"klamm/protocol"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/view"
)

// Options are what a Service is made of. All fields but Observer are required.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Config   *config.Dynamic  // what the user configured, with what changed since
	Places   *request.Places  // the places for requests of many elements
	Limits   *boundedlog.LimitLog
	Observer *observe.Observer // counts what clients do; nil: nobody observes
	// ClientErred logs a request that is refused after its handler has returned.
	ClientErred func(c *transport.Conn, msg string, err error)
	Now         func() time.Time // the wall clock
	Cut         context.Context  // ends when the server stops waiting for requests
}

// Service serves the APIs of records. Its methods are handlers of package request.
type Service struct {
	broker      *cluster.Broker
	replicas    *replica.Manager
	config      *config.Dynamic
	places      *request.Places
	limits      *boundedlog.LimitLog
	observer    *observe.Observer
	fetchKinds  [2]*observe.Request // the counters of consumers' fetches, and of followers'
	clientErred func(c *transport.Conn, msg string, err error)
	now         func() time.Time
	cut         context.Context
	born        time.Time // when the service was made: ticksMs counts from here

	sessions      *sessionCache
	producerIDs   producerIDs
	fetchMaxBytes int
	rackAware     bool          // consumers are told which replica is in their rack
	fetching      atomic.Int64  // the partitions of the large fetches under way, see fetchContext.begin
	oldBytes      atomic.Int64  // the bytes of converted records that are in memory
	converting    chan struct{} // one element for each conversion under way, of which there are no more than processors

	// Each pool holds values whose request was answered, for other requests.
	produceCalls  sync.Pool // *produceCall, without those that grew past maxProduceTopics
	fetchContexts sync.Pool // *fetchContext, without those that grew past maxFetchTargets
	fetchAnswers  sync.Pool // *fetchAnswer
}

// New makes a service.
func New(o Options) *Service {
	v := o.Config.Current()
	return &Service{
		broker: o.Broker, replicas: o.Replicas, config: o.Config, places: o.Places, limits: o.Limits, observer: o.Observer,
		fetchKinds:  [2]*observe.Request{o.Observer.Request("FetchConsumer"), o.Observer.Request("FetchFollower")},
		clientErred: o.ClientErred, now: o.Now, cut: o.Cut, born: o.Now(),
		sessions:      newSessionCache(v.Int("max.incremental.fetch.session.cache.slots")),
		fetchMaxBytes: v.Int("fetch.max.bytes"),
		rackAware:     config.RackAware(v),
		converting:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		produceCalls:  sync.Pool{New: func() any { return new(produceCall) }},
		fetchContexts: sync.Pool{New: func() any { return &fetchContext{places: make(map[sessionKey]int)} }},
		fetchAnswers:  sync.Pool{New: func() any { return new(fetchAnswer) }},
	}
}

// partition returns a partition that this broker leads, or the error of view.Partition.
func (s *Service) partition(tp protocol.TopicPartition) (*replica.Partition, error) {
	return view.Partition(s.broker, s.replicas, tp)
}

// partitionIn returns a partition that this broker leads, or with anyReplica also one that it
// follows, in the leader epoch that a client believes in
// (kafka.cluster.Partition.localLogWithEpochOrThrow). -1 matches any epoch. An epoch below -1
// is fenced, as an old epoch is. A replica that does not lead compares the epoch too, before
// it says so.
func (s *Service) partitionIn(tp protocol.TopicPartition, epoch int32, anyReplica bool) (*replica.Partition, error) {
	p, err := view.Replica(s.broker, s.replicas, tp)
	if err != nil {
		return nil, err
	}
	if epoch < -1 {
		return nil, kerr.FencedLeaderEpoch
	}
	state := p.State()
	if err := p.CheckEpoch(state, epoch); err != nil {
		return nil, err
	}
	if anyReplica {
		return p, state.Replicating()
	}
	return p, state.Leading()
}

// nowMs returns the time in ms since 1970, as records have it.
func (s *Service) nowMs() int64 { return s.now().UnixMilli() }

// ticksMs returns the time in ms since the service was made. It does not jump when
// somebody sets the clock.
func (s *Service) ticksMs() int64 { return s.now().Sub(s.born).Milliseconds() }
