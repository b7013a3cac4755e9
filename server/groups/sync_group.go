package groups

// SyncGroup: key 14, versions 0 to 5.
//
//	1 throttle time
//	3 instance id (KIP-345)
//	4 flexible
//	5 protocol type and protocol, asked and answered (KIP-559)
//
// Refused, in this order: from version 5 on no protocol type or no protocol
// (INCONSISTENT_GROUP_PROTOCOL); an empty group id (INVALID_GROUP_ID); if this broker
// stops (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (REBALANCE_IN_PROGRESS: the member joins again) or is not the group's coordinator
// (NOT_COORDINATOR); a member of a group that does not exist, or of which it is no
// member (UNKNOWN_MEMBER_ID); a member whose instance id another member has
// (FENCED_INSTANCE_ID); another generation than the group's (ILLEGAL_GENERATION);
// another protocol type or protocol than the group's (INCONSISTENT_GROUP_PROTOCOL); a
// group that rebalances (REBALANCE_IN_PROGRESS). See groupcoord.
//
// The answer waits until the group's leader has sent the assignments and they are in
// the log. The connection handles its next request after that.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

// syncProtocols is the first version in which the member names its protocol type and protocol.
const syncProtocols = 5

// SyncGroup serves SyncGroup: see above.
func (s *Service) SyncGroup(_ *request.Call, req *kmsg.SyncGroupRequest, answer func(kmsg.Response)) {
	if req.Version >= syncProtocols && (req.ProtocolType == nil || req.Protocol == nil) {
		answer(syncResponse(&groupcoord.SyncAnswer{Err: kerr.InconsistentGroupProtocol}))
		return
	}
	r := &groupcoord.SyncRequest{
		Group: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID, Generation: req.Generation,
		ProtocolType: req.ProtocolType, Protocol: req.Protocol,
		Done: func(a groupcoord.SyncAnswer) { answer(syncResponse(&a)) },
	}
	for _, a := range req.GroupAssignment {
		r.Assignments = append(r.Assignments, groupcoord.Assignment{MemberID: a.MemberID, Bytes: a.MemberAssignment})
	}
	s.groups.Sync(r)
}

func syncResponse(a *groupcoord.SyncAnswer) kmsg.Response {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ErrorCode, resp.ProtocolType, resp.Protocol, resp.MemberAssignment = codes.Of(a.Err), a.ProtocolType, a.Protocol, a.Assignment
	return resp
}
