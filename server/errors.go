package server

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/meta/local"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
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

// refuse makes a refusal of the protocol's error and a sentence for a person.
func refuse(code *kerr.Error, message string) error { return &refusal{code, message} }

// codeOf gives the protocol's code of an error of this room or of those below;
// 0 for nil. It is the one place where errors become codes.
func codeOf(err error) int16 {
	if err == nil {
		return 0
	}
	return protocolError(err).Code
}

// protocolError finds the error of the protocol that err stands for.
func protocolError(err error) *kerr.Error {
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
	case is[*replica.UnknownPartitionError](err):
		return kerr.UnknownTopicOrPartition, true
	case is[*replica.NotLeaderError](err):
		return kerr.NotLeaderForPartition, true
	case is[*logstore.OffsetOutOfRangeError](err):
		return kerr.OffsetOutOfRange, true
	case is[*logstore.DirError](err), is[*local.DiskError](err):
		return kerr.KafkaStorageError, true
	case is[*logstore.CorruptError](err):
		return kerr.CorruptMessage, true
	case is[*logstore.UnknownDirError](err):
		return kerr.LogDirNotFound, true
	case is[*noTransactionError](err):
		return kerr.InvalidTxnState, true
	case is[*batch.CorruptError](err):
		return kerr.CorruptMessage, true
	case is[*batch.InvalidError](err):
		return kerr.InvalidRecord, true
	case is[*batch.TimestampError](err):
		return kerr.InvalidTimestamp, true
	case is[*batch.CodecError](err):
		return kerr.UnsupportedCompressionType, true
	case is[*batch.BusyError](err):
		return kerr.RequestTimedOut, true
	case is[*batch.TooLargeError](err):
		return kerr.MessageTooLarge, true
	}
	return nil, false
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// messageOf gives the sentence that stands beside the code; nil for nil.
func messageOf(err error) *string {
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
	if protocolError(err) == kerr.UnknownServerError {
		// What went wrong in here is for the log: it may name what a client
		// should not learn, and helps it nothing.
		return nil
	}
	s := err.Error()
	return &s
}
