package peer

// AlterPartition: key 56, versions 0 to 3. A leader asks the controller for changes of ISRs (KIP-497).
//
//	1  recovery state (KIP-704)
//	2  topic ids instead of names; INELIGIBLE_REPLICA (KIP-841)
//	3  an epoch with each replica of the ISR, which nobody compares while ZooKeeper holds the metadata (KIP-903)
//
// Refused, in this order: the whole request, on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED), by a broker
// that is not the controller (NOT_CONTROLLER), and for another broker epoch than the broker's (STALE_BROKER_EPOCH). Partition
// by partition, an unknown topic id (UNKNOWN_TOPIC_ID) or partition (UNKNOWN_TOPIC_OR_PARTITION), a leader or partition epoch
// that this controller does not know yet (NOT_CONTROLLER), a leader epoch below the partition's (FENCED_LEADER_EPOCH), a
// partition epoch below it, unless the ISR is as asked already (INVALID_UPDATE_VERSION), a recovery state that cannot be
// (INVALID_REQUEST), and a replica that is not live (INELIGIBLE_REPLICA, before version 2 OPERATION_NOT_ATTEMPTED).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/server/codes"
	"klamm/server/request"
)

// AlterPartition serves AlterPartition: see above.
func (s *Service) AlterPartition(c *request.Call, req *kmsg.AlterPartitionRequest) kmsg.Response {
	r := order.AlterPartitionFromWire(req)
	if err := admit(c); err != nil {
		return r.WireAnswer(nil, err, req.Version, codes.Of)
	}
	ctx, cancel := s.wait()
	defer cancel()
	results, err := s.o.Broker.AlterPartition(ctx, r)
	return r.WireAnswer(results, s.unexpected(c, err), req.Version, codes.Of)
}
