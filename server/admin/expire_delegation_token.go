package admin

// ExpireDelegationToken: key 40, versions 0 to 2.
//
//	1 throttling happens after the answer
//	2 flexible
//
// Refused: everything (DELEGATION_TOKEN_REQUEST_NOT_ALLOWED), as Apache Kafka
// refuses it on a listener that authenticates nobody.
//
// Missing on purpose: delegation tokens.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// ExpireDelegationToken serves ExpireDelegationToken: see above.
func (*Service) ExpireDelegationToken(*request.Call, *kmsg.ExpireDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrExpireDelegationTokenResponse()
	resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, noTokenTime
	return resp
}
