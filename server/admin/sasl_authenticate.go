package admin

// SaslAuthenticate: key 36, versions 0 to 2.
//
//	1 how long the session lasts (KIP-368)
//	2 flexible
//
// Refused: everything (ILLEGAL_SASL_STATE). On a listener without SASL nobody
// authenticates, and Apache Kafka answers the same.
//
// Missing on purpose: SASL.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

var errNoSASL = codes.Refuse(kerr.IllegalSaslState, "This listener has no SASL.")

// SASLAuthenticate serves SaslAuthenticate: see above.
func (*Service) SASLAuthenticate(*request.Call, *kmsg.SASLAuthenticateRequest) kmsg.Response {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.ErrorCode, resp.ErrorMessage = codes.Of(errNoSASL), codes.Message(errNoSASL)
	return resp
}
