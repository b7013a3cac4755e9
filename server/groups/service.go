// Package groups serves the APIs of consumer groups and their offsets. There is one file
// for each API. Package groupcoord decides what happens to a group.
//
// Package groups turns the protocol's requests into requests to the coordinator, and the
// coordinator's answers into the protocol's. It keeps no state of a group.
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
	// AutoCreate creates topics that do not exist yet. It returns the error with which each is answered. The log names
	// who, the client that asks for them.
	AutoCreate func(who string, names []string) []error
	// AutoCreateLater is AutoCreate that returns before the topics are created.
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
