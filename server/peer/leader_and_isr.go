package peer

// LeaderAndIsr: key 4, versions 0 to 7. The controller tells this broker what it is in partitions.
//
//	1  a partition may be new
//	2  broker epoch; partitions grouped by topic
//	3  replicas that a reassignment adds and removes (KIP-455)
//	4  flexible
//	5  topic ids, by which the answer names topics; a type that only a KRaft controller sets
//	6  recovery state (KIP-704)
//	7  whether a KRaft controller asks (KIP-866)
//
// Refused, in this order: the whole request, on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED), for a
// broker epoch below this broker's (STALE_BROKER_EPOCH), and for a controller epoch below the highest that this broker has
// seen (STALE_CONTROLLER_EPOCH); the answer then has this code with each partition too. Partition by partition, a log of
// another topic id (INCONSISTENT_TOPIC_ID), a leader epoch that is not above the partition's (STALE_CONTROLLER_EPOCH), an
// assignment without this broker (UNKNOWN_TOPIC_OR_PARTITION), and a log directory that failed (KAFKA_STORAGE_ERROR).
//
// Missing on purpose: the migration to KRaft, with the deletion of strays that an order of type 2 asks for.
//
// An order may come a second time, when the controller did not get the answer to the first.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/server/codes"
	"klamm/server/request"
)

// LeaderAndISR serves LeaderAndIsr: see above.
func (s *Service) LeaderAndISR(c *request.Call, req *kmsg.LeaderAndISRRequest) kmsg.Response {
	r := order.LeaderAndISRFromWire(req)
	if err := admit(c); err != nil {
		return r.WireAnswer(order.Answer{Err: err}, req.Version, codes.Of)
	}
	answer := s.o.Broker.LeaderAndISR(r)
	s.noteFailures(c, answer)
	return r.WireAnswer(answer, req.Version, codes.Of)
}
