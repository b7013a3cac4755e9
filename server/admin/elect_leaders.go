package admin

// ElectLeaders: key 43, versions 0 to 2 (KIP-183).
//
//	1 unclean elections (KIP-460); an error for the whole request
//	2 flexible
//
// Refused, in this order: an unknown kind of election (INVALID_REQUEST, for each
// partition that is named); then partition by partition, one that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION), one that has a leader (ELECTION_NOT_NEEDED), and one
// that no broker can lead, since its log directory is offline
// (PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE). The answer names
// each partition once. Null in place of the list asks for all partitions; the answer
// then names only those that need an election.
//
// Missing on purpose: elections of another replica. A partition of klamm has one
// replica.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// The kinds of election. Version 0 has only the first.
const (
	electPreferred = 0
	electUnclean   = 1
)

// ElectLeaders serves ElectLeaders: see above.
func (s *Service) ElectLeaders(_ *request.Call, req *kmsg.ElectLeadersRequest) kmsg.Response {
	resp := kmsg.NewPtrElectLeadersResponse()
	results := newByTopic(&resp.Topics, func(topic string) kmsg.ElectLeadersResponseTopic {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = topic
		return t
	})
	meta := s.broker.Metadata()
	add := func(tp protocol.TopicPartition, err error) {
		out := kmsg.NewElectLeadersResponseTopicPartition()
		out.Partition, out.ErrorCode, out.ErrorMessage = tp.Partition, codes.Of(err), codes.Message(err)
		t := results.of(tp.Topic)
		t.Partitions = append(t.Partitions, out)
	}
	if req.Version > 0 && req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
	}
	if req.Topics == nil {
		for topic := range meta.Topics() {
			for p := range topic.Partitions.All() {
				if resp.ErrorCode == 0 && p.Leader == cluster.NoLeader {
					add(protocol.TopicPartition{Topic: topic.Name, Partition: p.Index}, elects(p, req.ElectionType))
				}
			}
		}
		return resp
	}
	answered := make(map[protocol.TopicPartition]bool)
	for i := range req.Topics {
		for _, n := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: n}
			switch {
			case answered[tp]:
			case resp.ErrorCode != 0:
				add(tp, kerr.InvalidRequest)
			default:
				add(tp, elects(meta.Partition(tp), req.ElectionType))
			}
			answered[tp] = true
		}
	}
	return resp
}

// elects returns the error with which the election of a partition's leader ends. There is always one, since the
// partition has one replica.
func elects(p *cluster.Partition, kind int8) error {
	switch {
	case p == nil:
		return codes.Refuse(kerr.UnknownTopicOrPartition, "The partition does not exist.")
	case p.Leader != cluster.NoLeader:
		return kerr.ElectionNotNeeded
	case kind == electUnclean:
		return codes.Refuse(kerr.EligibleLeadersNotAvailable, "No replica of the partition can lead it.")
	}
	return codes.Refuse(kerr.PreferredLeaderNotAvailable, "The preferred replica cannot lead the partition.")
}
