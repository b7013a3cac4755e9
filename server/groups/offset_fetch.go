package groups

// OffsetFetch: key 9, versions 0 to 10.
//
//	0  offsets from the metadata tree, where consumers before 0.9 keep them
//	1  from the group's coordinator
//	2  an error for the whole answer; null asks for all offsets of the group
//	3  throttle time
//	5  leader epochs (KIP-320)
//	6  flexible
//	7  require stable offsets (KIP-447)
//	8  several groups (KIP-709), with an error for each
//	9  member id and epoch for the groups of KIP-848, which klamm does not have
//	10 topic ids instead of names (KIP-848)
//
// Refused, group by group, in this order: if this broker stops
// (COORDINATOR_NOT_AVAILABLE), still reads the group's records or cannot read them
// (COORDINATOR_LOAD_IN_PROGRESS), or is not the group's coordinator
// (NOT_COORDINATOR); from version 10 on an unknown topic id, partition by partition
// (UNKNOWN_TOPIC_ID); if the client asks for stable offsets, an offset that is being
// committed (UNSTABLE_OFFSET_COMMIT). A group, topic or partition that does not exist
// has the offset -1 and no error. Before version 2 each partition has the group's
// error. See groupcoord.
//
// Missing on purpose: member ids and epochs of KIP-848. klamm has no such groups.

import (
	"context"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/groupcoord"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

const (
	fetchFromCoordinator = 1  // the first version that asks the coordinator
	fetchTopError        = 2  // the first version with an error for the whole answer
	fetchGroups          = 8  // the first version that asks for several groups
	fetchTopicIDs        = 10 // the first version that names topics by id
)

// OffsetFetch serves OffsetFetch: see above.
func (s *Service) OffsetFetch(_ *request.Call, req *kmsg.OffsetFetchRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetFetchResponse()
	if req.Version >= fetchGroups {
		meta := s.broker.Metadata()
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, s.fetchGroup(meta, &req.Groups[i], req.Version, req.RequireStable))
		}
		return resp
	}
	if req.Version < fetchFromCoordinator {
		s.fetchFromTree(req, resp)
		return resp
	}
	var asked []groupcoord.Partitions
	if req.Topics != nil {
		asked = make([]groupcoord.Partitions, len(req.Topics))
		for i, t := range req.Topics {
			asked[i] = groupcoord.Partitions{Topic: t.Topic, Partitions: t.Partitions}
		}
	}
	list, err := s.groups.FetchOffsets(req.Group, asked, req.RequireStable)
	if err != nil {
		if resp.ErrorCode = codes.Of(err); req.Version < fetchTopError {
			refuseOffsets(req, resp)
		}
		return resp
	}
	for len(list) > 0 {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = list[0].Topic
		for ; len(list) > 0 && list[0].Topic == t.Topic; list = list[1:] {
			o := &list[0]
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = o.Partition, o.Offset, o.LeaderEpoch, &o.Metadata, codes.Of(o.Err)
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// refuseOffsets puts the error of the whole answer at each partition.
func refuseOffsets(req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse) {
	for _, t := range req.Topics {
		out := kmsg.NewOffsetFetchResponseTopic()
		out.Topic = t.Topic
		for _, partition := range t.Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.Metadata, p.ErrorCode = partition, -1, kmsg.StringPtr(""), resp.ErrorCode
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
}

// fetchFromTree reads the offsets that consumers before 0.9 keep in the tree (KafkaZkClient.getConsumerOffset).
func (s *Service) fetchFromTree(req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse) {
	meta := s.broker.Metadata()
	for _, t := range req.Topics {
		if len(t.Partitions) == 0 {
			continue // the answer leaves out a topic without partitions
		}
		out := kmsg.NewOffsetFetchResponseTopic()
		out.Topic = t.Topic
		for _, partition := range t.Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.Metadata = partition, -1, kmsg.StringPtr("")
			tp := protocol.TopicPartition{Topic: t.Topic, Partition: partition}
			if meta.Partition(tp) == nil {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if offset, found, err := s.broker.ConsumerOffset(context.Background(), req.Group, tp); err != nil {
				p.ErrorCode = codes.Of(err)
			} else if found {
				p.Offset = offset
			} else {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
}

// fetchGroup answers for one of several groups.
func (s *Service) fetchGroup(meta *cluster.Metadata, req *kmsg.OffsetFetchRequestGroup, version int16, stable bool) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = req.Group
	var asked []groupcoord.Partitions
	if req.Topics != nil {
		asked = []groupcoord.Partitions{}
	}
	for _, t := range req.Topics {
		name := t.Topic
		if version >= fetchTopicIDs {
			topic := meta.TopicByID(t.TopicID)
			if topic == nil {
				continue
			}
			name = topic.Name
		}
		asked = append(asked, groupcoord.Partitions{Topic: name, Partitions: t.Partitions})
	}
	list, err := s.groups.FetchOffsets(req.Group, asked, stable)
	if err != nil {
		out.ErrorCode = codes.Of(err)
		return out
	}
	for len(list) > 0 {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = list[0].Topic
		if topic := meta.Topic(t.Topic); topic != nil {
			t.TopicID = topic.ID
		} else if version >= fetchTopicIDs {
			list = list[1:] // the topic was deleted, so it has no id that the answer could give
			continue
		}
		for ; len(list) > 0 && list[0].Topic == t.Topic; list = list[1:] {
			t.Partitions = append(t.Partitions, groupOffset(&list[0]))
		}
		out.Topics = append(out.Topics, t)
	}
	if version >= fetchTopicIDs {
		for _, t := range req.Topics {
			if meta.TopicByID(t.TopicID) == nil {
				out.Topics = append(out.Topics, unknownOffsets(&t))
			}
		}
	}
	return out
}

func groupOffset(o *groupcoord.CommittedOffset) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = o.Partition, o.Offset, o.LeaderEpoch, &o.Metadata, codes.Of(o.Err)
	return p
}

func unknownOffsets(req *kmsg.OffsetFetchRequestGroupTopic) kmsg.OffsetFetchResponseGroupTopic {
	t := kmsg.NewOffsetFetchResponseGroupTopic()
	t.TopicID = req.TopicID
	for _, partition := range req.Partitions {
		p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		p.Partition, p.Offset, p.Metadata, p.ErrorCode = partition, -1, kmsg.StringPtr(""), kerr.UnknownTopicID.Code
		t.Partitions = append(t.Partitions, p)
	}
	return t
}
