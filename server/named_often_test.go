package server

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition that is named again and again does not have its producers told each
// time: four bytes would be answered with thousands.
func TestProducersOfOnePartitionAreToldABoundedNumberOfTimes(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	req := kmsg.NewPtrDescribeProducersRequest()
	one := kmsg.NewDescribeProducersRequestTopic()
	one.Topic, one.Partitions = "t", make([]int32, maxDescribed+1)
	req.Topics = append(req.Topics, one, one)
	n := 0
	for _, topic := range b.dial().ask(req).(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range topic.Partitions {
			if refused := p.ErrorCode != 0; refused != (n >= maxDescribed) {
				t.Errorf("time %d: error %d", n, p.ErrorCode)
			}
			n++
		}
	}
	if n != 2*(maxDescribed+1) {
		t.Errorf("%d partitions are answered", n)
	}
}

// The same of the offsets that version 0 of ListOffsets is told, one for each segment.
func TestOffsetsOfOnePartitionAreListedABoundedNumberOfTimes(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = consumerReplicaID
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = "t"
	for range maxDescribed + 3 {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp, p.MaxNumOffsets = timestampLatest, 10
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	for i, p := range b.dial().ask(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
		if refused := p.ErrorCode != 0; refused != (i >= maxDescribed) || refused == (len(p.OldStyleOffsets) > 0) {
			t.Errorf("time %d: error %d, offsets %v", i, p.ErrorCode, p.OldStyleOffsets)
		}
	}
}

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
	b := runBroker(t)
	req := creations(4)
	own := kmsg.NewCreateTopicsRequestTopicConfig()
	own.Name, own.Value = "retention.ms", kmsg.StringPtr("77")
	req.Topics[2].Configs = append(req.Topics[2].Configs, own)
	got := serveCreateTopics(b.server, nil, req).(*kmsg.CreateTopicsResponse).Topics
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

// Requests that create many topics are served one at a time: each may have a
// configuration of its own.
func TestCreationsOfManyTopicsWaitForEachOther(t *testing.T) {
	b := runBroker(t)
	b.server.many[waitsForController] <- struct{}{}
	few, many := b.dial(), b.dial()
	few.ask(creations(manyTopics))
	_ = few.nc.Close()
	eventually(t, "one is left", func() bool { return len(b.conns()) == 1 })
	many.send(creations(manyTopics + 1))
	c := b.conns()[0]
	eventually(t, "the request has come", func() bool {
		return c.State().Owed == 1
	})
	c.Stop()
	many.closed() // without an answer
	<-b.server.many[waitsForController]
}
