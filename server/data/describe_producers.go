package data

// DescribeProducers: key 61, version 0, flexible from there (KIP-664).
//
// Refused, in this order: topic by topic, an invalid name
// (INVALID_TOPIC_EXCEPTION) and a topic that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION), both for each of its partitions; then partition
// by partition, one that does not exist (UNKNOWN_TOPIC_OR_PARTITION) or of which
// this broker has no replica (NOT_LEADER_OR_FOLLOWER). A follower describes what it
// has: tools ask each broker for its own partitions.
//
// A partition that is named more than 4 times is refused (INVALID_REQUEST). The
// reference describes its producers each time, and four bytes of a request can then
// ask for thousands.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

// DescribeProducers serves DescribeProducers: see above.
func (s *Service) DescribeProducers(_ *request.Call, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeProducersResponse()
	meta := s.broker.Metadata()
	described := make(timesNamed)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = in.Topic
		err := cluster.ValidateTopicName(in.Topic)
		if err == nil && meta.Topic(in.Topic) == nil {
			err = kerr.UnknownTopicOrPartition
		}
		for _, partition := range in.Partitions {
			out.Partitions = append(out.Partitions, s.describeProducers(in.Topic, partition, err, described))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// timesNamed counts how often a request names each partition.
type timesNamed map[protocol.TopicPartition]int

// tooOften counts the partition once more, and reports whether that is more than request.MaxNamed times.
func (n timesNamed) tooOften(tp protocol.TopicPartition) bool {
	n[tp]++
	return n[tp] > request.MaxNamed
}

// describeProducers answers one partition. refused is the error of its topic, nil for none.
func (s *Service) describeProducers(topic string, partition int32, refused error, described timesNamed) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = partition
	if refused != nil {
		out.ErrorCode, out.ErrorMessage = codes.Of(refused), codes.Message(refused)
		return out
	}
	tp := protocol.TopicPartition{Topic: topic, Partition: partition}
	p, err := view.Replica(s.broker, s.replicas, tp)
	if err != nil {
		out.ErrorCode = codes.Of(err)
		return out
	}
	if described.tooOften(tp) {
		out.ErrorCode, out.ErrorMessage = codes.Of(codes.ErrNamedTooOften), codes.Message(codes.ErrNamedTooOften)
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
