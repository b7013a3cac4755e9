package order

import (
	"errors"

	"klamm/protocol"
)

// LeaderAndISR tells a broker what it is in a partition (the request of that name between brokers).
type LeaderAndISR struct {
	protocol.TopicPartition
	TopicID         protocol.UUID
	ControllerEpoch int32
	Leader          int32
	LeaderEpoch     int32
	ISR             []int32
	Replicas        []int32
	// PartitionEpoch is the version of the partition's state, which grows with every change of leader or ISR.
	PartitionEpoch int32
	// IsNew is set when the partition was just created: there is no log yet.
	IsNew bool
}

// StopReplica tells a broker to stop serving a partition.
type StopReplica struct {
	protocol.TopicPartition
	// Delete asks for the log to be deleted as well.
	Delete bool
}

// TransientError says that an order failed for a reason that passes by itself, such as want of file descriptors: sent again, the
// order may go well.
type TransientError struct{ Err error }

// Error is the reason.
func (e *TransientError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *TransientError) Unwrap() error { return e.Err }

// IsTransient says whether an error is, or wraps, a [*TransientError].
func IsTransient(err error) bool { return errors.As(err, new(*TransientError)) }
