package admin

// DeleteAcls: key 31, versions 0 to 3.
//
//	1 the type of a resource's pattern (KIP-290); throttling happens after the answer
//	2 flexible
//	3 users as resources (KIP-373)
//
// Refused, in this order: a type, an operation or a permission with the code 0,
// "unknown" (the connection is closed); each filter (SECURITY_DISABLED).
//
// Missing on purpose: ACLs. The broker has no authorizer, and answers as Apache
// Kafka without one does.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// DeleteACLs serves DeleteAcls: see above.
func (*Service) DeleteACLs(_ *request.Call, req *kmsg.DeleteACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteACLsResponse()
	for i := range req.Filters {
		f := &req.Filters[i]
		if err := knownACL(req.Version, f.ResourceType, f.ResourcePatternType, f.Operation, f.PermissionType); err != nil {
			return nil, err
		}
		result := kmsg.NewDeleteACLsResponseResult()
		result.ErrorCode, result.ErrorMessage = codes.Of(errNoAuthorizer), codes.Message(errNoAuthorizer)
		resp.Results = append(resp.Results, result)
	}
	return resp, nil
}
