// Package admin serves the APIs of administration. There is one file for each API: they
// describe the cluster and its topics, create, change, move and delete topics, elect
// leaders, and handle configurations and log directories. The package also answers the
// APIs of ACLs, SASL, delegation tokens, quotas and features, as a broker does that has
// none of these.
//
// It decides nothing about topics or leaders: it hands each request to the cluster and
// puts the outcome into the answer.
//
// Begin reading at metadata.go and create_topics.go.
package admin

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/loggers"
	"klamm/server/request"
)

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Store    *logstore.Store  // the directories that their logs are in
	Config   *config.Dynamic  // what the user configured, with what changed since
	Levels   *loggers.Levels  // the levels of this broker's loggers
	Limits   *boundedlog.LimitLog
	Cut      context.Context // ends when the server stops waiting for requests
}

// Service serves the APIs of administration. Its methods are handlers of package request.
type Service struct {
	broker   *cluster.Broker
	replicas *replica.Manager
	store    *logstore.Store
	config   *config.Dynamic
	levels   *loggers.Levels
	limits   *boundedlog.LimitLog
	cut      context.Context

	allTopics metadataCache

	creating atomic.Bool    // AutoCreateLater creates topics
	aside    sync.WaitGroup // the goroutines of AutoCreateLater, for which only Wait waits
}

// New makes a service.
func New(o Options) *Service {
	return &Service{broker: o.Broker, replicas: o.Replicas, store: o.Store, config: o.Config, levels: o.Levels, limits: o.Limits, cut: o.Cut}
}

const (
	// graceMs is how much longer a request waits for the controller than the client does, where the metadata tree is slow.
	graceMs = 5_000
	// maxTimeoutMs is the longest that the controller waits for brokers, whatever timeout the client gives. The request ends no earlier.
	maxTimeoutMs = int32(request.MaxWait/time.Millisecond) - graceMs
)

// within returns the context of a request that changes the cluster. The controller answers when the client's time is up, and the context ends later.
// The log names who, the client that asks for the change.
func (s *Service) within(who string, timeoutMs int32) (context.Context, context.CancelFunc) {
	timeoutMs = min(timeoutMs, maxTimeoutMs)
	ctx, cancel := request.Within(s.cut, max(0, timeoutMs)+graceMs)
	return cluster.Asked(ctx, boundedlog.Printable(who), timeoutMs), cancel
}
