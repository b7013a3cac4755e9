package admin

// AlterPartitionReassignments: key 45, versions 0 to 1, flexible from 0 (KIP-455).
//
//	1 whether the number of replicas may change (KIP-860)
//
// Refused: the whole request, where this broker is not the controller (NOT_CONTROLLER);
// then partition by partition, by the controller, in this order: an empty list of
// replicas, a broker that the list names twice, a negative broker id, a new replica on a
// broker that is not live (INVALID_REPLICA_ASSIGNMENT); another number of replicas, if
// the request says that it may not change (INVALID_REPLICATION_FACTOR); a reassignment to
// be cancelled, where none is under way (NO_REASSIGNMENT_IN_PROGRESS); a partition that
// does not exist, or whose topic is being deleted (UNKNOWN_TOPIC_OR_PARTITION). If a
// request names a partition more than once, the last mention counts.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// AlterPartitionReassignments serves AlterPartitionReassignments: see above.
func (s *Service) AlterPartitionReassignments(c *request.Call, req *kmsg.AlterPartitionAssignmentsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	list := reassignmentsOf(req)
	ctx, cancel := s.within(c.Who(), req.TimeoutMillis)
	defer cancel()
	results, err := s.broker.AlterReassignments(ctx, list, req.Version > 0 && !req.AllowReplicationFactorChange)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = codes.Of(err), codes.Message(err)
		return resp
	}
	if req.Version == 0 {
		resp.ErrorMessage = kmsg.StringPtr("") // as the reference says
	}
	topics := newByTopic(&resp.Topics, func(topic string) kmsg.AlterPartitionAssignmentsResponseTopic {
		t := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		t.Topic = topic
		return t
	})
	for i, err := range results {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
		out.Partition, out.ErrorCode, out.ErrorMessage = list[i].Partition, codes.Of(err), codes.Message(err)
		t := topics.of(list[i].Topic)
		t.Partitions = append(t.Partitions, out)
	}
	return resp
}

// reassignmentsOf returns what a request asks for, each partition once.
func reassignmentsOf(req *kmsg.AlterPartitionAssignmentsRequest) []cluster.Reassignment {
	var list []cluster.Reassignment
	places := make(map[protocol.TopicPartition]int)
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}
			at, named := places[tp]
			if !named {
				at = len(list)
				places[tp] = at
				list = append(list, cluster.Reassignment{TopicPartition: tp})
			}
			list[at].Replicas = p.Replicas
		}
	}
	return list
}
