package codes

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/meta/local"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/config"
)

// refusal is an error that names its code itself, for what a handler of this
// room finds wrong.
type refusal struct {
	code    *kerr.Error
	message string
}

func (e *refusal) Error() string { return e.code.Message + ": " + e.message }
func (e *refusal) Unwrap() error { return e.code }

// Refuse makes a refusal of the protocol's error and a sentence for a person.
func Refuse(code *kerr.Error, message string) error { return &refusal{code, message} }

// Of gives the protocol's code of an error of this room or of those below;
// 0 for nil. It is the one place where errors become codes.
func Of(err error) int16 {
	if err == nil {
		return 0
	}
	return Error(err).Code
}

// Error finds the error of the protocol that err stands for.
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

// sentinels are the errors that are values.
var sentinels = []struct {
	err  error
	code *kerr.Error
}{
	{logstore.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
	{logstore.ErrInvalidProducerEpoch, kerr.InvalidProducerEpoch},
	{logstore.ErrInvalidTxnState, kerr.InvalidTxnState},
	{logstore.ErrBatchTooLarge, kerr.RecordListTooLarge},
	{logstore.ErrClosed, kerr.NotLeaderForPartition},
	{cluster.ErrTopicExists, kerr.TopicAlreadyExists},
	{cluster.ErrInvalidTopic, kerr.InvalidTopicException},
	{cluster.ErrInvalidPartitions, kerr.InvalidPartitions},
	{cluster.ErrInvalidReplicationFactor, kerr.InvalidReplicationFactor},
	{cluster.ErrInvalidReplicaAssignment, kerr.InvalidReplicaAssignment},
	{cluster.ErrInvalidConfig, kerr.InvalidConfig},
	{cluster.ErrInvalidRequest, kerr.InvalidRequest},
	{cluster.ErrPolicyViolation, kerr.PolicyViolation},
	{cluster.ErrUnknownTopic, kerr.UnknownTopicOrPartition},
	{cluster.ErrUnknownTopicID, kerr.UnknownTopicID},
	{cluster.ErrReassignmentInProgress, kerr.ReassignmentInProgress},
	{cluster.ErrTimedOut, kerr.RequestTimedOut},
	{cluster.ErrNotController, kerr.NotController},
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

// logError knows the errors of partitions, logs and batches.
func logError(err error) (*kerr.Error, bool) {
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

func Is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Message gives the sentence that stands beside the code; nil for nil.
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
	if e, ok := err.(*kerr.Error); ok { // bare, so that nothing more is known
		return &e.Description
	}
	if Error(err) == kerr.UnknownServerError {
		// What went wrong in here is for the log: it may name what a client
		// should not learn, and helps it nothing.
		return nil
	}
	s := err.Error()
	return &s
}

// NoTransactionError says that a batch belongs to a transaction that is not
// open here (INVALID_TXN_STATE).
type NoTransactionError struct{ Partition protocol.TopicPartition }

func (e *NoTransactionError) Error() string {
	return fmt.Sprintf("partition %s was not added to the transaction", e.Partition)
}

// ErrNamedTooOften refuses what a request asks again and again.
var ErrNamedTooOften = Refuse(kerr.InvalidRequest, "It is named too often.")
