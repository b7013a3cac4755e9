package order

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// ControlledShutdown, key 7: version 2 has the broker epoch. The header of version 0 has no client id. A broker that is not the
// controller answers STALE_CONTROLLER_EPOCH, where other requests get NOT_CONTROLLER.

// Wire makes the request in the version that is sent to the controller.
func (r ControlledShutdownRequest) Wire() *kmsg.ControlledShutdownRequest {
	req := kmsg.NewPtrControlledShutdownRequest()
	req.SetVersion(ControlledShutdownVersion)
	req.BrokerID, req.BrokerEpoch = r.BrokerID, r.BrokerEpoch
	return req
}

// ControlledShutdownFromWire reads a request of any version.
func ControlledShutdownFromWire(req *kmsg.ControlledShutdownRequest) ControlledShutdownRequest {
	return ControlledShutdownRequest{BrokerID: req.BrokerID, BrokerEpoch: req.BrokerEpoch}
}

// ControlledShutdownAnswer makes the answer to a ControlledShutdown: the partitions that the broker still leads, or an error.
func ControlledShutdownAnswer(remaining []protocol.TopicPartition, err error, version int16, code Coder) *kmsg.ControlledShutdownResponse {
	resp := kmsg.NewPtrControlledShutdownResponse()
	resp.SetVersion(version)
	if errors.Is(err, ErrNotController) {
		err = ErrStaleControllerEpoch
	}
	if resp.ErrorCode = code(err); err != nil {
		return resp
	}
	for _, tp := range remaining {
		out := kmsg.NewControlledShutdownResponsePartitionsRemaining()
		out.Topic, out.Partition = tp.Topic, tp.Partition
		resp.PartitionsRemaining = append(resp.PartitionsRemaining, out)
	}
	return resp
}

// RemainingFromWire reads the answer to a ControlledShutdown.
func RemainingFromWire(resp *kmsg.ControlledShutdownResponse) ([]protocol.TopicPartition, error) {
	switch err := ErrorOf(resp.ErrorCode); err {
	case nil:
	case ErrStaleControllerEpoch:
		return nil, ErrNotController
	default:
		return nil, err
	}
	var remaining []protocol.TopicPartition
	for _, p := range resp.PartitionsRemaining {
		remaining = append(remaining, protocol.TopicPartition{Topic: p.Topic, Partition: p.Partition})
	}
	return remaining, nil
}

// AllocateProducerIds, key 67, has one version.

// AllocateProducerIDs makes a broker's request for a block of producer ids.
func AllocateProducerIDs(brokerID int32, brokerEpoch int64) *kmsg.AllocateProducerIDsRequest {
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.SetVersion(AllocateProducerIDsVersion)
	req.BrokerID, req.BrokerEpoch = brokerID, brokerEpoch
	return req
}

// ProducerIDsAnswer makes the answer to an AllocateProducerIds: a block, or an error.
func ProducerIDsAnswer(block ProducerIDs, err error, version int16, code Coder) *kmsg.AllocateProducerIDsResponse {
	resp := kmsg.NewPtrAllocateProducerIDsResponse()
	resp.SetVersion(version)
	if resp.ErrorCode = code(err); err == nil {
		resp.ProducerIDStart, resp.ProducerIDLen = block.First, block.Count
	}
	return resp
}

// ProducerIDsFromWire reads the answer to an AllocateProducerIds.
func ProducerIDsFromWire(resp *kmsg.AllocateProducerIDsResponse) (ProducerIDs, error) {
	if resp.ErrorCode != 0 {
		return ProducerIDs{}, ErrorOf(resp.ErrorCode)
	}
	return ProducerIDs{First: resp.ProducerIDStart, Count: resp.ProducerIDLen}, nil
}
