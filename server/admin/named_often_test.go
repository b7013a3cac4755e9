package admin_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/server/request"
)

// creations asks what would become of so many topics.
func creations(n int) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.ValidateOnly, req.TimeoutMillis = 7, true, 10_000
	for i := range n {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = fmt.Sprint("t", i), 1, 1
		req.Topics = append(req.Topics, topic)
	}
	return req
}

// Topics that are created alike share what is told of their configuration, which
// takes a hundred times what names them; those that are not do not.
func TestConfigurationOfTopicsCreatedAlikeIsHeldOnce(t *testing.T) {
	b := brokertest.Run(t)
	req := creations(4)
	own := kmsg.NewCreateTopicsRequestTopicConfig()
	own.Name, own.Value = "retention.ms", kmsg.StringPtr("77")
	req.Topics[2].Configs = append(req.Topics[2].Configs, own)
	got := b.Server().Admin().CreateTopics(nil, req).(*kmsg.CreateTopicsResponse).Topics
	if len(got[0].Configs) == 0 || &got[0].Configs[0] != &got[1].Configs[0] {
		t.Error("two topics that are alike have a description each")
	}
	for i, topic := range got {
		for _, c := range topic.Configs {
			if c.Name == "retention.ms" && (*c.Value == "77") != (i == 2) {
				t.Errorf("retention.ms of topic %d is %s", i, *c.Value)
			}
		}
	}
}

// A resource that is named again and again is not described each time: the answer
// would take ten thousand times what the request does.
func TestDescriptionsOfOneResourceAreBounded(t *testing.T) {
	b := brokertest.Run(t)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version = 4
	for range request.MaxNamed + 3 {
		one := kmsg.NewDescribeConfigsRequestResource()
		one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
		req.Resources = append(req.Resources, one)
	}
	for i, r := range b.Dial().Ask(req).(*kmsg.DescribeConfigsResponse).Resources {
		if refused := r.ErrorCode != 0; refused != (i >= request.MaxNamed) || refused == (len(r.Configs) > 0) {
			t.Errorf("resource %d: error %d, %d configs", i, r.ErrorCode, len(r.Configs))
		}
	}
}
