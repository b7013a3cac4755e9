package admin

// ListPartitionReassignments: key 46, version 0, flexible from there (KIP-455).
//
// Refused: the whole request, where this broker is not the controller (NOT_CONTROLLER).
// Null in place of the list asks for all partitions. Partitions that are not being
// reassigned, or do not exist, are not in the answer.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// ListPartitionReassignments serves ListPartitionReassignments: see above.
func (s *Service) ListPartitionReassignments(c *request.Call, req *kmsg.ListPartitionReassignmentsRequest) kmsg.Response {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	named := namedPartitions(req.Topics, func(t *kmsg.ListPartitionReassignmentsRequestTopic) (string, []int32) { return t.Topic, t.Partitions })
	ctx, cancel := s.within(c.Who(), req.TimeoutMillis)
	defer cancel()
	list, err := s.broker.Reassignments(ctx, named)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = codes.Of(err), codes.Message(err)
		return resp
	}
	resp.ErrorMessage = kmsg.StringPtr("") // as the reference says
	topics := newByTopic(&resp.Topics, func(topic string) kmsg.ListPartitionReassignmentsResponseTopic {
		t := kmsg.NewListPartitionReassignmentsResponseTopic()
		t.Topic = topic
		return t
	})
	for _, r := range list {
		out := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		out.Partition, out.Replicas, out.AddingReplicas, out.RemovingReplicas = r.Partition, r.Replicas, r.Adding, r.Removing
		t := topics.of(r.Topic)
		t.Partitions = append(t.Partitions, out)
	}
	return resp
}
