package groups

// ConsumerGroupDescribe: key 69, versions 0 to 1, flexible from 0 (KIP-848).
//
//	1 whether a member is of the classic kind
//
// Refused: each group (UNSUPPORTED_VERSION), as Apache Kafka refuses it in a
// cluster on ZooKeeper. Such a broker announces the API all the same, since clients
// tell a broker's version by what it announces. A client that is refused asks
// DescribeGroups for a classic group next.
//
// Missing on purpose: the consumer groups of KIP-848.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// ConsumerGroupDescribe serves ConsumerGroupDescribe: see above.
func (*Service) ConsumerGroupDescribe(_ *request.Call, req *kmsg.ConsumerGroupDescribeRequest) kmsg.Response {
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	for _, group := range req.Groups {
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group, out.ErrorCode = group, kerr.UnsupportedVersion.Code
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
