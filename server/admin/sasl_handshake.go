package admin

// SaslHandshake: key 17, versions 0 to 1.
//
//	1 the client and the broker go on by SaslAuthenticate (KIP-152)
//
// Refused: everything (ILLEGAL_SASL_STATE). A listener without SASL makes no
// handshakes, and Apache Kafka answers the same.
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
