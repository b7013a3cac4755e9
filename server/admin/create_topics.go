package admin

// CreateTopics: key 19, versions 0 to 7.
//
//	1 validate_only; messages
//	2 throttle time
//	3 throttling happens after the answer
//	4 partitions and replication factor of -1 ask for the broker's defaults
//	5 flexible; the topic's configuration, partitions and replication factor in
//	  the answer (KIP-525)
//	6 THROTTLING_QUOTA_EXCEEDED may be answered
//	7 the topic's id in the answer
//
// Refused, in this order, topic by topic: __cluster_metadata (INVALID_REQUEST); a topic
// that is named twice (INVALID_REQUEST for each mention); then by the controller, a
// topic that exists (TOPIC_ALREADY_EXISTS); a configuration value of null
// (INVALID_CONFIG); a number of partitions or replicas beside an assignment
// (INVALID_REQUEST); a number of partitions or replicas below 1 (INVALID_PARTITIONS,
// INVALID_REPLICATION_FACTOR); more replicas than brokers
// (INVALID_REPLICATION_FACTOR); an invalid name, or one that differs from another
// topic's in '.' and '_' only (INVALID_TOPIC_EXCEPTION); an invalid assignment
// (INVALID_REPLICA_ASSIGNMENT); an invalid configuration (INVALID_CONFIG).
//
// A topic whose partitions have no leaders when the client's time is up is created all the
// same, and the answer is REQUEST_TIMED_OUT, as in the reference. So it is of every topic
// that is created with a timeout of 0 or less: that request waits for no leader.
//
// Missing on purpose: create.topic.policy.class.name, which names a Java class.

import (
	"errors"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/config"
	"klamm/server/request"
)

// clusterMetadataTopic is the topic of KRaft's quorum, which no client creates.
const clusterMetadataTopic = "__cluster_metadata"

// CreateTopics serves CreateTopics: see above.
func (s *Service) CreateTopics(c *request.Call, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.Topics = make([]kmsg.CreateTopicsResponseTopic, 0, len(req.Topics))
	times := make(map[string]int, len(req.Topics))
	for i := range req.Topics {
		times[req.Topics[i].Topic]++
	}
	var wanted []cluster.NewTopic
	var places []int // for each wanted topic, its index in the answer
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic, out.Configs = in.Topic, []kmsg.CreateTopicsResponseTopicConfig{}
		var err error
		switch {
		case in.Topic == clusterMetadataTopic:
			err = codes.Refuse(kerr.InvalidRequest, "Topic "+clusterMetadataTopic+" cannot be created.")
		case times[in.Topic] > 1:
			err = codes.Refuse(kerr.InvalidRequest, "The request names this topic more than once.")
		default:
			wanted, places = append(wanted, newTopic(in)), append(places, len(resp.Topics))
		}
		out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		resp.Topics = append(resp.Topics, out)
	}
	if len(wanted) == 0 {
		return resp
	}
	ctx, cancel := s.within(c.Who(), req.TimeoutMillis)
	defer cancel()
	told := createdTopics{server: s}
	for i, res := range s.broker.CreateTopics(ctx, wanted, req.ValidateOnly) {
		told.answer(&resp.Topics[places[i]], res, &wanted[i])
	}
	return resp
}

// newTopic returns the topic that the controller is asked to create.
func newTopic(in *kmsg.CreateTopicsRequestTopic) cluster.NewTopic {
	t := cluster.NewTopic{Name: in.Topic, Partitions: in.NumPartitions, ReplicationFactor: in.ReplicationFactor}
	for _, a := range in.ReplicaAssignment {
		t.Assignment = append(t.Assignment, cluster.Assignment{Partition: a.Partition, Replicas: a.Replicas})
	}
	for _, c := range in.Configs {
		t.Configs = append(t.Configs, cluster.ConfigEntry{Name: c.Name, Value: c.Value})
	}
	return t
}

// createdTopics describes the configurations of the topics that a request creates.
// Topics with the same configuration share one description: it takes thousands of bytes,
// and ten bytes of a request are enough to name a topic.
type createdTopics struct {
	server    *Service
	overrides map[string]string // the settings of which configs is the description
	configs   []kmsg.CreateTopicsResponseTopicConfig
}

// answer puts the outcome for one topic into the answer.
func (d *createdTopics) answer(out *kmsg.CreateTopicsResponseTopic, res cluster.TopicResult, asked *cluster.NewTopic) {
	out.ErrorCode, out.ErrorMessage = codes.Of(res.Err), codes.Message(res.Err)
	if res.Err == nil || errors.Is(res.Err, cluster.ErrTimedOut) {
		out.TopicID = res.ID
	}
	if res.Err != nil {
		return
	}
	out.NumPartitions, out.ReplicationFactor = res.Partitions, res.ReplicationFactor
	overrides := make(map[string]string, len(asked.Configs))
	for _, c := range asked.Configs {
		if c.Value != nil {
			overrides[c.Name] = *c.Value
		}
	}
	if d.configs == nil || !maps.Equal(overrides, d.overrides) {
		d.overrides, d.configs = overrides, d.server.describedConfigs(overrides)
	}
	out.Configs = d.configs
}

// describedConfigs returns a topic's configuration in the form of the answer.
func (s *Service) describedConfigs(overrides map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	entries := s.config.DescribeTopic(overrides, config.DescribeOptions{})
	configs := make([]kmsg.CreateTopicsResponseTopicConfig, len(entries))
	for i, e := range entries {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.Source, c.ReadOnly, c.IsSensitive = e.Name, e.Value, int8(e.Source), e.ReadOnly, e.Sensitive
		configs[i] = c
	}
	return configs
}
