package groups

// ConsumerGroupHeartbeat: key 68, versions 0 to 1, flexible from 0 (KIP-848).
//
//	1 a regular expression for topics; the member makes its id itself
//
// Refused: everything (UNSUPPORTED_VERSION), as Apache Kafka refuses it in a
// cluster on ZooKeeper. Such a broker announces the API all the same, since clients
// tell a broker's version by what it announces.
//
// Missing on purpose: the consumer groups of KIP-848.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// ConsumerGroupHeartbeat serves ConsumerGroupHeartbeat: see above.
func (*Service) ConsumerGroupHeartbeat(*request.Call, *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	return resp
}
