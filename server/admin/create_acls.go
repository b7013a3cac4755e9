package admin

// CreateAcls: key 30, versions 0 to 3.
//
//	1 the type of a resource's pattern (KIP-290); throttling happens after the answer
//	2 flexible
//	3 users as resources (KIP-373)
//
// Refused, in this order: a type, an operation or a permission with the code 0,
// "unknown" (the connection is closed); each ACL (SECURITY_DISABLED).
//
// Missing on purpose: ACLs. The broker has no authorizer, and answers as Apache
// Kafka without one does.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// CreateACLs serves CreateAcls: see above.
func (*Service) CreateACLs(_ *request.Call, req *kmsg.CreateACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrCreateACLsResponse()
	for i := range req.Creations {
		acl := &req.Creations[i]
		if err := knownACL(req.Version, acl.ResourceType, acl.ResourcePatternType, acl.Operation, acl.PermissionType); err != nil {
			return nil, err
		}
		result := kmsg.NewCreateACLsResponseResult()
		result.ErrorCode, result.ErrorMessage = codes.Of(errNoAuthorizer), codes.Message(errNoAuthorizer)
		resp.Results = append(resp.Results, result)
	}
	return resp, nil
}
