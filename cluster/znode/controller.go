package znode

import (
	"fmt"
	"strconv"
)

// EncodeController writes the body of /controller (version 2). nowMs is the time of the election in ms since
// 1970.
func EncodeController(brokerID int32, nowMs int64) []byte {
	return encode(struct {
		Version   int    `json:"version"`
		BrokerID  int32  `json:"brokerid"`
		Timestamp string `json:"timestamp"`
		Epoch     int32  `json:"kraftControllerEpoch"`
	}{2, brokerID, strconv.FormatInt(nowMs, 10), -1})
}

// DecodeController reads which broker is the controller. The error is a *DecodeError.
func DecodeController(data []byte) (brokerID int32, err error) {
	var body struct {
		BrokerID *int32 `json:"brokerid"`
	}
	if err := decode(Controller, data, &body); err != nil {
		return 0, err
	}
	if body.BrokerID == nil {
		return 0, &DecodeError{Path: Controller, Data: data, Err: fmt.Errorf("brokerid is missing")}
	}
	return *body.BrokerID, nil
}

// DecodeKRaftEpoch gives the epoch of the KRaft controller that has taken the office over, -1 for a controller on ZooKeeper
// (ZkData.ControllerZNode). The error is a *DecodeError.
func DecodeKRaftEpoch(data []byte) (int32, error) {
	body := struct {
		Epoch int32 `json:"kraftControllerEpoch"`
	}{-1}
	err := decode(Controller, data, &body)
	return body.Epoch, err
}

// InitialControllerEpoch is the epoch with which a broker creates /controller_epoch. The first election adds one.
const InitialControllerEpoch int32 = initialControllerEpoch

// EncodeControllerEpoch writes the body of /controller_epoch: the number as text.
func EncodeControllerEpoch(epoch int32) []byte { return strconv.AppendInt(nil, int64(epoch), 10) }

// DecodeControllerEpoch reads the body of /controller_epoch. The error is a *DecodeError.
func DecodeControllerEpoch(data []byte) (int32, error) {
	n, err := strconv.ParseInt(string(data), 10, 32)
	if err != nil {
		return 0, &DecodeError{Path: ControllerEpoch, Data: data, Err: err}
	}
	return int32(n), nil
}

// EncodeFeature writes the body of /feature as a controller of 3.9 does: version 2, status enabled, no finalized
// features.
func EncodeFeature() []byte { return []byte(`{"features":{},"version":2,"status":1}`) }

// DecodeFeature reads whether the features are enabled, and how many are finalized. The error is a *DecodeError.
func DecodeFeature(data []byte) (enabled bool, features int, err error) {
	var body struct {
		Status   *int           `json:"status"`
		Features map[string]any `json:"features"`
	}
	if err := decode(Feature, data, &body); err != nil {
		return false, 0, err
	}
	if body.Status == nil {
		return false, 0, &DecodeError{Path: Feature, Data: data, Err: fmt.Errorf("status is missing")}
	}
	return *body.Status == 1, len(body.Features), nil
}
