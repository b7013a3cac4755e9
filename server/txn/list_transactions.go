package txn

// ListTransactions: key 66, versions 0 to 2, flexible from 0 (KIP-664).
//
//	1 how long a transaction is open at least (KIP-994)
//	2 a regular expression for transactional ids (KIP-1152)
//
// Refused: a text that is no regular expression of RE2, or is longer than 32 KiB
// (INVALID_REGULAR_EXPRESSION). The answer names the states that are asked for and
// unknown.
//
// Missing on purpose: transactions. This broker coordinates none, and lists none.

import (
	"regexp/syntax"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// transactionStates are the states by their names.
var transactionStates = map[string]bool{
	"Empty": true, "Ongoing": true, "PrepareCommit": true, "PrepareAbort": true,
	"CompleteCommit": true, "CompleteAbort": true, "Dead": true, "PrepareEpochFence": true,
}

// maxPatternBytes bounds a regular expression: parsed, it takes some hundred times its length.
const maxPatternBytes = 1 << 15

// ListTransactions serves ListTransactions: see above.
func (*Service) ListTransactions(_ *request.Call, req *kmsg.ListTransactionsRequest) kmsg.Response {
	resp := kmsg.NewPtrListTransactionsResponse()
	if p := req.TransactionalIDPattern; p != nil {
		valid := len(*p) <= maxPatternBytes
		if valid {
			_, err := syntax.Parse(*p, syntax.Perl)
			valid = err == nil
		}
		if !valid {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp
		}
	}
	named := make(map[string]bool)
	for _, state := range req.StateFilters {
		if !transactionStates[state] && !named[state] {
			named[state] = true
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, state)
		}
	}
	return resp
}
