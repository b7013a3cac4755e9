package admin

// IncrementalAlterConfigs: key 44, versions 0 to 1 (KIP-339).
//
//	1 flexible
//
// Operation 0 sets a setting, 1 deletes it, 2 appends to a list, 3 subtracts from a
// list. If the list is not set, appending and subtracting begin with its default.
//
// Refused, in this order, resource by resource: a resource that is named twice
// (INVALID_REQUEST for each mention); a setting that is named twice, a value of null in
// an operation other than deletion (INVALID_REQUEST); a kind of resource that cannot be
// altered (INVALID_REQUEST); an unknown operation (INVALID_REQUEST); another broker
// than this one, a broker setting that is fixed at start, or whose value does not parse
// (INVALID_REQUEST); a topic without a name (INVALID_REQUEST); appending to or
// subtracting from a setting that is no list (INVALID_CONFIG); a topic that does not
// exist (UNKNOWN_TOPIC_OR_PARTITION); an unknown topic setting, a value that does not
// parse (INVALID_CONFIG).
//
// The levels of a broker's loggers change at once and until its next start. Refused, in this order, before any of
// them changes: another broker than this one (INVALID_REQUEST); setting or deleting the level of a logger that does not
// exist, or to a level that does not (INVALID_CONFIG); deleting the level of root, an operation on lists
// (INVALID_REQUEST).
//
// Missing on purpose: alter.config.policy.class.name, which names a
// Java class. Where a request appends to an unknown topic setting or has an unknown
// operation on a topic, the reference answers UNKNOWN_SERVER_ERROR; klamm says what is
// wrong.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/config"
	"klamm/server/request"
)

// IncrementalAlterConfigs serves IncrementalAlterConfigs: see above.
func (s *Service) IncrementalAlterConfigs(_ *request.Call, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	twice := make(map[resource]int)
	for i := range req.Resources {
		twice[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
	}
	for i := range req.Resources {
		in := &req.Resources[i]
		ops := make([]config.Op, 0, len(in.Configs))
		for _, c := range in.Configs {
			ops = append(ops, config.Op{Name: c.Name, Kind: config.OpKind(c.Op), Value: c.Value})
		}
		r := resource{in.ResourceType, in.ResourceName}
		err := errTwice
		if twice[r] == 1 {
			err = s.alter(r, ops, alteration{validateOnly: req.ValidateOnly})
		}
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}
