package admin

// DescribeCluster: key 60, versions 0 to 2, flexible from 0 (KIP-700).
//
//	1 the type of endpoint: brokers or controllers (KIP-919)
//	2 fenced brokers, if the client asks for them (KIP-1073)
//
// Refused: controllers (MISMATCHED_ENDPOINT_TYPE), and a type of endpoint that does
// not exist (UNSUPPORTED_ENDPOINT_TYPE). The answer then describes no cluster.
//
// Nothing is missing: a cluster on ZooKeeper has no fenced brokers, and its
// controllers are brokers.

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

// The types of endpoint.
const (
	endpointBroker     = 1
	endpointController = 2
)

// DescribeCluster serves DescribeCluster: see above.
func (s *Service) DescribeCluster(c *request.Call, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeClusterResponse()
	if err := refusesEndpoint(req); err != nil {
		resp.ErrorCode, resp.ErrorMessage, resp.ControllerID = codes.Of(err), codes.Message(err), -1
		return resp
	}
	meta := s.broker.Metadata()
	resp.ClusterID, resp.ControllerID = meta.ClusterID, meta.ControllerID
	for _, b := range view.Brokers(s.broker, c, meta) {
		out := kmsg.NewDescribeClusterResponseBroker()
		out.NodeID, out.Host, out.Port, out.Rack = b.ID, b.Host, b.Port, b.Rack
		resp.Brokers = append(resp.Brokers, out)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = everythingOnCluster
	}
	return resp
}

// refusesEndpoint returns the reason to refuse the type of endpoint, nil for none. Version
// 0 has no such type.
func refusesEndpoint(req *kmsg.DescribeClusterRequest) error {
	switch {
	case req.Version == 0 || req.EndpointType == endpointBroker:
		return nil
	case req.EndpointType == endpointController:
		return codes.Refuse(kerr.MismatchedEndpointType, "The request asks a controller, and this is a broker.")
	}
	return codes.Refuse(kerr.UnsupportedEndpointType, fmt.Sprintf("There is no endpoint type %d.", req.EndpointType))
}
