package admin

// DescribeClientQuotas: key 48, versions 0 to 1.
//
//	1 flexible
//
// Refused, in this order, for the whole request: a component with an unknown kind of
// match, or with an exact match and no name (INVALID_REQUEST); then component by
// component, an entity type that an earlier component has, or an empty one
// (INVALID_REQUEST), or an unknown one (UNSUPPORTED_VERSION); an IP address beside a
// user or a client id (INVALID_REQUEST).
//
// Missing on purpose: quotas. The answer is that there are none. Where klamm refuses a
// component for its match, Apache Kafka answers UNKNOWN_SERVER_ERROR.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// The types of entity that may have a quota.
const (
	quotaUser     = "user"
	quotaClientID = "client-id"
	quotaIP       = "ip"
)

// DescribeClientQuotas serves DescribeClientQuotas: see above.
func (*Service) DescribeClientQuotas(_ *request.Call, req *kmsg.DescribeClientQuotasRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeClientQuotasResponse()
	resp.Entries, resp.ErrorMessage = []kmsg.DescribeClientQuotasResponseEntry{}, kmsg.StringPtr("") // as the reference says
	if err := refusesQuotaFilter(req.Components); err != nil {
		resp.ErrorCode, resp.ErrorMessage, resp.Entries = codes.Of(err), codes.Message(err), nil
	}
	return resp
}

func refusesQuotaFilter(components []kmsg.DescribeClientQuotasRequestComponent) error {
	for i := range components {
		c := &components[i]
		switch c.MatchType {
		case kmsg.QuotasMatchTypeExact:
			if c.Match == nil {
				return codes.Refuse(kerr.InvalidRequest, "A component wants an exact match and names nothing.")
			}
		case kmsg.QuotasMatchTypeDefault, kmsg.QuotasMatchTypeAny:
		default:
			return codes.Refuse(kerr.InvalidRequest, "A component has an unknown kind of match.")
		}
	}
	named := make(map[string]bool)
	for i := range components {
		switch kind := components[i].EntityType; kind {
		case quotaUser, quotaClientID, quotaIP:
			if named[kind] {
				return codes.Refuse(kerr.InvalidRequest, "More than one component is about the entity type "+kind+".")
			}
			named[kind] = true
		case "":
			return codes.Refuse(kerr.InvalidRequest, "A component has an empty entity type.")
		default:
			return codes.Refuse(kerr.UnsupportedVersion, "There is no entity type "+kind+".")
		}
	}
	if named[quotaIP] && len(named) > 1 {
		return codes.Refuse(kerr.InvalidRequest, "The entity type ip does not go with user or client-id.")
	}
	return nil
}
