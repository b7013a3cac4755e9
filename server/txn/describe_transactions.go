package txn

// DescribeTransactions: key 65, version 0, flexible from there (KIP-664).
//
// Refused, id by id, in this order: an empty one (INVALID_REQUEST), any other
// (NOT_COORDINATOR).
//
// Missing on purpose: transactions. This broker coordinates none, and says so as
// any broker does that is not the coordinator.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// DescribeTransactions serves DescribeTransactions: see above.
func (*Service) DescribeTransactions(_ *request.Call, req *kmsg.DescribeTransactionsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	for _, id := range req.TransactionalIDs {
		out := kmsg.NewDescribeTransactionsResponseTransactionState()
		out.TransactionalID, out.ErrorCode = id, codes.Of(refusesTransaction(id))
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp
}
