package admin

// DescribeTopicPartitions: key 75, version 0, flexible from there (KIP-966).
//
// An empty list of topics asks for all. The answer is in the order of the topics' names.
// It has at most response_partition_limit partitions, and at most
// max.request.partition.size.limit, but always at least one. The cursor in the answer
// says where the next request has to begin.
//
// Refused, in this order: the whole request, for a cursor whose topic the request does
// not ask for, or whose partition is below 0 (INVALID_REQUEST for each topic); then
// topic by topic, an invalid name (INVALID_TOPIC_EXCEPTION) and a topic that does not
// exist (UNKNOWN_TOPIC_OR_PARTITION). The answer to a request for all topics leaves out
// those that do not exist any more.
//
// Missing on purpose: eligible leader replicas. A cluster on ZooKeeper has none.

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/request"
)

// DescribeTopicPartitions serves DescribeTopicPartitions: see above.
func (s *Service) DescribeTopicPartitions(c *request.Call, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	meta := s.broker.Metadata()
	names, all := describedTopics(req, meta)
	if refusesCursor(req, names, all) {
		return refuseDescribeTopicPartitions(req)
	}
	wanted, most := int64(req.ResponsePartitionLimit), s.config.Current().Long("max.request.partition.size.limit")
	d := partitionsAnswer{meta: meta, remaining: int(max(min(wanted, most), 1)), resp: kmsg.NewPtrDescribeTopicPartitionsResponse()}
	for _, name := range names {
		from := int32(0)
		if req.Cursor != nil && req.Cursor.Topic == name {
			from = req.Cursor.Partition
		}
		if !d.topic(name, from, all) {
			break
		}
	}
	if d.resp.NextCursor != nil && wanted > most {
		s.limits.Hit("max.request.partition.size.limit", "an answer has fewer partitions than were asked for",
			"client", c.Conn.RemoteAddr().String())
	}
	return d.resp
}

// describedTopics returns the names of the topics that the request asks for, sorted, from
// the cursor on. all says that it asks for all topics.
func describedTopics(req *kmsg.DescribeTopicPartitionsRequest, meta *cluster.Metadata) (names []string, all bool) {
	all = len(req.Topics) == 0
	if all {
		names = meta.TopicNames()
	}
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if req.Cursor != nil {
		names = slices.DeleteFunc(names, func(n string) bool { return n < req.Cursor.Topic })
	}
	slices.Sort(names)
	return slices.Compact(names), all
}

// refusesCursor reports whether the cursor is invalid.
func refusesCursor(req *kmsg.DescribeTopicPartitionsRequest, names []string, all bool) bool {
	if req.Cursor == nil {
		return false
	}
	return !all && !slices.Contains(names, req.Cursor.Topic) || req.Cursor.Partition < 0
}

// refuseDescribeTopicPartitions refuses all topics of a request.
func refuseDescribeTopicPartitions(req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	for i := range req.Topics {
		t := kmsg.NewDescribeTopicPartitionsResponseTopic()
		t.Topic, t.ErrorCode = &req.Topics[i].Topic, kerr.InvalidRequest.Code
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// partitionsAnswer collects the topics of one answer up to its limit.
type partitionsAnswer struct {
	meta      *cluster.Metadata
	remaining int // how many more partitions the answer may have
	resp      *kmsg.DescribeTopicPartitionsResponse
}

// topic answers one topic, beginning at partition from. It returns false if the answer has
// no room for the next topic.
func (d *partitionsAnswer) topic(name string, from int32, all bool) bool {
	if d.remaining == 0 {
		d.next(name, 0)
		return false
	}
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.IsInternal = kmsg.StringPtr(strings.Clone(name)), cluster.IsInternalTopic(name)
	out.AuthorizedOperations = everythingOnTopics
	known := d.meta.Topic(name)
	if known == nil {
		if !all {
			out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			if err := cluster.ValidateTopicName(name); err != nil {
				out.ErrorCode = codes.Of(err)
			}
			d.resp.Topics = append(d.resp.Topics, out)
		}
		return true
	}
	out.TopicID = known.ID
	count := known.Partitions.Len()
	begin := min(int(from), count)
	end := min(begin+d.remaining, count)
	for i := begin; i < end; i++ {
		if p := known.Partitions.At(i); p.Index >= 0 {
			out.Partitions = append(out.Partitions, d.partition(p))
		}
	}
	d.resp.Topics = append(d.resp.Topics, out)
	if end < count {
		d.next(name, int32(end))
		return false
	}
	d.remaining -= end - begin
	return true
}

// next sets the cursor, at which the next request has to begin.
func (d *partitionsAnswer) next(topic string, partition int32) {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	d.resp.NextCursor = &c
}

func (d *partitionsAnswer) partition(known *cluster.Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	p.Partition, p.LeaderID, p.LeaderEpoch = known.Index, known.Leader, known.LeaderEpoch
	p.Replicas, p.ISR, p.OfflineReplicas = known.Replicas, known.ISR, known.Offline
	p.EligibleLeaderReplicas, p.LastKnownELR = []int32{}, []int32{}
	if d.meta.Broker(known.Leader) == nil {
		p.ErrorCode, p.LeaderID = kerr.LeaderNotAvailable.Code, cluster.NoLeader
	}
	return p
}
