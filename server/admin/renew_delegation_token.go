package admin

// RenewDelegationToken: key 39, versions 0 to 2.
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

// RenewDelegationToken serves RenewDelegationToken: see above.
func (*Service) RenewDelegationToken(*request.Call, *kmsg.RenewDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrRenewDelegationTokenResponse()
	resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, noTokenTime
	return resp
}
