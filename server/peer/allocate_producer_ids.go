package peer

// AllocateProducerIds: key 67, version 0. A broker asks the controller for a block of producer ids (KIP-730).
//
// Refused, in this order: on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED); by a broker that is not the
// controller (NOT_CONTROLLER); a broker that is not registered (BROKER_ID_NOT_REGISTERED); another broker epoch than the
// broker's (STALE_BROKER_EPOCH).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/server/codes"
	"klamm/server/request"
)

// AllocateProducerIDs serves AllocateProducerIds: see above.
func (s *Service) AllocateProducerIDs(c *request.Call, req *kmsg.AllocateProducerIDsRequest) kmsg.Response {
	if err := admit(c); err != nil {
		return order.ProducerIDsAnswer(order.ProducerIDs{}, err, req.Version, codes.Of)
	}
	ctx, cancel := s.wait()
	defer cancel()
	block, err := s.o.Broker.AllocateProducerIDs(ctx, req.BrokerID, req.BrokerEpoch)
	return order.ProducerIDsAnswer(block, s.unexpected(c, err), req.Version, codes.Of)
}
