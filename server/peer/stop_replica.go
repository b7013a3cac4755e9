package peer

// StopReplica: key 5, versions 0 to 4. The controller tells this broker to stop serving partitions, and to delete their logs.
//
//	1  broker epoch; partitions grouped by topic
//	2  flexible
//	3  a state for each partition: leader epoch, whether to delete the log (KIP-570)
//	4  whether a KRaft controller asks (KIP-866)
//
// Refused, in this order: the whole request, on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED), for a
// broker epoch below this broker's (STALE_BROKER_EPOCH), and for a controller epoch below the highest that this broker has
// seen (STALE_CONTROLLER_EPOCH); the answer then names no partition. Partition by partition, a log directory that failed
// (KAFKA_STORAGE_ERROR), and a leader epoch below the partition's, except -1 and -2 (FENCED_LEADER_EPOCH). A partition that is
// not here counts as stopped, and its log is deleted all the same.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
)

// StopReplica serves StopReplica: see above.
func (s *Service) StopReplica(c *request.Call, req *protocol.StopReplicaRequest) kmsg.Response {
	r := order.StopReplicaFromWire(req)
	if err := admit(c); err != nil {
		return r.WireAnswer(order.Answer{Err: err}, req.Version, codes.Of)
	}
	answer := s.o.Broker.StopReplica(r)
	s.noteFailures(c, answer)
	return r.WireAnswer(answer, req.Version, codes.Of)
}
