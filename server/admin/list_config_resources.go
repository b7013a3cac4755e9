package admin

// ListConfigResources: key 74, versions 0 to 1, flexible from 0.
//
//	0 client metrics only (KIP-714)
//	1 any kinds of resources; an empty list asks for all kinds (KIP-1142)
//
// Refused: the whole request, for a kind that cannot be listed (UNSUPPORTED_VERSION).
//
// Missing on purpose: client metrics and groups with a configuration. A cluster on
// ZooKeeper has none of either.

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/request"
)

// namedResources is the first version whose requests name kinds of resources.
const namedResources = 1

// listable are the kinds of resources that can be listed.
var listable = []kmsg.ConfigResourceType{resourceTopic, resourceBroker, resourceLogger, resourceClientMetrics, resourceGroup}

// ListConfigResources serves ListConfigResources: see above.
func (s *Service) ListConfigResources(_ *request.Call, req *kmsg.ListConfigResourcesRequest) kmsg.Response {
	resp := kmsg.NewPtrListConfigResourcesResponse()
	if req.Version < namedResources {
		return resp
	}
	kinds := listable
	if len(req.ResourceTypes) > 0 {
		kinds = nil
	}
	for _, t := range req.ResourceTypes {
		kind := kmsg.ConfigResourceType(t)
		if !slices.Contains(listable, kind) {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	meta := s.broker.Metadata()
	for _, kind := range kinds {
		switch kind {
		case resourceTopic:
			for _, name := range meta.TopicNames() {
				listResource(resp, kind, name)
			}
		case resourceBroker, resourceLogger:
			for i := range meta.Brokers {
				listResource(resp, kind, strconv.Itoa(int(meta.Brokers[i].ID)))
			}
		}
	}
	return resp
}

// listResource adds a resource to the answer.
func listResource(resp *kmsg.ListConfigResourcesResponse, kind kmsg.ConfigResourceType, name string) {
	r := kmsg.NewListConfigResourcesResponseConfigResource()
	r.Name, r.Type = name, int8(kind)
	resp.ConfigResources = append(resp.ConfigResources, r)
}
