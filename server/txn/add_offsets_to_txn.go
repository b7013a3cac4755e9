package txn

// AddOffsetsToTxn: key 25, versions 0 to 4.
//
//	1 throttling happens after the answer
//	2 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	3 flexible
//	4 TRANSACTION_ABORTABLE may be answered
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

// AddOffsetsToTxn serves AddOffsetsToTxn: see above.
func (*Service) AddOffsetsToTxn(_ *request.Call, req *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	resp.ErrorCode = codes.Of(refusesTransaction(req.TransactionalID))
	return resp
}
