package peer

// UpdateMetadata: key 6, versions 0 to 8. The controller tells this broker what the cluster looks like.
//
//	1  several addresses of a broker, by security protocol
//	2  rack
//	3  names of listeners
//	4  offline replicas
//	5  broker epoch; partitions grouped by topic
//	6  flexible
//	7  topic ids
//	8  whether a KRaft controller asks (KIP-866)
//
// Refused, in this order: a request on a listener that is not for brokers (CLUSTER_AUTHORIZATION_FAILED), before version 3 a
// security protocol that Kafka does not have (the connection is closed), a broker epoch below this broker's
// (STALE_BROKER_EPOCH), a controller epoch below the highest that this broker has seen (STALE_CONTROLLER_EPOCH), and a number
// of a partition that no topic has (UNKNOWN_SERVER_ERROR).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/server/codes"
	"klamm/server/request"
)

// UpdateMetadata serves UpdateMetadata: see above.
func (s *Service) UpdateMetadata(c *request.Call, req *kmsg.UpdateMetadataRequest) (kmsg.Response, error) {
	if err := admit(c); err != nil {
		return order.UpdateMetadataAnswer(err, req.Version, codes.Of), nil
	}
	r, err := order.UpdateMetadataFromWire(req)
	if err != nil {
		return nil, err
	}
	err = s.o.Broker.UpdateMetadata(r)
	return order.UpdateMetadataAnswer(s.unexpected(c, err), req.Version, codes.Of), nil
}
