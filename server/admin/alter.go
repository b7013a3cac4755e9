package admin

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/config"
)

// resource is a topic, a broker or another thing that has a configuration.
type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

// alteration says how a configuration is altered.
type alteration struct {
	replace      bool // settings that the request does not name go back to their defaults
	validateOnly bool // the request is checked and changes nothing
}

// alter changes the configuration of one resource by ops.
func (s *Service) alter(r resource, ops []config.Op, how alteration) error {
	if err := config.CheckOps(ops); err != nil {
		return err
	}
	switch r.kind {
	case resourceTopic:
		return s.alterTopic(r.name, ops, how)
	case resourceBroker:
		return s.alterBroker(r.name, ops, how)
	case resourceLogger:
		return s.alterLoggers(r.name, ops, how)
	case resourceClientMetrics:
		return codes.Refuse(kerr.InvalidRequest, "Client metrics have no configuration in a cluster on ZooKeeper.")
	}
	return codes.Refuse(kerr.InvalidRequest, fmt.Sprintf("The configuration of resource type %d cannot be altered.", r.kind))
}

// alterTopic changes the configuration of a topic.
func (s *Service) alterTopic(name string, ops []config.Op, how alteration) error {
	if name == "" {
		return codes.Refuse(kerr.InvalidRequest, "A topic's name is needed: topics have no default configuration.")
	}
	if err := config.CheckTopicLists(ops); err != nil {
		return err
	}
	return s.broker.AlterTopicConfig(context.Background(), name, func(current map[string]string) (map[string]string, error) {
		if how.replace {
			current = nil
		}
		return s.config.AlterTopic(name, current, ops)
	}, how.validateOnly)
}

// alterBroker changes the dynamic configuration of this broker, or of all brokers if the name is empty.
func (s *Service) alterBroker(name string, ops []config.Op, how alteration) error {
	perBroker, err := s.config.BrokerResource(name)
	if err != nil {
		return err
	}
	return s.broker.AlterBrokerConfig(context.Background(), perBroker, func(current map[string]string) (map[string]string, error) {
		if how.replace {
			current = nil
		}
		return s.config.AlterBroker(name, current, ops)
	}, how.validateOnly)
}
