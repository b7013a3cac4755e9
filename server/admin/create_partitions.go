package admin

// CreatePartitions: key 37, versions 0 to 3.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 THROTTLING_QUOTA_EXCEEDED may be answered
//
// Refused, in this order, topic by topic: a topic that is named twice (INVALID_REQUEST,
// answered once); a topic that is being deleted (INVALID_TOPIC_EXCEPTION); an unknown
// topic (UNKNOWN_TOPIC_OR_PARTITION); a topic with a partition that is being reassigned
// (REASSIGNMENT_IN_PROGRESS); a count that is not above the topic's number of partitions
// (INVALID_PARTITIONS); an assignment with unknown brokers, with too few or too many
// partitions, or with another number of replicas than the topic has
// (INVALID_REPLICA_ASSIGNMENT). Where a partition has no leader when the client's time is
// up, and always with a timeout of 0 or less, the partitions are created and the answer is
// REQUEST_TIMED_OUT.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/request"
)

// CreatePartitions serves CreatePartitions: see above.
func (s *Service) CreatePartitions(c *request.Call, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := kmsg.NewPtrCreatePartitionsResponse()
	times := make(map[string]int, len(req.Topics))
	for i := range req.Topics {
		times[req.Topics[i].Topic]++
	}
	var wanted []cluster.NewPartitions
	var places []int
	for i := range req.Topics {
		in := &req.Topics[i]
		n := times[in.Topic]
		delete(times, in.Topic)
		if n == 0 {
			continue // the answer has the topic where it was named first
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = in.Topic
		if n > 1 {
			err := codes.Refuse(kerr.InvalidRequest, "The request names this topic more than once.")
			out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		} else {
			wanted, places = append(wanted, newPartitions(in)), append(places, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, out)
	}
	if len(wanted) == 0 {
		return resp
	}
	ctx, cancel := s.within(c.Who(), req.TimeoutMillis)
	defer cancel()
	for i, res := range s.broker.CreatePartitions(ctx, wanted, req.ValidateOnly) {
		out := &resp.Topics[places[i]]
		out.ErrorCode, out.ErrorMessage = codes.Of(res.Err), codes.Message(res.Err)
	}
	return resp
}

// newPartitions returns what the controller is asked to create. A null assignment leaves
// the choice of replicas to the controller; an empty one assigns none.
func newPartitions(in *kmsg.CreatePartitionsRequestTopic) cluster.NewPartitions {
	p := cluster.NewPartitions{Topic: in.Topic, Count: in.Count}
	if in.Assignment != nil {
		p.Assignment = make([][]int32, 0, len(in.Assignment))
	}
	for _, a := range in.Assignment {
		p.Assignment = append(p.Assignment, a.Replicas)
	}
	return p
}
