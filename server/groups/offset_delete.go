package groups

// OffsetDelete: key 47, version 0 (KIP-496).
//
// Refused, in this order: the whole request, for an empty group id
// (INVALID_GROUP_ID), if this broker stops (COORDINATOR_NOT_AVAILABLE), still reads
// the group's records (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR), for a group that does not exist (GROUP_ID_NOT_FOUND), or that has
// members of another type than consumers (NON_EMPTY_GROUP); then partition by
// partition, one that does not exist (UNKNOWN_TOPIC_OR_PARTITION); one of a topic to
// which the group's consumers are subscribed (GROUP_SUBSCRIBED_TO_TOPIC); one whose
// tombstone cannot be written (NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE or
// UNKNOWN_SERVER_ERROR). A partition without an offset is no error.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// OffsetDelete serves OffsetDelete: see above.
func (s *Service) OffsetDelete(_ *request.Call, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	meta := s.broker.Metadata()
	var asked []groupcoord.Partitions
	for _, t := range req.Topics {
		p := groupcoord.Partitions{Topic: t.Topic}
		for _, partition := range t.Partitions {
			if meta.Partition(protocol.TopicPartition{Topic: t.Topic, Partition: partition.Partition}) != nil {
				p.Partitions = append(p.Partitions, partition.Partition)
			}
		}
		if len(p.Partitions) > 0 {
			asked = append(asked, p)
		}
	}
	errs, err := s.groups.DeleteOffsets(req.Group, asked)
	if err != nil {
		resp.ErrorCode = codes.Of(err)
		return resp
	}
	for _, t := range req.Topics {
		if len(t.Partitions) == 0 && meta.Topic(t.Topic) != nil {
			continue // the answer leaves out a topic without partitions
		}
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = t.Topic
		for _, partition := range t.Partitions {
			p := kmsg.NewOffsetDeleteResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, kerr.UnknownTopicOrPartition.Code
			if meta.Partition(protocol.TopicPartition{Topic: t.Topic, Partition: partition.Partition}) != nil {
				p.ErrorCode, errs = codes.Of(errs[0]), errs[1:]
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
