package server

// ApiVersions: key 18, versions 0 to 5.
//
//	1  throttle time
//	3  flexible (but for the response's header, KIP-511); the client's software
//	   name and version; features
//	4  features with a lowest level of 0 may be listed (KAFKA-17492)
//	5  the cluster id and the node id that the client expects (KIP-1242)
//
// Refused, in this order: a version that is not served (UNSUPPORTED_VERSION, with the
// body of version 0, in which the client finds the versions that are served); a
// software name or version that is not made of letters, digits, dots and dashes
// (INVALID_REQUEST); a cluster id without a node id, or a node id without a cluster
// id (INVALID_REQUEST); the id of another cluster or of another broker
// (REBOOTSTRAP_REQUIRED): the client's metadata are stale.
//
// Missing on purpose: features. klamm has none yet that a cluster would switch on
// step by step. A client that finds transaction.version among them sends other
// requests for its transactions.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/transport"
)

// softwareNameVersion is the first version that carries the client's software.
const softwareNameVersion = 3

// noFeaturesYet is the epoch of a cluster's finalized features when nobody has finalized
// one since the cluster was made: their list is empty.
const noFeaturesYet = 0

// noNode is the node id of a request that names no broker.
const noNode = -1

// apiVersions serves ApiVersions for a broker.
type apiVersions struct{ broker *cluster.Broker }

func (a apiVersions) serve(c *request.Call, req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	if req.Version >= softwareNameVersion && !(isSoftwareWord(req.ClientSoftwareName) && isSoftwareWord(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	if err := a.refusesNode(req); err != nil {
		resp.ErrorCode = codes.Of(err)
		return resp
	}
	if req.Version >= softwareNameVersion {
		c.Conn.SetSoftware(transport.Software{Name: req.ClientSoftwareName, Version: req.ClientSoftwareVersion})
	}
	resp.FinalizedFeaturesEpoch = noFeaturesYet
	for _, api := range protocol.APIs() {
		resp.ApiKeys = append(resp.ApiKeys, apiRange(&api))
	}
	return resp
}

// refusesNode returns an error if the client expects another broker here. A client cannot say so before version 5.
func (a apiVersions) refusesNode(req *kmsg.ApiVersionsRequest) error {
	switch {
	case req.ClusterID == nil && req.NodeID == noNode:
		return nil
	case req.ClusterID == nil || req.NodeID == noNode:
		return kerr.InvalidRequest
	case *req.ClusterID != a.broker.Metadata().ClusterID || req.NodeID != a.broker.ID():
		return kerr.RebootstrapRequired
	}
	return nil
}

// refuseApiVersions answers an ApiVersions request of a version that klamm does not
// serve. It answers in version 0: klamm does not know the form of a later version, and
// every client reads version 0.
func refuseApiVersions(c *request.Call) {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	if api, ok := protocol.Lookup(protocol.KeyAPIVersions); ok {
		c.API = api
		resp.ApiKeys = append(resp.ApiKeys, apiRange(api))
	}
	c.Header.Version = 0
	c.Reply(resp)
}

func apiRange(api *protocol.API) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = api.Key, api.Min, api.Max
	return k
}

// isSoftwareWord reports whether a name may stand in the labels of metrics: it has only
// letters, digits, dots and dashes, and begins and ends with a letter or digit (KIP-511).
func isSoftwareWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		inside := i > 0 && i < len(s)-1
		if !letter && !(inside && (c == '.' || c == '-')) {
			return false
		}
	}
	return s != ""
}
