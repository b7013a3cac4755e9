package groups

// Heartbeat: key 12, versions 0 to 4.
//
//	1 throttle time
//	3 instance id (KIP-345)
//	4 flexible
//
// Refused, in this order: an empty group id (INVALID_GROUP_ID); if this broker stops
// (COORDINATOR_NOT_AVAILABLE) or is not the group's coordinator (NOT_COORDINATOR); a
// member of a group that does not exist, or of which it is no member
// (UNKNOWN_MEMBER_ID); a member whose instance id another member has
// (FENCED_INSTANCE_ID); another generation than the group's (ILLEGAL_GENERATION); a
// member that has to join again (REBALANCE_IN_PROGRESS). While the broker still reads
// the group's records, it refuses no member. See groupcoord.
//
// Nothing is missing.

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
