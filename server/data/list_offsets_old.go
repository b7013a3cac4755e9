package data

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/replica"
	"klamm/protocol"
	"klamm/server/codes"
)

// oldOffset answers one partition in the form of version 0: a list of offsets at
// which the log can be read, from before there were timestamps in records (see
// logstore.Log.OffsetsBefore). A consumer is told the high watermark in place of
// what lies behind it. A partition that is named more than 4 times is refused
// (INVALID_REQUEST): the reference lists its offsets each time. A number of offsets below zero is UNKNOWN_SERVER_ERROR, as with the
// reference.
func (s *Service) oldOffset(req *kmsg.ListOffsetsRequest, topic string, in *kmsg.ListOffsetsRequestTopicPartition, listed timesNamed) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.OldStyleOffsets = in.Partition, []int64{}
	if in.Timestamp < timestampEarliest {
		out.ErrorCode = kerr.UnsupportedVersion.Code
		return out
	}
	tp := protocol.TopicPartition{Topic: topic, Partition: in.Partition}
	p, err := s.partition(tp)
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

// upToHighWatermark puts the high watermark in place of what lies behind it.
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
