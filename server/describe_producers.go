package server

// DescribeProducers: key 61, version 0, flexible from there (KIP-664).
//
// Refused, in this order: topic by topic, an invalid name
// (INVALID_TOPIC_EXCEPTION) and a topic that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION), both for each of its partitions; then partition
// by partition, one that does not exist (UNKNOWN_TOPIC_OR_PARTITION) or is led
// elsewhere (NOT_LEADER_OR_FOLLOWER).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
)

func serveDescribeProducers(s *Server, _ *call, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeProducersResponse()
	meta := s.broker.Metadata()
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = in.Topic
		err := cluster.ValidateTopicName(in.Topic)
		if err == nil && meta.Topic(in.Topic) == nil {
			err = kerr.UnknownTopicOrPartition
		}
		for _, partition := range in.Partitions {
			out.Partitions = append(out.Partitions, s.describeProducers(in.Topic, partition, err))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// describeProducers answers one partition. refused is what its topic is
// refused for; only that comes with a message.
func (s *Server) describeProducers(topic string, partition int32, refused error) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = partition
	if refused != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(refused), messageOf(refused)
		return out
	}
	p, err := s.partition(protocol.TopicPartition{Topic: topic, Partition: partition})
	if err != nil {
		out.ErrorCode = codeOf(err)
		return out
	}
	for _, known := range p.Log().ActiveProducers() {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch = known.ProducerID, int32(known.ProducerEpoch)
		a.LastSequence, a.LastTimestamp = known.LastSequence, known.LastTimestampMs
		a.CoordinatorEpoch, a.CurrentTxnStartOffset = known.CoordinatorEpoch, known.CurrentTxnStartOffset
		out.ActiveProducers = append(out.ActiveProducers, a)
	}
	return out
}
