package groups

// LeaveGroup: key 13, versions 0 to 5.
//
//	1 throttle time
//	3 several members, by their instance ids too (KIP-345), with an error for each
//	4 flexible
//	5 reason (KIP-800)
//
// Refused, in this order: an empty group id (INVALID_GROUP_ID); if this broker stops
// (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR); then member by member, a member of a group that does not exist,
// or of which it is no member (UNKNOWN_MEMBER_ID); a member whose instance id another
// member has (FENCED_INSTANCE_ID). Before version 3 the answer has the member's error
// at the top. See groupcoord.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

// leaveSeveral is the first version in which several members may leave.
const leaveSeveral = 3

// LeaveGroup serves LeaveGroup: see above.
func (s *Service) LeaveGroup(_ *request.Call, req *kmsg.LeaveGroupRequest) kmsg.Response {
	resp := kmsg.NewPtrLeaveGroupResponse()
	var leavers []groupcoord.Leaver
	if req.Version < leaveSeveral {
		leavers = []groupcoord.Leaver{{MemberID: req.MemberID}}
	}
	for _, m := range req.Members {
		l := groupcoord.Leaver{MemberID: m.MemberID, InstanceID: m.InstanceID}
		if m.Reason != nil {
			l.Reason = *m.Reason
		}
		leavers = append(leavers, l)
	}
	errs, err := s.groups.Leave(req.Group, leavers)
	resp.ErrorCode = codes.Of(err)
	for i, err := range errs {
		if req.Version < leaveSeveral {
			resp.ErrorCode = codes.Of(err)
			break
		}
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID, m.ErrorCode = leavers[i].MemberID, leavers[i].InstanceID, codes.Of(err)
		resp.Members = append(resp.Members, m)
	}
	return resp
}
