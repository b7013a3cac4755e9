package admin

// ElectLeaders: key 43, versions 0 to 2 (KIP-183).
//
//	1 unclean elections (KIP-460); an error for the whole request
//	2 flexible
//
// Refused, in this order: an unknown kind of election (INVALID_REQUEST, for each
// partition that is named); every partition, where this broker is not the controller
// (NOT_CONTROLLER); then partition by partition, by the controller, one that does not
// exist (UNKNOWN_TOPIC_OR_PARTITION), one whose topic is being deleted
// (INVALID_TOPIC_EXCEPTION), one whose leader is as it should be (ELECTION_NOT_NEEDED),
// and one that no replica can lead (PREFERRED_LEADER_NOT_AVAILABLE,
// ELIGIBLE_LEADERS_NOT_AVAILABLE). A leader that this broker does not show when the
// client's time is up leads all the same, and the answer is REQUEST_TIMED_OUT; so it is of
// every election with a timeout of 0 or less. The answer names each partition once. Null in
// place of the list asks for all partitions; the answer then names only those that need an
// election.
//
// Nothing is missing.

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
func (s *Service) ElectLeaders(c *request.Call, req *kmsg.ElectLeadersRequest) kmsg.Response {
	resp := kmsg.NewPtrElectLeadersResponse()
	topics := newByTopic(&resp.Topics, func(topic string) kmsg.ElectLeadersResponseTopic {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = topic
		return t
	})
	for _, res := range s.electLeaders(c, req, resp) {
		out := kmsg.NewElectLeadersResponseTopicPartition()
		out.Partition, out.ErrorCode, out.ErrorMessage = res.Partition, codes.Of(res.Err), codes.Message(res.Err)
		t := topics.of(res.Topic)
		t.Partitions = append(t.Partitions, out)
	}
	return resp
}

// electLeaders returns the outcome for each partition of the answer.
func (s *Service) electLeaders(c *request.Call, req *kmsg.ElectLeadersRequest, resp *kmsg.ElectLeadersResponse) []cluster.ElectionResult {
	named := namedPartitions(req.Topics, func(t *kmsg.ElectLeadersRequestTopic) (string, []int32) { return t.Topic, t.Partitions })
	kind := req.ElectionType
	if req.Version == 0 {
		kind = electPreferred
	}
	if kind != electPreferred && kind != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return electionsFailed(named, kerr.InvalidRequest)
	}
	ctx, cancel := s.within(c.Who(), req.TimeoutMillis)
	defer cancel()
	results, err := s.broker.ElectLeaders(ctx, named, kind == electUnclean)
	if err == nil {
		return results
	}
	if named == nil {
		for topic := range s.broker.Metadata().Topics() {
			for p := range topic.Partitions.All() {
				named = append(named, protocol.TopicPartition{Topic: topic.Name, Partition: p.Index})
			}
		}
	}
	return electionsFailed(named, err)
}

// electionsFailed returns one outcome for all partitions.
func electionsFailed(partitions []protocol.TopicPartition, err error) []cluster.ElectionResult {
	results := make([]cluster.ElectionResult, len(partitions))
	for i, tp := range partitions {
		results[i] = cluster.ElectionResult{TopicPartition: tp, Err: err}
	}
	return results
}
