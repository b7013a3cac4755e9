package server_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTopicsAreNotDeletedWhereThatIsForbidden(t *testing.T) {
	addr := startBroker(t, "delete.topic.enable=false")
	createTopicAt(t, addr, "t")
	for v, want := range map[int16]int16{1: 42, 2: 42, 3: 73, 5: 73, 6: 73} {
		if got := ask[*kmsg.DeleteTopicsResponse](t, addr, deleteTopics("t"), v).Topics[0].ErrorCode; got != want {
			t.Errorf("v%d: error %d, want %d", v, got, want)
		}
	}
	if got := ask[*kmsg.MetadataResponse](t, addr, metadata(ptr("t")), 12).Topics[0].ErrorCode; got != 0 {
		t.Errorf("the topic is gone: error %d", got)
	}
}

// A partition whose only replica is on a broker that is not there is unknown, as to 3.9.2, until it is led for the first
// time.
func TestPartitionOfABrokerThatIsNotThere(t *testing.T) {
	addr := startBroker(t)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 100
	rt := addTopic(req, "t", -1, -1)
	assign(rt, 0, 0)
	assign(rt, 1, 7)
	if got := ask[*kmsg.CreateTopicsResponse](t, addr, req, 7).Topics[0].ErrorCode; got != 7 {
		t.Errorf("CreateTopics: error %d", got)
	}
	topic := ask[*kmsg.MetadataResponse](t, addr, metadata(ptr("t")), 12).Topics[0]
	if len(topic.Partitions) != 1 || topic.Partitions[0].Leader != 0 {
		t.Errorf("Metadata: %+v", topic)
	}
	described := ask[*kmsg.DescribeTopicPartitionsResponse](t, addr, describePartitions("t"), 0).Topics[0]
	if len(described.Partitions) != 1 {
		t.Errorf("DescribeTopicPartitions: %+v", described)
	}
	if got := ask[*kmsg.ProduceResponse](t, addr, produce("t", 1, -1, -1, 1000), 9).Topics[0].Partitions[0].ErrorCode; got != 3 {
		t.Errorf("Produce: error %d", got)
	}
	if got := ask[*kmsg.FetchResponse](t, addr, fetch("t", 1), 11).Topics[0].Partitions[0].ErrorCode; got != 3 {
		t.Errorf("Fetch: error %d", got)
	}
	if got := ask[*kmsg.ListOffsetsResponse](t, addr, listOffsets("t", 1, -1), 7).Topics[0].Partitions[0].ErrorCode; got != 3 {
		t.Errorf("ListOffsets: error %d", got)
	}
	if got := ask[*kmsg.DeleteRecordsResponse](t, addr, deleteRecords("t", 1, 0), 2).Topics[0].Partitions[0].ErrorCode; got != 3 {
		t.Errorf("DeleteRecords: error %d", got)
	}
	if got := ask[*kmsg.OffsetForLeaderEpochResponse](t, addr, offsetForEpoch("t", 1, -1, 0), 4).Topics[0].Partitions[0].ErrorCode; got != 3 {
		t.Errorf("OffsetForLeaderEpoch: error %d", got)
	}
}

func describePartitions(topic string) *kmsg.DescribeTopicPartitionsRequest {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 100
	rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
	rt.Topic = topic
	req.Topics = append(req.Topics, rt)
	return req
}

func fetch(topic string, partition int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes = 1 << 20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.PartitionMaxBytes = partition, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}
