// Package data serves the APIs of records: Produce and Fetch with its sessions, the
// offsets of a log, the deletion of records, and the producers that write to it. There is
// one file for each API.
//
// It parses requests, checks batches and makes answers; it knows neither sockets nor
// files, and decides nothing about leaders: it asks the rooms below, and turns their
// errors into codes by package codes.
//
// Begin reading at produce.go and fetch.go.
package data

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/protocol"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/view"
)

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Config   *config.Dynamic  // what the user configured, with what changed since
	Places   *request.Places  // of requests of many elements
	Limits   *boundedlog.LimitLog
	// ClientErred is told of a request that is refused after its handler has returned.
	ClientErred func(c *transport.Conn, msg string, err error)
	Now         func() time.Time // the wall clock
}

// Service serves the APIs of records. Its methods are handlers of package request.
type Service struct {
	broker      *cluster.Broker
	replicas    *replica.Manager
	config      *config.Dynamic
	places      *request.Places
	limits      *boundedlog.LimitLog
	clientErred func(c *transport.Conn, msg string, err error)
	now         func() time.Time
	born        time.Time // where ticks count from

	sessions      *sessionCache
	producerIDs   producerIDs
	fetchMaxBytes int
	fetching      atomic.Int64  // partitions of the large fetches under way, see fetchContext.begin
	oldBytes      atomic.Int64  // of converted records that are in memory
	converting    chan struct{} // held while records are converted: more at a time would take memory and finish no sooner

	// What is used again once its request is answered.
	produceCalls  sync.Pool // of *produceCall, but for those that grew past maxProduceTopics
	fetchContexts sync.Pool // of *fetchContext, but for those that grew past maxFetchTargets
	fetchAnswers  sync.Pool // of *fetchAnswer
}

// New makes a service.
func New(o Options) *Service {
	v := o.Config.Current()
	return &Service{
		broker: o.Broker, replicas: o.Replicas, config: o.Config, places: o.Places, limits: o.Limits,
		clientErred: o.ClientErred, now: o.Now, born: o.Now(),
		sessions:      newSessionCache(v.Int("max.incremental.fetch.session.cache.slots")),
		fetchMaxBytes: v.Int("fetch.max.bytes"),
		converting:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		produceCalls:  sync.Pool{New: func() any { return new(produceCall) }},
		fetchContexts: sync.Pool{New: func() any { return &fetchContext{places: make(map[sessionKey]int)} }},
		fetchAnswers:  sync.Pool{New: func() any { return new(fetchAnswer) }},
	}
}

// partition finds a partition that this broker leads.
func (s *Service) partition(tp protocol.TopicPartition) (*replica.Partition, error) {
	return view.Partition(s.broker, s.replicas, tp)
}

// nowMs is the time in ms since 1970, as records carry it.
func (s *Service) nowMs() int64 { return s.now().UnixMilli() }

// ticksMs is the time since the service was made, in ms. It does not jump when somebody
// sets the clock.
func (s *Service) ticksMs() int64 { return s.now().Sub(s.born).Milliseconds() }
