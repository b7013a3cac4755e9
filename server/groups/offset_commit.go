package groups

// OffsetCommit: key 8, versions 0 to 10.
//
//	0  the metadata tree keeps the offsets, where consumers before 0.9 keep theirs
//	1  the group's coordinator keeps them; member and generation; a timestamp for each offset
//	2  a retention time instead of timestamps
//	3  throttle time
//	5  no retention time
//	6  leader epochs (KIP-320)
//	7  instance id (KIP-345)
//	8  flexible
//	9  other errors for the groups of KIP-848, which klamm does not have
//	10 topic ids instead of names (KIP-848)
//
// Refused, in this order: partition by partition, an unknown topic id
// (UNKNOWN_TOPIC_ID), and a partition that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION); then all partitions that are left, if this broker
// stops (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR); for a generation of a group that does not exist
// (ILLEGAL_GENERATION, from version 10 on GROUP_ID_NOT_FOUND); for a client that is no
// member of a group that has members (UNKNOWN_MEMBER_ID); for a member whose instance
// id another member has (FENCED_INSTANCE_ID); for another generation than the group's
// (ILLEGAL_GENERATION); for a group that waits for its leader's assignments
// (REBALANCE_IN_PROGRESS); then partition by partition, metadata longer than
// offset.metadata.max.bytes (OFFSET_METADATA_TOO_LARGE). See groupcoord.
//
// The answer waits until the offsets are committed in __consumer_offsets, for
// offsets.commit.timeout.ms at most (REQUEST_TIMED_OUT). The connection handles its
// next request after that.
//
// Bounded, where the reference is bounded by its heap: while all groups together take
// too much memory, the offset of a partition for which the group has none yet is
// refused (COORDINATOR_NOT_AVAILABLE).
//
// Nothing is missing.

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/groupcoord"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

const (
	commitToCoordinator = 1  // the first version whose offsets the coordinator keeps
	commitTopicIDs      = 10 // the first version that names topics by id
)

// commitCall is an OffsetCommit request and its answer.
type commitCall struct {
	req  *kmsg.OffsetCommitRequest
	resp *kmsg.OffsetCommitResponse
	// offsets are the offsets that were not refused; places says where in the answer each of them stands.
	offsets []groupcoord.CommittedOffset
	places  []commitPlace
}

type commitPlace struct{ topic, partition int }

// OffsetCommit serves OffsetCommit: see above.
func (s *Service) OffsetCommit(_ *request.Call, req *kmsg.OffsetCommitRequest, answer func(kmsg.Response)) {
	c := &commitCall{req: req, resp: kmsg.NewPtrOffsetCommitResponse()}
	c.collect(s.broker.Metadata())
	switch {
	case len(c.offsets) == 0:
		answer(c.resp)
	case req.Version < commitToCoordinator:
		c.keepInTree(s)
		answer(c.resp)
	default:
		r := &groupcoord.CommitRequest{
			Group: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID, Generation: req.Generation,
			RetentionMs: req.RetentionTimeMillis, Offsets: c.offsets,
		}
		r.Done = func(err error) {
			c.done(err)
			answer(c.resp)
		}
		s.groups.Commit(r)
	}
}

// collect refuses the partitions that do not exist, and lists the offsets of the others.
func (c *commitCall) collect(meta *cluster.Metadata) {
	c.resp.Topics = make([]kmsg.OffsetCommitResponseTopic, 0, len(c.req.Topics))
	for i := range c.req.Topics {
		in := &c.req.Topics[i]
		topic, refused := meta.Topic(in.Topic), kerr.UnknownTopicOrPartition.Code
		if c.req.Version >= commitTopicIDs {
			if topic = meta.TopicByID(in.TopicID); topic == nil {
				refused = kerr.UnknownTopicID.Code
			}
		}
		if topic != nil && len(in.Partitions) == 0 {
			continue // the answer leaves out a topic without partitions
		}
		if topic != nil {
			n := min(len(in.Partitions), topic.Partitions.Len()) // there can be more only if partitions are named twice
			c.offsets, c.places = slices.Grow(c.offsets, n), slices.Grow(c.places, n)
		}
		at := len(c.resp.Topics)
		c.resp.Topics = append(c.resp.Topics, kmsg.OffsetCommitResponseTopic{Topic: in.Topic, TopicID: in.TopicID,
			Partitions: make([]kmsg.OffsetCommitResponseTopicPartition, len(in.Partitions))})
		out := &c.resp.Topics[at]
		for j := range in.Partitions {
			p := &in.Partitions[j]
			out.Partitions[j].Partition = p.Partition
			if topic == nil || !topic.Partitions.Has(p.Partition) {
				out.Partitions[j].ErrorCode = refused
				continue
			}
			c.add(topic.Name, p, commitPlace{at, j})
		}
	}
}

func (c *commitCall) add(topic string, p *kmsg.OffsetCommitRequestTopicPartition, at commitPlace) {
	o := groupcoord.CommittedOffset{Topic: topic, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, TimestampMs: p.Timestamp}
	if p.Metadata != nil {
		o.Metadata = *p.Metadata
	}
	c.offsets, c.places = append(c.offsets, o), append(c.places, at)
}

// done puts the errors of the offsets into the answer. err is the error of all of them.
func (c *commitCall) done(err error) {
	if errors.Is(err, groupcoord.ErrUnknownGroup) && c.req.Version < commitTopicIDs {
		err = groupcoord.ErrIllegalGeneration
	}
	code := codes.Of(err)
	for i, at := range c.places {
		p := &c.resp.Topics[at.topic].Partitions[at.partition]
		if p.ErrorCode = code; c.offsets[i].Err != nil {
			p.ErrorCode = codes.Of(c.offsets[i].Err)
		}
	}
}

// keepInTree writes the offsets where consumers before 0.9 look for them (KafkaZkClient.setOrCreateConsumerOffset).
func (c *commitCall) keepInTree(s *Service) {
	most := s.config.Current().Int("offset.metadata.max.bytes")
	for i := range c.offsets {
		o := &c.offsets[i]
		if groupcoord.MetadataSize(o.Metadata) > most {
			o.Err = groupcoord.ErrMetadataTooLarge
			continue
		}
		o.Err = s.broker.SetConsumerOffset(context.Background(), c.req.Group, protocol.TopicPartition{Topic: o.Topic, Partition: o.Partition}, o.Offset)
	}
	c.done(nil)
}
