package admin

// CreateDelegationToken: key 38, versions 0 to 3.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 the owner may be another principal than the requester (KIP-373)
//
// Refused: everything (DELEGATION_TOKEN_REQUEST_NOT_ALLOWED), as Apache Kafka
// refuses it on a listener that authenticates nobody. The answer names the owner
// and the requester.
//
// Missing on purpose: delegation tokens.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// The principal of a client that did not authenticate.
const (
	userType  = "User"
	anonymous = "ANONYMOUS"
)

// noTokenTime stands for each timestamp of a token in an answer that has no token.
const noTokenTime = -1

// CreateDelegationToken serves CreateDelegationToken: see above.
func (*Service) CreateDelegationToken(_ *request.Call, req *kmsg.CreateDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrCreateDelegationTokenResponse()
	resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
	resp.PrincipalType, resp.PrincipalName = userType, anonymous
	if name := req.OwnerPrincipalName; name != nil && *name != "" {
		resp.PrincipalName = *name
		if req.OwnerPrincipalType != nil {
			resp.PrincipalType = *req.OwnerPrincipalType
		}
	}
	resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName = userType, anonymous
	resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = noTokenTime, noTokenTime, noTokenTime
	return resp
}
