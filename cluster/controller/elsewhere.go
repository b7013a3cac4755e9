package controller

import (
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// PlanTopic makes the nodes of a new topic for a broker that is not the controller: a topic that a client's request creates in passing
// (AutoTopicCreationManager) is written by the broker that was asked. The checks are those of createTopics, as far as a broker can know:
// of the topics it knows the metadata alone. The error is an [*order.Error].
func PlanTopic(n *NewTopic, rules *Rules, live []order.LiveBroker, topics []string) (config map[string]string, body znode.Topic, err error) {
	s := NewState(-1, 0, 0, rules)
	for _, b := range live {
		s.brokers[b.ID] = &broker{id: b.ID, epoch: b.Epoch, Broker: znode.Broker{Endpoints: b.Endpoints, Rack: b.Rack}}
	}
	for _, name := range topics {
		s.putTopic(&topic{name: name})
	}
	replicas, config, err := s.checkNewTopic(n, 0)
	if err == nil {
		err = rules.room()
	}
	if err != nil {
		return nil, body, err
	}
	return config, znode.Topic{ID: rules.NewID(), Partitions: replicas}, nil
}
