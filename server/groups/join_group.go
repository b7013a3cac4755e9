package groups

// JoinGroup: key 11, versions 0 to 9.
//
//	1 rebalance timeout; before it is the session timeout
//	2 throttle time
//	4 a dynamic member is given its id first (KIP-394)
//	5 instance id (KIP-345)
//	6 flexible
//	7 protocol type in the answer; the protocol may be null
//	8 reason (KIP-800)
//	9 skip assignment (KIP-814)
//
// Refused, in this order: an empty group id (INVALID_GROUP_ID); a coordinator
// that stops (COORDINATOR_NOT_AVAILABLE), reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is another (NOT_COORDINATOR); a session
// timeout outside of group.min.session.timeout.ms and group.max.session.timeout.ms
// (INVALID_SESSION_TIMEOUT); a member of a group that there is not
// (UNKNOWN_MEMBER_ID); one too many (GROUP_MAX_SIZE_REACHED); protocols of which
// not all members know one (INCONSISTENT_GROUP_PROTOCOL); then, of a member
// without an id, a dynamic one that was not given one (MEMBER_ID_REQUIRED), and of
// others one that is none (UNKNOWN_MEMBER_ID), or whose instance id another has
// (FENCED_INSTANCE_ID). See groupcoord.
//
// The answer waits until all members have joined. The connection's next request is
// handled after that.
//
// Bounded, where the reference goes by its heap: with groups that take too much
// memory together, new members are told COORDINATOR_NOT_AVAILABLE.
//
// Missing on purpose: nothing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

const (
	joinRebalanceTimeout = 1 // the first version with one of its own
	joinKnownID          = 4 // the first version that is told to come with an id
	joinNullProtocol     = 7 // the first version that knows no protocol as null
	joinSkipsAssignment  = 9
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
