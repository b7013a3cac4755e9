package admin

// DescribeCluster: key 60, versions 0 to 2, flexible from 0 (KIP-700).
//
//	1 the type of endpoint that is asked for: brokers or controllers (KIP-919)
//	2 brokers that are fenced, if asked for (KIP-1073)
//
// Refused, in this order: a type of endpoint that there is not
// (UNSUPPORTED_ENDPOINT_TYPE), controllers (MISMATCHED_ENDPOINT_TYPE). Both come
// with no cluster in the answer.
//
// Nothing is missing: a cluster on ZooKeeper's terms has no fenced brokers and
// no controllers apart from the brokers.

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

// What an endpoint may be.
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

// refusesEndpoint says why the endpoint that is asked for is not described. In
// version 0 there is none to ask for.
func refusesEndpoint(req *kmsg.DescribeClusterRequest) error {
	switch {
	case req.Version == 0 || req.EndpointType == endpointBroker:
		return nil
	case req.EndpointType == endpointController:
		return codes.Refuse(kerr.MismatchedEndpointType, "this is a broker, the request asks a controller")
	}
	return codes.Refuse(kerr.UnsupportedEndpointType, "there is no endpoint type "+strconv.Itoa(int(req.EndpointType)))
}
