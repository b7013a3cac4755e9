// Package groups serves the APIs of consumer groups and their offsets, one file for each
// API. What a group decides is in groupcoord.
//
// It turns requests of the protocol into those of the coordinator and answers back; it
// keeps no state of a group.
//
// Begin reading at join_group.go and offset_commit.go.
package groups

import (
	"klamm/cluster"
	"klamm/groupcoord"
	"klamm/server/config"
)

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker *cluster.Broker // this broker's place in the cluster
	Groups *groupcoord.Coordinator
	Config *config.Dynamic // what the user configured, with what changed since
	// AutoCreate creates topics that do not exist yet, and says what each is answered with. who asks for them stands in the log.
	AutoCreate func(who string, names []string) []error
	// AutoCreateLater does so and does not wait for it.
	AutoCreateLater func(who string, names []string) []error
}

// Service serves the APIs of groups. Its methods are handlers of package request.
type Service struct {
	broker          *cluster.Broker
	groups          *groupcoord.Coordinator
	config          *config.Dynamic
	autoCreate      func(who string, names []string) []error
	autoCreateLater func(who string, names []string) []error
}

// New makes a service.
func New(o Options) *Service {
	return &Service{broker: o.Broker, groups: o.Groups, config: o.Config, autoCreate: o.AutoCreate, autoCreateLater: o.AutoCreateLater}
}
