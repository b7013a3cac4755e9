package groups

// ListGroups: key 16, versions 0 to 5.
//
//	1 throttle time
//	3 flexible
//	4 a filter by state, and the state (KIP-518)
//	5 a filter by type, and the type (KIP-848): all groups are classic ones
//
// Refused: everything while this broker stops (COORDINATOR_NOT_AVAILABLE). While the
// broker still reads the records of some groups, it lists the others and answers
// COORDINATOR_LOAD_IN_PROGRESS. The filters ignore case. A state or type that does not
// exist matches no group.
//
// Missing on purpose: groups of another kind than the classic one (KIP-848, KIP-932).
// klamm has no such groups.

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// classicGroup is the type of every group that klamm has.
const classicGroup = "classic"

// ListGroups serves ListGroups: see above.
func (s *Service) ListGroups(_ *request.Call, req *kmsg.ListGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrListGroupsResponse()
	list, err := s.groups.ListGroups(req.StatesFilter)
	resp.ErrorCode = codes.Of(err)
	if len(req.TypesFilter) > 0 && !slices.ContainsFunc(req.TypesFilter, func(t string) bool { return strings.EqualFold(t, classicGroup) }) {
		list = nil
	}
	for _, o := range list {
		g := kmsg.NewListGroupsResponseGroup()
		g.Group, g.ProtocolType, g.GroupState, g.GroupType = o.Group, o.ProtocolType, o.State.String(), classicGroup
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}
