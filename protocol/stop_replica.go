package protocol

import "github.com/twmb/franz-go/pkg/kmsg"

// StopReplicaRequest is kmsg's, with the bytes that Apache Kafka has for version 4. There the flag that a KRaft controller asks stands
// before the controller's epoch, and kmsg writes it behind: Apache's broker would read an epoch 256 times as high, and from then
// on refuse the orders of its controller.
type StopReplicaRequest struct{ kmsg.StopReplicaRequest }

// NewStopReplicaRequest makes a request with kmsg's defaults.
func NewStopReplicaRequest() *StopReplicaRequest {
	return &StopReplicaRequest{kmsg.NewStopReplicaRequest()}
}

// kraftVersion is the first version with the flag. The controller's epoch and the flag take the bytes from epochAt to flagEnd, in
// one order or the other.
const (
	kraftVersion = 4
	epochAt      = 4
	flagEnd      = epochAt + 4 + 1
)

// AppendTo implements kmsg.Request.
func (r *StopReplicaRequest) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = r.StopReplicaRequest.AppendTo(dst)
	if r.Version >= kraftVersion {
		b := dst[start+epochAt : start+flagEnd]
		flag := b[4]
		copy(b[1:], b[:4])
		b[0] = flag
	}
	return dst
}

// ReadFrom implements kmsg.Request.
func (r *StopReplicaRequest) ReadFrom(src []byte) error {
	if r.Version < kraftVersion || len(src) < flagEnd {
		return r.StopReplicaRequest.ReadFrom(src)
	}
	b := append([]byte(nil), src...)
	copy(b[epochAt:], src[epochAt+1:flagEnd])
	b[flagEnd-1] = src[epochAt]
	return r.StopReplicaRequest.ReadFrom(b)
}
