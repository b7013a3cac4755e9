package admin

// ListPartitionReassignments: key 46, version 0, flexible from there (KIP-455).
//
// Refused: nothing.
//
// Missing on purpose: reassignments. A broker alone has no other broker to move a
// replica to, so the answer always is that no reassignment is under way.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// ListPartitionReassignments serves ListPartitionReassignments: see above.
func (*Service) ListPartitionReassignments(*request.Call, *kmsg.ListPartitionReassignmentsRequest) kmsg.Response {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	resp.ErrorMessage = kmsg.StringPtr("") // as the reference says
	return resp
}
