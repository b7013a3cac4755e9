package server

// ApiVersions: key 18, versions 0 to 4.
//
//	1  throttle time
//	3  flexible (but for the response's header, KIP-511); the client's software
//	   name and version; features
//	4  features with a lowest level of 0 may be listed (KAFKA-17492)
//
// Refused, in this order: a version that is not served, with the body of
// version 0 and UNSUPPORTED_VERSION, in which the client finds the versions
// that are; a software name or version that is not made of letters, digits,
// dots and dashes (INVALID_REQUEST).
//
// Missing on purpose: features. There is nothing yet that a cluster would
// switch on step by step, and a client that reads transaction.version there
// speaks otherwise to transactions.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/request"
)

// softwareNameVersion is the first version that carries the client's software.
const softwareNameVersion = 3

// noFeaturesYet is the epoch of the features that a cluster has agreed on when it
// was made and nothing was switched on since: there is an empty list of them.
const noFeaturesYet = 0

func serveApiVersions(_ *request.Call, req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	if req.Version >= softwareNameVersion && !(isSoftwareWord(req.ClientSoftwareName) && isSoftwareWord(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	resp.FinalizedFeaturesEpoch = noFeaturesYet
	for _, api := range protocol.APIs() {
		resp.ApiKeys = append(resp.ApiKeys, apiRange(&api))
	}
	return resp
}

// refuseApiVersions answers a version that is not served. The client may know
// a later form of the answer than we do, but every client reads version 0.
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

// isSoftwareWord tells what may stand in metrics' labels: letters, digits,
// dots and dashes, beginning and ending with a letter or digit (KIP-511).
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
