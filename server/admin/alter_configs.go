package admin

// AlterConfigs: key 33, versions 0 to 2.
//
//	1 throttling happens after the answer
//	2 flexible
//
// The settings that the request names replace all settings of a resource.
//
// Refused, in this order, resource by resource: a resource that is named twice
// (INVALID_REQUEST for each mention); a setting that is named twice, a value of null
// (INVALID_REQUEST); a kind of resource that cannot be altered (INVALID_REQUEST);
// another broker than this one, a broker setting that is fixed at start, or whose value
// does not parse (INVALID_REQUEST); a topic without a name (INVALID_REQUEST) or that
// does not exist (UNKNOWN_TOPIC_OR_PARTITION); an unknown topic setting, or a value that
// does not parse (INVALID_CONFIG).
//
// Missing on purpose: alter.config.policy.class.name, which names a Java class. If a
// request names one resource twice and another once, the reference never answers;
// klamm alters the other one.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/config"
	"klamm/server/request"
)

// AlterConfigs serves AlterConfigs: see above.
func (s *Service) AlterConfigs(_ *request.Call, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterConfigsResponse()
	twice := make(map[resource]int)
	for i := range req.Resources {
		twice[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
	}
	for i := range req.Resources {
		in := &req.Resources[i]
		ops := make([]config.Op, 0, len(in.Configs))
		for _, c := range in.Configs {
			ops = append(ops, config.Op{Name: c.Name, Kind: config.Set, Value: c.Value})
		}
		r := resource{in.ResourceType, in.ResourceName}
		err := errTwice
		if twice[r] == 1 {
			err = s.alter(r, ops, alteration{replace: true, validateOnly: req.ValidateOnly})
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		out.ErrorCode, out.ErrorMessage = codes.Of(err), codes.Message(err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

var errTwice = codes.Refuse(kerr.InvalidRequest, "The request names this resource more than once.")
