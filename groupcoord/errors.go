package groupcoord

import "errors"

// The errors of requests. The room server has the protocol's code for each. The sentence is for logs.
var (
	ErrInvalidGroupID = errors.New("not a valid group id")                           // INVALID_GROUP_ID
	ErrNotAvailable   = errors.New("the group's coordinator is not available")       // COORDINATOR_NOT_AVAILABLE
	ErrLoading        = errors.New("the group's coordinator is reading its records") // COORDINATOR_LOAD_IN_PROGRESS
	ErrNotCoordinator = errors.New("this broker does not coordinate the group")      // NOT_COORDINATOR

	ErrUnknownMember         = errors.New("not a member of the group")                      // UNKNOWN_MEMBER_ID
	ErrIllegalGeneration     = errors.New("not the group's generation")                     // ILLEGAL_GENERATION
	ErrRebalanceInProgress   = errors.New("the group is rebalancing")                       // REBALANCE_IN_PROGRESS
	ErrInconsistentProtocol  = errors.New("no protocol in common with the group")           // INCONSISTENT_GROUP_PROTOCOL
	ErrInvalidSessionTimeout = errors.New("a session timeout outside of its bounds")        // INVALID_SESSION_TIMEOUT
	ErrFencedInstance        = errors.New("another member has the instance id")             // FENCED_INSTANCE_ID
	ErrMemberIDRequired      = errors.New("the member has to join again with its new id")   // MEMBER_ID_REQUIRED
	ErrGroupFull             = errors.New("the group has as many members as it may have")   // GROUP_MAX_SIZE_REACHED
	ErrNotEmpty              = errors.New("the group has members")                          // NON_EMPTY_GROUP
	ErrUnknownGroup          = errors.New("no such group")                                  // GROUP_ID_NOT_FOUND
	ErrSubscribed            = errors.New("the group is subscribed to the topic")           // GROUP_SUBSCRIBED_TO_TOPIC
	ErrMetadataTooLarge      = errors.New("metadata over offset.metadata.max.bytes")        // OFFSET_METADATA_TOO_LARGE
	ErrUnstableOffset        = errors.New("a commit of the offset is under way")            // UNSTABLE_OFFSET_COMMIT
	ErrCommitTooLarge        = errors.New("the commit is larger than the log takes")        // INVALID_COMMIT_OFFSET_SIZE
	ErrTooLarge              = errors.New("the group's state is larger than the log takes") // UNKNOWN_SERVER_ERROR
	ErrCommitTimedOut        = errors.New("the records were not committed in time")         // REQUEST_TIMED_OUT
)

// The errors of a Log besides ErrNotCoordinator and ErrNotAvailable.
var (
	// ErrRecordsTooLarge says that the log takes no batch of this size.
	ErrRecordsTooLarge = errors.New("a batch larger than the log takes")
	// ErrCorrupt says that the bytes at an offset are not what was written. What is behind them may be intact.
	ErrCorrupt = errors.New("the log is corrupt there")
)

// groupError gives the error that members are answered with when their group's record could not be written.
func groupError(err error) error {
	switch {
	case errors.Is(err, ErrRecordsTooLarge):
		return ErrTooLarge
	case errors.Is(err, ErrCommitTimedOut):
		return ErrRebalanceInProgress
	}
	return err
}

// removalError gives the error that a deletion is answered with when a tombstone could not be written.
func removalError(err error) error {
	if errors.Is(err, ErrRecordsTooLarge) {
		return ErrTooLarge
	}
	return err
}

// commitError gives the error that a commit is answered with when its offsets could not be written.
func commitError(err error) error {
	if errors.Is(err, ErrRecordsTooLarge) {
		return ErrCommitTooLarge
	}
	return err
}
