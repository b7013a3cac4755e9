package admin

// DescribeAcls: key 29, versions 0 to 3.
//
//	1 the type of a resource's pattern (KIP-290); throttling happens after the answer
//	2 flexible
//	3 users as resources (KIP-373)
//
// Refused, in this order: a type, an operation or a permission with the code 0,
// "unknown" (the connection is closed); everything else (SECURITY_DISABLED).
//
// Missing on purpose: ACLs. The broker has no authorizer, and answers as Apache
// Kafka without one does.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// DescribeACLs serves DescribeAcls: see above.
func (*Service) DescribeACLs(_ *request.Call, req *kmsg.DescribeACLsRequest) (kmsg.Response, error) {
	if err := knownACL(req.Version, req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType); err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrDescribeACLsResponse()
	resp.ErrorCode, resp.ErrorMessage = codes.Of(errNoAuthorizer), codes.Message(errNoAuthorizer)
	return resp, nil
}
