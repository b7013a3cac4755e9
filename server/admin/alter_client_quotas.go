package admin

// AlterClientQuotas: key 49, versions 0 to 1.
//
//	1 flexible
//
// Refused, in this order, entry by entry (INVALID_REQUEST for each): an entity
// without components, with an unknown type or an empty name; an IP address beside
// a user or a client id; then change by change, a value for a key that is no quota
// of this entity, and a value for a quota. Several entries for the same entity get
// one answer, that of the last of them.
//
// Missing on purpose: quotas. klamm refuses a value, which would not take effect,
// where Apache Kafka accepts it. To remove a quota succeeds, since there is none. klamm
// does not resolve a host name that stands in place of an IP address.

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// The quotas that an entity may have: a user, a client id or both, or an IP address.
var (
	quotasOfClients = []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"}
	quotasOfIPs     = []string{"connection_creation_rate"}
)

// quotaEntity maps each type of an entity to its name. A nil name stands for the default entity.
type quotaEntity map[string]*string

// AlterClientQuotas serves AlterClientQuotas: see above.
func (*Service) AlterClientQuotas(_ *request.Call, req *kmsg.AlterClientQuotasRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterClientQuotasResponse()
	places := make(map[string]int, len(req.Entries))
	for i := range req.Entries {
		in := &req.Entries[i]
		entity := make(quotaEntity, len(in.Entity))
		for _, c := range in.Entity {
			entity[c.Type] = c.Name
		}
		key := entity.key()
		at, answered := places[key]
		if !answered {
			at = len(resp.Entries)
			places[key] = at
			resp.Entries = append(resp.Entries, kmsg.NewAlterClientQuotasResponseEntry())
			for _, kind := range slices.Sorted(maps.Keys(entity)) {
				out := kmsg.NewAlterClientQuotasResponseEntryEntity()
				out.Type, out.Name = kind, entity[kind]
				resp.Entries[at].Entity = append(resp.Entries[at].Entity, out)
			}
		}
		err := entity.refusesQuotas(in.Ops)
		resp.Entries[at].ErrorCode, resp.Entries[at].ErrorMessage = codes.Of(err), codes.Message(err)
	}
	return resp
}

// key returns a text that equal entities share and different ones do not.
func (e quotaEntity) key() string {
	var s strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(e)) {
		if name := e[kind]; name != nil {
			fmt.Fprintf(&s, "%q=%q ", kind, *name)
		} else {
			fmt.Fprintf(&s, "%q ", kind)
		}
	}
	return s.String()
}

// refusesQuotas returns the reason to refuse these changes of an entity's quotas; nil for none.
func (e quotaEntity) refusesQuotas(ops []kmsg.AlterClientQuotasRequestEntryOp) error {
	if len(e) == 0 {
		return codes.Refuse(kerr.InvalidRequest, "An entry has an empty entity.")
	}
	for kind, name := range e {
		if kind != quotaUser && kind != quotaClientID && kind != quotaIP {
			return codes.Refuse(kerr.InvalidRequest, "There is no entity type "+kind+".")
		}
		if name != nil && *name == "" {
			return codes.Refuse(kerr.InvalidRequest, "The name of a "+kind+" is empty.")
		}
	}
	quotas := quotasOfClients
	if _, ip := e[quotaIP]; ip {
		if len(e) > 1 {
			return codes.Refuse(kerr.InvalidRequest, "The entity type ip does not go with user or client-id.")
		}
		quotas = quotasOfIPs
	}
	for _, op := range ops {
		switch {
		case op.Remove:
		case !slices.Contains(quotas, op.Key):
			return codes.Refuse(kerr.InvalidRequest, "There is no quota "+op.Key+" for this entity.")
		default:
			return codes.Refuse(kerr.InvalidRequest, "klamm enforces no quotas: "+op.Key+" would not take effect.")
		}
	}
	return nil
}
