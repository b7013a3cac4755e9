package groups

// JoinGroup: key 11, versions 0 to 9.
//
//	1 rebalance timeout; before, the session timeout stands for it
//	2 throttle time
//	4 the coordinator gives a dynamic member its id before it joins (KIP-394)
//	5 instance id (KIP-345)
//	6 flexible
//	7 protocol type in the answer; the protocol may be null
//	8 reason (KIP-800)
//	9 skip assignment (KIP-814)
//
// Refused, in this order: an empty group id (INVALID_GROUP_ID); if this broker stops
// (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR); a session timeout below group.min.session.timeout.ms or above
// group.max.session.timeout.ms (INVALID_SESSION_TIMEOUT); a member id for a group that
// does not exist (UNKNOWN_MEMBER_ID); a member for which the group has no room
// (GROUP_MAX_SIZE_REACHED); protocols of which no single one is known to all members
// (INCONSISTENT_GROUP_PROTOCOL); a dynamic member without a member id
// (MEMBER_ID_REQUIRED, with the id that it has to join with); a member id that no
// member has (UNKNOWN_MEMBER_ID); a member whose instance id another member has
// (FENCED_INSTANCE_ID). See groupcoord.
//
// The answer waits until all members have joined. The connection handles its next
// request after that.
//
// Bounded, where the reference is bounded by its heap: while all groups together take
// too much memory, a new member is refused (COORDINATOR_NOT_AVAILABLE).
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

const (
	joinRebalanceTimeout = 1 // the first version with a rebalance timeout
	joinKnownID          = 4 // the first version in which a dynamic member has to have an id
	joinNullProtocol     = 7 // the first version in which null stands for no protocol
	joinSkipsAssignment  = 9 // the first version with skip_assignment
)

// JoinGroup serves JoinGroup: see above.
func (s *Service) JoinGroup(c *request.Call, req *kmsg.JoinGroupRequest, answer func(kmsg.Response)) {
	r := &groupcoord.JoinRequest{
		Group: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID,
		ClientID: c.ClientID(), ClientHost: c.ClientHost(),
		SessionTimeoutMs: req.SessionTimeoutMillis, RebalanceTimeoutMs: req.RebalanceTimeoutMillis,
		ProtocolType:    req.ProtocolType,
		NeedsKnownID:    req.Version >= joinKnownID && req.InstanceID == nil,
		SkipsAssignment: req.Version >= joinSkipsAssignment,
	}
	if req.Version < joinRebalanceTimeout {
		r.RebalanceTimeoutMs = r.SessionTimeoutMs
	}
	if req.Reason != nil {
		r.Reason = *req.Reason
	}
	for _, p := range req.Protocols {
		r.Protocols = append(r.Protocols, groupcoord.Protocol{Name: p.Name, Metadata: p.Metadata})
	}
	version := req.Version
	r.Done = func(a groupcoord.JoinAnswer) { answer(joinResponse(version, &a)) }
	s.groups.Join(r)
}

func joinResponse(version int16, a *groupcoord.JoinAnswer) kmsg.Response {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.ErrorCode, resp.Generation, resp.MemberID, resp.LeaderID = codes.Of(a.Err), a.Generation, a.MemberID, a.Leader
	resp.ProtocolType, resp.Protocol, resp.SkipAssignment = a.ProtocolType, a.Protocol, a.SkipAssignment
	switch {
	case resp.Protocol == nil && version < joinNullProtocol:
		resp.Protocol = kmsg.StringPtr("")
	case resp.Protocol != nil && *resp.Protocol == "" && version >= joinNullProtocol:
		resp.Protocol = nil
	}
	for _, m := range a.Members {
		out := kmsg.NewJoinGroupResponseMember()
		out.MemberID, out.InstanceID, out.ProtocolMetadata = m.MemberID, m.InstanceID, m.Metadata
		resp.Members = append(resp.Members, out)
	}
	return resp
}
