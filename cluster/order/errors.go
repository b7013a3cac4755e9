package order

import (
	"errors"
	"fmt"
)

// Why a change is refused. Each is a kind that an [*Error] wraps with its message.
var (
	ErrTopicExists              = errors.New("topic exists")
	ErrInvalidTopic             = errors.New("invalid topic name")
	ErrInvalidPartitions        = errors.New("invalid number of partitions")
	ErrInvalidReplicationFactor = errors.New("invalid replication factor")
	ErrInvalidReplicaAssignment = errors.New("invalid replica assignment")
	ErrInvalidConfig            = errors.New("invalid configuration")
	ErrInvalidRequest           = errors.New("invalid request")
	ErrPolicyViolation          = errors.New("policy violation")
	ErrUnknownTopic             = errors.New("unknown topic")
	ErrUnknownTopicID           = errors.New("unknown topic id")
	ErrReassignmentInProgress   = errors.New("reassignment in progress")
	ErrTimedOut                 = errors.New("not done in time")
	ErrAdminOperation           = errors.New("administrative operation failed")
	ErrNotController            = errors.New("this broker is not the controller")

	ErrNoReassignmentInProgress    = errors.New("no reassignment in progress")
	ErrElectionNotNeeded           = errors.New("election not needed")
	ErrPreferredLeaderNotAvailable = errors.New("preferred leader not available")
	ErrEligibleLeadersNotAvailable = errors.New("no eligible leader available")
)

// Why a broker refuses an order of the controller, or the controller what a broker asks for.
var (
	ErrStaleControllerEpoch  = errors.New("order of an older controller")
	ErrStaleBrokerEpoch      = errors.New("broker epoch of an earlier registration")
	ErrUnknownPartition      = errors.New("unknown topic or partition")
	ErrInconsistentTopicID   = errors.New("partition of another topic id")
	ErrStorage               = errors.New("log directory failed")
	ErrFencedLeaderEpoch     = errors.New("leader epoch is older than the partition's")
	ErrInvalidUpdateVersion  = errors.New("partition epoch is older than the partition's")
	ErrIneligibleReplica     = errors.New("replica may not join the ISR")
	ErrNotAttempted          = errors.New("operation not attempted")
	ErrBrokerNotAvailable    = errors.New("broker is not registered")
	ErrBrokerIDNotRegistered = errors.New("broker id is not registered")
)

// Error is a refusal: its kind, one of ErrXxx, and the sentence that Apache's broker gives to the client, "" where it gives none (null).
type Error struct {
	Kind    error
	Message string
}

// Error is the message alone, as the client gets it, or the kind where there is none.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Kind.Error()
	}
	return e.Message
}

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Refuse makes an [*Error] of a kind, with its message.
func Refuse(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
