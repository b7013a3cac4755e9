package peer

// ControlledShutdown: key 7, versions 0 to 3. A broker that is about to stop asks the controller to move its leaderships away,
// and is told which it has still.
//
//	0  a header without a client id
//	1  a header as others have it
//	2  broker epoch
//	3  flexible
//
// Refused, in this order: on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED); by a broker that is not the
// controller (STALE_CONTROLLER_EPOCH, where other requests get NOT_CONTROLLER); a broker epoch below the broker's, unless it
// is -1 (STALE_BROKER_EPOCH); a broker that is not registered (BROKER_NOT_AVAILABLE).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/server/codes"
	"klamm/server/request"
)

// ControlledShutdown serves ControlledShutdown: see above.
func (s *Service) ControlledShutdown(c *request.Call, req *kmsg.ControlledShutdownRequest) kmsg.Response {
	if err := admit(c); err != nil {
		return order.ControlledShutdownAnswer(nil, err, req.Version, codes.Of)
	}
	ctx, cancel := s.wait()
	defer cancel()
	remaining, err := s.o.Broker.ControlledShutdown(ctx, order.ControlledShutdownFromWire(req))
	return order.ControlledShutdownAnswer(remaining, s.unexpected(c, err), req.Version, codes.Of)
}
