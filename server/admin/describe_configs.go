package admin

// DescribeConfigs: key 32, versions 0 to 4.
//
//	1 where a value comes from, and its synonyms (KIP-226)
//	2 throttling happens after the answer
//	3 types and documentation (KIP-569)
//	4 flexible
//
// Refused, in this order: the whole request, for a resource that is neither a topic, a
// broker, a broker's loggers nor client metrics (INVALID_REQUEST for each resource);
// then resource by resource, a topic with an invalid name (INVALID_TOPIC_EXCEPTION) or
// that does not exist (UNKNOWN_TOPIC_OR_PARTITION, without a message); another broker
// than this one, or a name that is no broker's id (INVALID_REQUEST); client metrics
// (INVALID_REQUEST), which a cluster on ZooKeeper does not have.
//
// A resource that is named more than 4 times is refused (INVALID_REQUEST). The
// reference describes it each time, and ten bytes of a request can then ask for ten
// thousand.
//
// A null or empty list of names asks for all settings. The answer leaves out names of
// settings that do not exist.
//
// The loggers of a broker have the names of klamm's rooms (package loggers).
//
// Nothing is missing.

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/config"
	"klamm/server/request"
)

// The kinds of resources that have configurations (ConfigResource.Type).
const (
	resourceTopic         = kmsg.ConfigResourceTypeTopic
	resourceBroker        = kmsg.ConfigResourceTypeBroker
	resourceLogger        = kmsg.ConfigResourceTypeBrokerLogger
	resourceClientMetrics = kmsg.ConfigResourceType(16)
	resourceGroup         = kmsg.ConfigResourceType(32)
)

// errUnknownTopic refuses an unknown topic by a code without a message, as the reference does.
var errUnknownTopic = codes.Refuse(kerr.UnknownTopicOrPartition, "")

// DescribeConfigs serves DescribeConfigs: see above.
func (s *Service) DescribeConfigs(_ *request.Call, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	whole := error(nil)
	for i := range req.Resources {
		switch req.Resources[i].ResourceType {
		case resourceTopic, resourceBroker, resourceLogger, resourceClientMetrics:
		default:
			whole = codes.Refuse(kerr.InvalidRequest, fmt.Sprintf("Resource type %d has no configuration here.", req.Resources[i].ResourceType))
		}
	}
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	described := make(map[resource]int)
	configs := s.broker.ReadTopicConfigs(s.cut, s.knownTopics(req.Resources))
	for i := range req.Resources {
		in := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		entries, err := []config.Entry(nil), whole
		one := resource{in.ResourceType, in.ResourceName}
		if described[one]++; err == nil && described[one] > request.MaxNamed {
			err = codes.ErrNamedTooOften
		}
		if err == nil {
			entries, err = s.describeResource(in, configs, config.DescribeOptions{
				Names: in.ConfigNames, Synonyms: req.IncludeSynonyms, Documentation: req.IncludeDocumentation,
			})
		}
		out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		if out.ErrorMessage == nil {
			out.ErrorMessage = kmsg.StringPtr("") // as the reference says
		}
		for j := range entries {
			out.Configs = append(out.Configs, describedConfig(&entries[j]))
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// knownTopics returns the topics among resources that exist, each once.
func (s *Service) knownTopics(resources []kmsg.DescribeConfigsRequestResource) (names []string) {
	known, seen := s.broker.Metadata(), map[string]bool{}
	for i := range resources {
		r := &resources[i]
		if r.ResourceType == resourceTopic && !seen[r.ResourceName] && known.Topic(r.ResourceName) != nil {
			seen[r.ResourceName] = true
			names = append(names, r.ResourceName)
		}
	}
	return names
}

// describeResource returns the configuration of one resource. configs are those of the topics that existed a moment ago.
func (s *Service) describeResource(in *kmsg.DescribeConfigsRequestResource, configs map[string]map[string]string, o config.DescribeOptions) ([]config.Entry, error) {
	switch in.ResourceType {
	case resourceTopic:
		if err := cluster.ValidateTopicName(in.ResourceName); err != nil {
			return nil, err
		}
		own, exists := configs[in.ResourceName]
		if !exists {
			return nil, errUnknownTopic
		}
		return s.config.DescribeTopic(own, o), nil
	case resourceBroker:
		if in.ResourceName == "" {
			return s.config.DescribeDefault(o), nil
		}
		if err := s.isThisBroker(in.ResourceName); err != nil {
			return nil, err
		}
		return s.config.DescribeBroker(o), nil
	case resourceLogger:
		if in.ResourceName == "" {
			return nil, codes.Refuse(kerr.InvalidRequest, "A broker's id is needed to name its loggers.")
		}
		if err := s.isThisBroker(in.ResourceName); err != nil {
			return nil, err
		}
		return s.describeLoggers(o), nil
	}
	return nil, codes.Refuse(kerr.InvalidRequest, "Client metrics have no configuration in a cluster on ZooKeeper.")
}

// isThisBroker returns an error unless name is the id of this broker.
func (s *Service) isThisBroker(name string) error {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return codes.Refuse(kerr.InvalidRequest, "Broker id must be an integer, but it is "+strconv.Quote(name)+".")
	}
	if own := s.broker.ID(); int32(id) != own {
		return codes.Refuse(kerr.InvalidRequest, fmt.Sprintf("This is broker %d, the request is about %d.", own, id))
	}
	return nil
}

// describedConfig returns one setting in the form of the answer.
func describedConfig(e *config.Entry) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.ReadOnly, c.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
	c.Source = kmsg.ConfigSource(e.Source) // IsDefault, which version 0 has, is false for all settings, as in the reference
	c.ConfigType, c.Documentation = kmsg.ConfigType(e.Type), e.Documentation
	for _, y := range e.Synonyms {
		s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		s.Name, s.Value, s.Source = y.Name, y.Value, kmsg.ConfigSource(y.Source)
		c.ConfigSynonyms = append(c.ConfigSynonyms, s)
	}
	return c
}
