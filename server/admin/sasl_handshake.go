package admin

// SaslHandshake: key 17, versions 0 to 1.
//
//	1 SaslAuthenticate carries what the client and the broker tell each other next (KIP-152)
//
// Refused: everything (ILLEGAL_SASL_STATE). On a listener without SASL there is
// no handshake to be had, and Apache Kafka answers the same.
//
// Missing on purpose: SASL.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// SASLHandshake serves SaslHandshake: see above.
func (*Service) SASLHandshake(*request.Call, *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.ErrorCode = kerr.IllegalSaslState.Code
	return resp
}
