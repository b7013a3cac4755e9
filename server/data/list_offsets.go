package data

// ListOffsets: key 2, versions 0 to 11.
//
//	0  a list of the offsets at which segments begin: see oldOffset
//	1  one offset, with its timestamp, instead of a list
//	2  isolation level; throttle time
//	4  leader epochs in the request and in the answer (KIP-320)
//	6  flexible
//	7  timestamp -3: the record with the largest timestamp (KIP-734)
//	8  timestamp -4: the earliest offset on the local disk (KIP-405)
//	9  timestamp -5: the highest offset in tiered storage (KIP-1005)
//	10 a timeout, for tiered storage
//	11 timestamp -6: the earliest offset not in tiered storage yet (KIP-1023)
//
// Refused, in this order, partition by partition: a partition that is named twice
// (INVALID_REQUEST for each mention); a negative timestamp that the version does not
// know (UNSUPPORTED_VERSION); an isolation level that does not exist, from a consumer
// (UNKNOWN_SERVER_ERROR, as the reference answers); a partition that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION); another leader epoch than that of the replica here
// (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH); a partition that another broker leads
// (NOT_LEADER_OR_FOLLOWER), unless the replica id is -2 and this broker follows it; to a
// consumer, the latest offset or that of a time which no readable record has, from a leader
// whose high watermark is not back yet where its leader epoch began
// (OFFSET_NOT_AVAILABLE, and before version 5 LEADER_NOT_AVAILABLE; KIP-207).
//
// Missing on purpose: tiered storage. Timestamp -4 is answered as -2 is. For -5 and -6
// the answer is that there is no such offset.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// The timestamps that ask for a certain offset and not for a time.
const (
	timestampLatest          = -1
	timestampEarliest        = -2
	timestampMax             = -3
	timestampEarliestLocal   = -4
	timestampLatestTiered    = -5
	timestampEarliestPending = -6
)

// timestampSince maps each of these timestamps to the first version that knows it.
var timestampSince = map[int64]int16{
	timestampLatest: 1, timestampEarliest: 1, timestampMax: 7,
	timestampEarliestLocal: 8, timestampLatestTiered: 9, timestampEarliestPending: 11,
}

// consumerReplicaID is the replica id of a request from a client. A broker has its own id there.
const consumerReplicaID = -1

// debuggingReplicaID is the replica id of a tool that looks into the log of any replica.
const debuggingReplicaID = -2

// ListOffsets serves ListOffsets: see above.
func (s *Service) ListOffsets(_ *request.Call, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	twice, listed := listedTwice(req), make(timesNamed)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = in.Topic
		for j := range in.Partitions {
			if req.Version == 0 {
				out.Partitions = append(out.Partitions, s.oldOffset(req, in.Topic, &in.Partitions[j], listed))
				continue
			}
			out.Partitions = append(out.Partitions, s.listOffset(req, in.Topic, &in.Partitions[j], twice))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// listedTwice finds the partitions that the request names more than once.
func listedTwice(req *kmsg.ListOffsetsRequest) map[protocol.TopicPartition]bool {
	seen := make(map[protocol.TopicPartition]bool)
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: req.Topics[i].Partitions[j].Partition}
			_, twice := seen[tp]
			seen[tp] = twice
		}
	}
	return seen
}

// listOffset answers one partition.
func (s *Service) listOffset(req *kmsg.ListOffsetsRequest, topic string, in *kmsg.ListOffsetsRequestTopicPartition, twice map[protocol.TopicPartition]bool) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition = in.Partition
	tp := protocol.TopicPartition{Topic: topic, Partition: in.Partition}
	since, special := timestampSince[in.Timestamp]
	var found logstore.TimestampOffset
	var err error
	switch {
	case twice[tp]:
		err = kerr.InvalidRequest
	case in.Timestamp < 0 && (!special || req.Version < since):
		err = kerr.UnsupportedVersion
	case req.ReplicaID == consumerReplicaID && req.IsolationLevel != readUncommitted && req.IsolationLevel != readCommitted:
		err = kerr.UnknownServerError
	default:
		found, err = s.findOffset(req, tp, in)
	}
	if err != nil {
		out.ErrorCode = codes.Of(err)
		return out
	}
	out.Offset, out.Timestamp, out.LeaderEpoch = found.Offset, found.TimestampMs, found.LeaderEpoch
	return out
}

// noOffset is the answer if no record has the timestamp.
var noOffset = logstore.TimestampOffset{Offset: -1, TimestampMs: -1, LeaderEpoch: -1}

// findOffset returns the offset for one timestamp, and noOffset if there is none.
func (s *Service) findOffset(req *kmsg.ListOffsetsRequest, tp protocol.TopicPartition, in *kmsg.ListOffsetsRequestTopicPartition) (logstore.TimestampOffset, error) {
	p, err := s.partitionIn(tp, in.CurrentLeaderEpoch, req.ReplicaID == debuggingReplicaID)
	if err != nil {
		return noOffset, err
	}
	unavailable := catchingUp(req, p) // before the bound is taken, which only grows
	bound := readableUpTo(p, req.ReplicaID, req.IsolationLevel)
	log := p.Log()
	switch in.Timestamp {
	case timestampLatest:
		if unavailable != nil {
			return noOffset, unavailable
		}
		return logstore.TimestampOffset{Offset: bound, TimestampMs: -1, LeaderEpoch: p.LeaderEpoch()}, nil
	case timestampEarliest, timestampEarliestLocal:
		start := log.StartOffset()
		return logstore.TimestampOffset{Offset: start, TimestampMs: -1, LeaderEpoch: log.EpochAt(start)}, nil
	case timestampLatestTiered, timestampEarliestPending:
		return noOffset, nil
	}
	var found logstore.TimestampOffset
	var ok bool
	if in.Timestamp == timestampMax {
		found, ok, err = log.MaxTimestampOffset()
	} else {
		found, ok, err = log.OffsetForTimestamp(in.Timestamp)
	}
	if err != nil {
		p.ReadFailed(err)
		return noOffset, err
	}
	if !ok || found.Offset >= bound {
		return noOffset, unavailable
	}
	return found, nil
}

// catchingUp is the error for a consumer whose answer would go back behind one of an earlier leader, nil if it would not.
func catchingUp(req *kmsg.ListOffsetsRequest, p *replica.Partition) error {
	switch {
	case req.ReplicaID != consumerReplicaID || !p.CatchingUp():
		return nil
	case req.Version < 5:
		return kerr.LeaderNotAvailable
	}
	return kerr.OffsetNotAvailable
}

// readableUpTo returns the offset below which the sender of a request may read.
func readableUpTo(p *replica.Partition, replicaID int32, isolation int8) int64 {
	switch {
	case replicaID != consumerReplicaID:
		return p.Log().EndOffset()
	case isolation == readCommitted:
		return p.LastStableOffset()
	}
	return p.HighWatermark()
}
