package groups

// DescribeGroups: key 15, versions 0 to 6.
//
//	1 throttle time
//	3 authorized operations (KIP-430)
//	4 instance ids (KIP-345)
//	5 flexible
//	6 an error for a group that does not exist, and a message (KIP-1043)
//
// Refused, group by group, in this order: if this broker stops
// (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR); from version 6 on a group that does not exist
// (GROUP_ID_NOT_FOUND). Before version 6 such a group is described with the state
// Dead. Only a stable group is described with its members' metadata and assignments.
// See groupcoord.
//
// Missing on purpose: groups of another kind than the classic one (KIP-848, KIP-932).
// They have APIs of their own, and klamm has no such groups.

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
)

// describeUnknown is the first version with an error for a group that does not exist.
const describeUnknown = 6

// everythingOnGroups is what a client may do with groups without an authorizer, as the bits of KIP-430.
const everythingOnGroups int32 = 1<<3 | 1<<6 | 1<<8

// DescribeGroups serves DescribeGroups: see above.
func (s *Service) DescribeGroups(_ *request.Call, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	for _, group := range req.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group, out.AuthorizedOperations = group, math.MinInt32
		d, err := s.groups.DescribeGroup(group)
		if err == nil {
			describedGroup(&out, &d)
		}
		if err == nil && d.State == groupcoord.Dead && req.Version >= describeUnknown {
			err = codes.Refuse(kerr.GroupIDNotFound, fmt.Sprintf("Group %s not found.", group))
		}
		out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		if err == nil && req.IncludeAuthorizedOperations {
			out.AuthorizedOperations = everythingOnGroups
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func describedGroup(out *kmsg.DescribeGroupsResponseGroup, d *groupcoord.GroupDescription) {
	out.State, out.ProtocolType, out.Protocol = d.State.String(), d.ProtocolType, d.Protocol
	for _, m := range d.Members {
		om := kmsg.NewDescribeGroupsResponseGroupMember()
		om.MemberID, om.InstanceID, om.ClientID, om.ClientHost = m.MemberID, m.InstanceID, m.ClientID, m.ClientHost
		om.ProtocolMetadata, om.MemberAssignment = m.Metadata, m.Assignment
		out.Members = append(out.Members, om)
	}
}
