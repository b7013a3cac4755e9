package admin

// DescribeDelegationToken: key 41, versions 0 to 3.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 who asked for each token (KIP-373)
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

// DescribeDelegationToken serves DescribeDelegationToken: see above.
func (*Service) DescribeDelegationToken(*request.Call, *kmsg.DescribeDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeDelegationTokenResponse()
	resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
	return resp
}
