package admin

// AlterPartitionReassignments: key 45, versions 0 to 1, flexible from 0 (KIP-455).
//
//	1 whether the number of replicas may change (KIP-860)
//
// Refused, partition by partition, in this order: an empty list of replicas, a broker
// that the list names twice, a negative broker id, a broker that is not live
// (INVALID_REPLICA_ASSIGNMENT); a reassignment to be cancelled, since none is under
// way (NO_REASSIGNMENT_IN_PROGRESS); a partition that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION); other replicas than the partition has
// (INVALID_REPLICA_ASSIGNMENT). If a request names a partition more than once, the last
// mention counts.
//
// Missing on purpose: reassignments. A broker alone has no other broker to move a
// replica to, so a client can assign a partition only to the replicas that it has.

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// AlterPartitionReassignments serves AlterPartitionReassignments: see above.
func (s *Service) AlterPartitionReassignments(_ *request.Call, req *kmsg.AlterPartitionAssignmentsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	if req.Version == 0 {
		resp.ErrorMessage = kmsg.StringPtr("") // as the reference says
	}
	topics := newByTopic(&resp.Topics, func(topic string) kmsg.AlterPartitionAssignmentsResponseTopic {
		t := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		t.Topic = topic
		return t
	})
	places := make(map[protocol.TopicPartition]int)
	meta := s.broker.Metadata()
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			tp := protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}
			out := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			err := reassigns(meta, tp, p.Replicas)
			out.Partition, out.ErrorCode, out.ErrorMessage = p.Partition, codes.Of(err), codes.Message(err)
			t := topics.of(tp.Topic)
			if at, named := places[tp]; named {
				t.Partitions[at] = out
				continue
			}
			places[tp] = len(t.Partitions)
			t.Partitions = append(t.Partitions, out)
		}
	}
	return resp
}

// reassigns returns the reason why a partition cannot get these replicas; nil if it has them already.
func reassigns(meta *cluster.Metadata, tp protocol.TopicPartition, replicas []int32) error {
	var current []int32
	p := meta.Partition(tp)
	if p != nil {
		current = p.Replicas
	}
	if replicas != nil {
		if err := refusesReplicas(meta, current, replicas); err != nil {
			return err
		}
	}
	switch {
	case replicas == nil:
		return kerr.NoReassignmentInProgress
	case p == nil:
		return codes.Refuse(kerr.UnknownTopicOrPartition, "The partition does not exist.")
	case !slices.Equal(current, replicas):
		return codes.Refuse(kerr.InvalidReplicaAssignment, "klamm moves no replicas to other brokers.")
	}
	return nil
}

// refusesReplicas returns the reason why no partition can have these replicas; nil for none.
func refusesReplicas(meta *cluster.Metadata, current, replicas []int32) error {
	if len(replicas) == 0 {
		return codes.Refuse(kerr.InvalidReplicaAssignment, "The list of replicas is empty.")
	}
	seen := make(map[int32]bool, len(replicas))
	for _, id := range replicas {
		if seen[id] {
			return codes.Refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("Broker %d is named twice.", id))
		}
		seen[id] = true
	}
	for _, id := range replicas {
		live := slices.ContainsFunc(meta.Brokers, func(b cluster.BrokerInfo) bool { return b.ID == id })
		if id < 0 || !live && !slices.Contains(current, id) {
			return codes.Refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("Broker %d is not live.", id))
		}
	}
	return nil
}
