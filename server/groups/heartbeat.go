package groups

// Heartbeat: key 12, versions 0 to 4.
//
//	1 throttle time
//	3 instance id (KIP-345)
//	4 flexible
//
// Refused, in this order: an empty group id (INVALID_GROUP_ID); a coordinator
// that stops (COORDINATOR_NOT_AVAILABLE) or is another (NOT_COORDINATOR), while
// one that reads the group's records believes everybody; a member of no group, or
// none of it (UNKNOWN_MEMBER_ID), or whose instance id another has
// (FENCED_INSTANCE_ID); another generation (ILLEGAL_GENERATION). A member that is
// to join anew is told REBALANCE_IN_PROGRESS. See groupcoord.
//
// Missing on purpose: nothing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

// Heartbeat serves Heartbeat: see above.
func (s *Service) Heartbeat(_ *request.Call, req *kmsg.HeartbeatRequest) kmsg.Response {
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.ErrorCode = codes.Of(s.groups.Heartbeat(&groupcoord.HeartbeatRequest{
		Group: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID, Generation: req.Generation,
	}))
	return resp
}
