package admin

// UpdateFeatures: key 57, versions 0 to 2, flexible from 0 (KIP-584).
//
//	1 kinds of upgrades and downgrades; a request that is only validated (KIP-778)
//	2 an error for the whole request in place of one for each feature
//
// Refused, feature by feature, in this order (INVALID_REQUEST for each; from version 2
// on one INVALID_UPDATE_VERSION for the whole request, about the first feature): an
// empty name, an unknown kind of upgrade, the removal of a feature that the cluster
// does not have, a level below 1, and any other feature. The answer names each feature
// once.
//
// Missing on purpose: features. A cluster on ZooKeeper has none of its own.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

const (
	upgradeTypes       = 1 // the first version with kinds of upgrades
	oneErrorOfFeatures = 2 // the first version with one error for the whole request
)

// The kinds of upgrade.
const (
	upgradeUp            = 1
	upgradeUnsafeDown    = 3
	upgradeSafeDownOfOld = 2 // version 0 has allow_downgrade in place of it
)

// UpdateFeatures serves UpdateFeatures: see above.
func (*Service) UpdateFeatures(_ *request.Call, req *kmsg.UpdateFeaturesRequest) kmsg.Response {
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	answered := make(map[string]bool)
	for i := range req.FeatureUpdates {
		f := &req.FeatureUpdates[i]
		err := refusesFeature(req.Version, f)
		if req.Version >= oneErrorOfFeatures {
			resp.ErrorCode, resp.ErrorMessage = kerr.InvalidUpdateVersion.Code, codes.Message(err)
			return resp
		}
		if answered[f.Feature] {
			continue
		}
		answered[f.Feature] = true
		out := kmsg.NewUpdateFeaturesResponseResult()
		out.Feature, out.ErrorCode, out.ErrorMessage = f.Feature, codes.Of(err), codes.Message(err)
		resp.Results = append(resp.Results, out)
	}
	return resp
}

// refusesFeature returns the reason to refuse a change of a feature's level. There is always one.
func refusesFeature(version int16, f *kmsg.UpdateFeaturesRequestFeatureUpdate) error {
	kind := f.UpgradeType
	if version < upgradeTypes {
		kind = upgradeUp
		if f.AllowDowngrade {
			kind = upgradeSafeDownOfOld
		}
	}
	switch {
	case f.Feature == "":
		return codes.Refuse(kerr.InvalidRequest, "The name of a feature is empty.")
	case kind < upgradeUp || kind > upgradeUnsafeDown:
		return codes.Refuse(kerr.InvalidRequest, "There is no such kind of upgrade.")
	case f.MaxVersionLevel < 1 && kind != upgradeUp:
		return codes.Refuse(kerr.InvalidRequest, "The cluster has no feature "+f.Feature+" that could be removed.")
	case f.MaxVersionLevel < 1:
		return codes.Refuse(kerr.InvalidRequest, "A level is at least 1.")
	}
	return codes.Refuse(kerr.InvalidRequest, "This broker has no feature "+f.Feature+".")
}
