// Package admin serves the APIs of administration, one file for each: the cluster and
// its topics as clients see them, their creation, change and deletion, configurations,
// and the log directories. It answers besides what is asked about ACLs, SASL, delegation
// tokens, quotas, elections, reassignments and features, as a broker that has none of them.
//
// It decides nothing about topics or leaders: it hands what is asked to the cluster, and
// tells what came of it.
//
// Begin reading at metadata.go and create_topics.go.
package admin

import (
	"context"
	"sync"
	"sync/atomic"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/server/boundedlog"
	"klamm/server/config"
	"klamm/server/request"
)

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker   *cluster.Broker  // this broker's place in the cluster
	Replicas *replica.Manager // the partitions that it leads
	Store    *logstore.Store  // the directories that their logs are in
	Config   *config.Dynamic  // what the user configured, with what changed since
	Limits   *boundedlog.LimitLog
	Cut      context.Context // ended when the server waits for no request any more
}

// Service serves the APIs of administration. Its methods are handlers of package request.
type Service struct {
	broker   *cluster.Broker
	replicas *replica.Manager
	store    *logstore.Store
	config   *config.Dynamic
	limits   *boundedlog.LimitLog
	cut      context.Context

	allTopics metadataCache

	creating atomic.Bool    // topics are created that nobody waits for, see AutoCreateLater
	aside    sync.WaitGroup // what is done that nobody waits for
}

// New makes a service.
func New(o Options) *Service {
	return &Service{broker: o.Broker, replicas: o.Replicas, store: o.Store, config: o.Config, limits: o.Limits, cut: o.Cut}
}

// within is request.Within for a request that changes topics: the log tells who asks for that.
func (s *Service) within(who string, timeoutMs int32) (context.Context, context.CancelFunc) {
	ctx, cancel := request.Within(s.cut, timeoutMs)
	return cluster.AskedBy(ctx, boundedlog.Printable(who)), cancel
}
