package data_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/server/request"
)

// A partition that is named again and again does not have its producers told each
// time: four bytes would be answered with thousands.
func TestProducersOfOnePartitionAreToldABoundedNumberOfTimes(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	req := kmsg.NewPtrDescribeProducersRequest()
	one := kmsg.NewDescribeProducersRequestTopic()
	one.Topic, one.Partitions = "t", make([]int32, request.MaxNamed+1)
	req.Topics = append(req.Topics, one, one)
	n := 0
	for _, topic := range b.Dial().Ask(req).(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range topic.Partitions {
			if refused := p.ErrorCode != 0; refused != (n >= request.MaxNamed) {
				t.Errorf("time %d: error %d", n, p.ErrorCode)
			}
			n++
		}
	}
	if n != 2*(request.MaxNamed+1) {
		t.Errorf("%d partitions are answered", n)
	}
}

// The same of the offsets that version 0 of ListOffsets is told, one for each segment.
func TestOffsetsOfOnePartitionAreListedABoundedNumberOfTimes(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = "t"
	for range request.MaxNamed + 3 {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp, p.MaxNumOffsets = -1, 10
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	for i, p := range b.Dial().Ask(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
		if refused := p.ErrorCode != 0; refused != (i >= request.MaxNamed) || refused == (len(p.OldStyleOffsets) > 0) {
			t.Errorf("time %d: error %d, offsets %v", i, p.ErrorCode, p.OldStyleOffsets)
		}
	}
}
