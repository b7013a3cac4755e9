package data

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/replica"
	"klamm/protocol"
	"klamm/server/codes"
)

// oldOffset answers one partition in the form of version 0: a list of the offsets at
// which segments begin, by the age of their files (see logstore.Log.OffsetsBefore).
// Version 0 is older than the timestamps in records. A consumer gets the high watermark
// in place of the offsets above it. A partition that is named more than 4 times is
// refused (INVALID_REQUEST), where the reference lists its offsets each time. If a
// client asks for fewer than 0 offsets, the error is UNKNOWN_SERVER_ERROR, as the
// reference answers.
func (s *Service) oldOffset(req *kmsg.ListOffsetsRequest, topic string, in *kmsg.ListOffsetsRequestTopicPartition, listed timesNamed) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.OldStyleOffsets = in.Partition, []int64{}
	if in.Timestamp < timestampEarliest {
		out.ErrorCode = kerr.UnsupportedVersion.Code
		return out
	}
	tp := protocol.TopicPartition{Topic: topic, Partition: in.Partition}
	p, err := s.partitionIn(tp, -1, req.ReplicaID == debuggingReplicaID)
	if err != nil {
		out.ErrorCode = codes.Of(err)
		return out
	}
	if listed.tooOften(tp) {
		out.ErrorCode = codes.Of(codes.ErrNamedTooOften)
		return out
	}
	if in.MaxNumOffsets < 0 {
		out.ErrorCode = kerr.UnknownServerError.Code
		return out
	}
	offsets, err := p.Log().OffsetsBefore(in.Timestamp, int(in.MaxNumOffsets), s.nowMs())
	if err != nil {
		p.ReadFailed(err)
		out.ErrorCode = codes.Of(err)
		return out
	}
	if req.ReplicaID == consumerReplicaID {
		offsets = upToHighWatermark(p, offsets)
	}
	out.OldStyleOffsets = offsets
	return out
}

// upToHighWatermark puts the high watermark in place of the offsets above it. offsets is
// in descending order.
func upToHighWatermark(p *replica.Partition, offsets []int64) []int64 {
	hw := p.HighWatermark()
	below := slices.IndexFunc(offsets, func(o int64) bool { return o <= hw })
	switch {
	case below == 0 || len(offsets) == 0:
		return offsets
	case below < 0:
		return []int64{hw}
	}
	return slices.Insert(slices.Clone(offsets[below:]), 0, hw)
}
