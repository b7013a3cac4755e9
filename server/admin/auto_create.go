package admin

import (
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
)

// AutoCreate creates topics that a client asked about. It returns the error with which each is
// answered: LEADER_NOT_AVAILABLE, as in the reference, if the topic exists now, after which
// clients ask again. The log names who, the client.
func (s *Service) AutoCreate(who string, names []string) []error {
	ctx, cancel := s.within(who, int32(s.config.Current().Int("request.timeout.ms")))
	defer cancel()
	wanted := make([]cluster.NewTopic, len(names))
	for i, name := range names {
		wanted[i] = s.autoTopic(name)
	}
	told := make([]error, len(names))
	for i, res := range s.broker.AutoCreateTopics(ctx, wanted) {
		told[i] = res.Err
		if res.Err == nil || errors.Is(res.Err, cluster.ErrTopicExists) || errors.Is(res.Err, cluster.ErrTimedOut) {
			told[i] = kerr.LeaderNotAvailable
		}
	}
	return told
}

// AutoCreateLater starts to create topics and does not wait. It returns LEADER_NOT_AVAILABLE for each. While it still
// creates topics for another request it does nothing else: the clients ask again.
func (s *Service) AutoCreateLater(who string, names []string) []error {
	if s.creating.CompareAndSwap(false, true) {
		s.aside.Go(func() {
			defer s.creating.Store(false)
			s.AutoCreate(who, names)
		})
	}
	told := make([]error, len(names))
	for i := range told {
		told[i] = kerr.LeaderNotAvailable
	}
	return told
}

// Wait waits until the topics that AutoCreateLater began to create are created, or have failed.
func (s *Service) Wait() { s.aside.Wait() }

// autoTopic returns a topic with the broker's defaults. The internal topics have settings
// of their own.
func (s *Service) autoTopic(name string) cluster.NewTopic {
	t := cluster.NewTopic{Name: name, Partitions: -1, ReplicationFactor: -1}
	v := s.config.Current()
	set := func(name, value string) {
		t.Configs = append(t.Configs, cluster.ConfigEntry{Name: name, Value: &value})
	}
	switch name {
	case cluster.OffsetsTopic:
		t.Partitions = int32(v.Int("offsets.topic.num.partitions"))
		t.ReplicationFactor = int16(v.Int("offsets.topic.replication.factor"))
		set("cleanup.policy", "compact")
		set("segment.bytes", strconv.Itoa(v.Int("offsets.topic.segment.bytes")))
		set("compression.type", "producer")
	case cluster.TransactionsTopic:
		t.Partitions = int32(v.Int("transaction.state.log.num.partitions"))
		t.ReplicationFactor = int16(v.Int("transaction.state.log.replication.factor"))
		set("unclean.leader.election.enable", "false")
		set("compression.type", "uncompressed")
		set("cleanup.policy", "compact")
		set("min.insync.replicas", strconv.Itoa(v.Int("transaction.state.log.min.isr")))
		set("segment.bytes", strconv.Itoa(v.Int("transaction.state.log.segment.bytes")))
	}
	return t
}
