package txn

// EndTxn: key 26, versions 0 to 5.
//
//	1 throttling happens after the answer
//	2 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	3 flexible
//	4 TRANSACTION_ABORTABLE may be answered
//	5 the id and epoch to go on with (KIP-890)
//
// Refused, in this order: an empty transactional id (INVALID_REQUEST), any other
// (NOT_COORDINATOR).
//
// Missing on purpose: transactions. This broker coordinates none, and says so as
// any broker does that is not the coordinator.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// EndTxn serves EndTxn: see above.
func (*Service) EndTxn(_ *request.Call, req *kmsg.EndTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrEndTxnResponse()
	resp.ErrorCode = codes.Of(refusesTransaction(req.TransactionalID))
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	return resp
}
