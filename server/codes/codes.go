package codes

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/meta/local"
	"klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/config"
)

// refusal is the error of a handler that finds a request wrong. It carries its own code.
type refusal struct {
	code    *kerr.Error
	message string
}

func (e *refusal) Error() string { return e.code.Message + ": " + e.message }
func (e *refusal) Unwrap() error { return e.code }

// Refuse returns an error with the code of a protocol error. message is the sentence that
// the client gets beside the code; with an empty message the client gets the code alone.
func Refuse(code *kerr.Error, message string) error { return &refusal{code, message} }

// Of returns the protocol's code for an error of the server or of a package below it, and
// 0 for nil. Errors become codes nowhere else.
func Of(err error) int16 {
	if err == nil {
		return 0
	}
	return Error(err).Code
}

// Error returns the protocol error that err stands for: UNKNOWN_SERVER_ERROR for an error
// that this package does not know. err must not be nil.
func Error(err error) *kerr.Error {
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel.err) {
			return sentinel.code
		}
	}
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*config.AlterError](err); ok {
		if e.Kind == config.InvalidRequest {
			return kerr.InvalidRequest
		}
		return kerr.InvalidConfig
	}
	if e, ok := logError(err); ok {
		return e
	}
	return kerr.UnknownServerError
}

// Unexpected reports whether an error is none that a client can act on (UNKNOWN_SERVER_ERROR). It belongs into the log.
func Unexpected(err error) bool { return Error(err) == kerr.UnknownServerError }

// sentinels maps the errors that are values, and not types, to protocol errors.
var sentinels = []struct {
	err  error
	code *kerr.Error
}{
	{logstore.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
	{logstore.ErrInvalidProducerEpoch, kerr.InvalidProducerEpoch},
	{logstore.ErrInvalidTxnState, kerr.InvalidTxnState},
	{logstore.ErrBatchTooLarge, kerr.RecordListTooLarge},
	{logstore.ErrClosed, kerr.NotLeaderForPartition},
	{order.ErrTopicExists, kerr.TopicAlreadyExists},
	{order.ErrInvalidTopic, kerr.InvalidTopicException},
	{order.ErrInvalidPartitions, kerr.InvalidPartitions},
	{order.ErrInvalidReplicationFactor, kerr.InvalidReplicationFactor},
	{order.ErrInvalidReplicaAssignment, kerr.InvalidReplicaAssignment},
	{order.ErrInvalidConfig, kerr.InvalidConfig},
	{order.ErrInvalidRequest, kerr.InvalidRequest},
	{order.ErrPolicyViolation, kerr.PolicyViolation},
	{order.ErrUnknownTopic, kerr.UnknownTopicOrPartition},
	{order.ErrUnknownTopicID, kerr.UnknownTopicID},
	{order.ErrReassignmentInProgress, kerr.ReassignmentInProgress},
	{order.ErrTimedOut, kerr.RequestTimedOut},
	{order.ErrNotController, kerr.NotController},
	{order.ErrNoReassignmentInProgress, kerr.NoReassignmentInProgress},
	{order.ErrElectionNotNeeded, kerr.ElectionNotNeeded},
	{order.ErrPreferredLeaderNotAvailable, kerr.PreferredLeaderNotAvailable},
	{order.ErrEligibleLeadersNotAvailable, kerr.EligibleLeadersNotAvailable},
	{order.ErrStaleControllerEpoch, kerr.StaleControllerEpoch},
	{order.ErrStaleBrokerEpoch, kerr.StaleBrokerEpoch},
	{order.ErrUnknownPartition, kerr.UnknownTopicOrPartition},
	{order.ErrInconsistentTopicID, kerr.InconsistentTopicID},
	{order.ErrStorage, kerr.KafkaStorageError},
	{order.ErrFencedLeaderEpoch, kerr.FencedLeaderEpoch},
	{order.ErrInvalidUpdateVersion, kerr.InvalidUpdateVersion},
	{order.ErrIneligibleReplica, kerr.IneligibleReplica},
	{order.ErrNotAttempted, kerr.OperationNotAttempted},
	{order.ErrBrokerNotAvailable, kerr.BrokerNotAvailable},
	{order.ErrBrokerIDNotRegistered, kerr.BrokerIDNotRegistered},
	{context.DeadlineExceeded, kerr.RequestTimedOut},
	{groupcoord.ErrInvalidGroupID, kerr.InvalidGroupID},
	{groupcoord.ErrNotAvailable, kerr.CoordinatorNotAvailable},
	{groupcoord.ErrLoading, kerr.CoordinatorLoadInProgress},
	{groupcoord.ErrNotCoordinator, kerr.NotCoordinator},
	{groupcoord.ErrUnknownMember, kerr.UnknownMemberID},
	{groupcoord.ErrIllegalGeneration, kerr.IllegalGeneration},
	{groupcoord.ErrRebalanceInProgress, kerr.RebalanceInProgress},
	{groupcoord.ErrInconsistentProtocol, kerr.InconsistentGroupProtocol},
	{groupcoord.ErrInvalidSessionTimeout, kerr.InvalidSessionTimeout},
	{groupcoord.ErrFencedInstance, kerr.FencedInstanceID},
	{groupcoord.ErrMemberIDRequired, kerr.MemberIDRequired},
	{groupcoord.ErrGroupFull, kerr.GroupMaxSizeReached},
	{groupcoord.ErrNotEmpty, kerr.NonEmptyGroup},
	{groupcoord.ErrUnknownGroup, kerr.GroupIDNotFound},
	{groupcoord.ErrSubscribed, kerr.GroupSubscribedToTopic},
	{groupcoord.ErrMetadataTooLarge, kerr.OffsetMetadataTooLarge},
	{groupcoord.ErrUnstableOffset, kerr.UnstableOffsetCommit},
	{groupcoord.ErrCommitTooLarge, kerr.InvalidCommitOffsetSize},
	{groupcoord.ErrTooLarge, kerr.UnknownServerError},
	{groupcoord.ErrCommitTimedOut, kerr.RequestTimedOut},
}

// logError returns the protocol error for a typed error of a partition, a log or a batch.
// ok is false for any other error.
func logError(err error) (e *kerr.Error, ok bool) {
	if e, ok := errors.AsType[*replica.EpochError](err); ok {
		if e.Fenced() {
			return kerr.FencedLeaderEpoch, true
		}
		return kerr.UnknownLeaderEpoch, true
	}
	switch {
	case Is[*replica.UnknownPartitionError](err):
		return kerr.UnknownTopicOrPartition, true
	case Is[*replica.NotLeaderError](err):
		return kerr.NotLeaderForPartition, true
	case Is[*replica.UnknownReplicaError](err):
		return kerr.UnknownLeaderEpoch, true
	case Is[*replica.NotEnoughReplicasError](err):
		return kerr.NotEnoughReplicas, true
	case Is[*replica.NotEnoughReplicasAfterAppendError](err):
		return kerr.NotEnoughReplicasAfterAppend, true
	case Is[*replica.CommitTimeoutError](err):
		return kerr.RequestTimedOut, true
	case Is[*logstore.OffsetOutOfRangeError](err):
		return kerr.OffsetOutOfRange, true
	case Is[*logstore.DirError](err), Is[*local.DiskError](err):
		return kerr.KafkaStorageError, true
	case Is[*logstore.CorruptError](err):
		return kerr.CorruptMessage, true
	case Is[*logstore.UnknownDirError](err):
		return kerr.LogDirNotFound, true
	case Is[*NoTransactionError](err):
		return kerr.InvalidTxnState, true
	case Is[*batch.CorruptError](err):
		return kerr.CorruptMessage, true
	case Is[*batch.InvalidError](err):
		return kerr.InvalidRecord, true
	case Is[*batch.TimestampError](err):
		return kerr.InvalidTimestamp, true
	case Is[*batch.CodecError](err):
		return kerr.UnsupportedCompressionType, true
	case Is[*batch.BusyError](err):
		return kerr.RequestTimedOut, true
	case Is[*batch.TooLargeError](err):
		return kerr.MessageTooLarge, true
	}
	return nil, false
}

// Is reports whether err is, or wraps, an error of type E.
func Is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Message returns the sentence that a client gets beside the code, and nil when the client
// gets the code alone.
func Message(err error) *string {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		if r.message == "" {
			return nil
		}
		return &r.message
	}
	if e, ok := errors.AsType[*order.Error](err); ok && e.Message == "" {
		return nil
	}
	if e, ok := err.(*kerr.Error); ok { // not wrapped: the protocol's description is all there is
		return &e.Description
	}
	if Error(err) == kerr.UnknownServerError {
		// An unexpected error belongs into the log. It may name paths and other things
		// that a client should not learn, and a client cannot act on it.
		return nil
	}
	s := err.Error()
	return &s
}

// NoTransactionError says that a batch belongs to a transaction that this broker does not
// have open for the partition (INVALID_TXN_STATE).
type NoTransactionError struct{ Partition protocol.TopicPartition }

func (e *NoTransactionError) Error() string {
	return fmt.Sprintf("partition %s was not added to the transaction", e.Partition)
}

// ErrNamedTooOften refuses a resource or partition that a request names more than
// request.MaxNamed times.
var ErrNamedTooOften = Refuse(kerr.InvalidRequest, "The request names this resource or partition too often.")
