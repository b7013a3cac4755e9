package groups

// DeleteGroups: key 42, versions 0 to 3.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 the groups of Streams have a topology besides (KIP-1331)
//
// Refused, group by group, in this order: if this broker stops
// (COORDINATOR_NOT_AVAILABLE), still reads the group's records
// (COORDINATOR_LOAD_IN_PROGRESS) or is not the group's coordinator
// (NOT_COORDINATOR); a group that does not exist (GROUP_ID_NOT_FOUND) or that has
// members (NON_EMPTY_GROUP); a group whose tombstones cannot be written
// (NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE or UNKNOWN_SERVER_ERROR): the group keeps
// the offsets that got no tombstone, and a client may delete it again. A group that is
// named twice is deleted and answered once.
//
// Nothing is missing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// DeleteGroups serves DeleteGroups: see above.
func (s *Service) DeleteGroups(_ *request.Call, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	named := make(map[string]bool, len(req.Groups))
	for _, group := range req.Groups {
		if named[group] {
			continue
		}
		named[group] = true
		g := kmsg.NewDeleteGroupsResponseGroup()
		g.Group, g.ErrorCode = group, codes.Of(s.groups.DeleteGroup(group))
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}
