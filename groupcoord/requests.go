package groupcoord

// JoinRequest is a JoinGroup request. Its slices need not stay as they are after the call that it is handed to.
type JoinRequest struct {
	Group      string
	MemberID   string  // empty for a new member
	InstanceID *string // of a static member; nil for a dynamic one
	ClientID   string
	ClientHost string // as Apache Kafka writes it: a slash and the address

	SessionTimeoutMs   int32
	RebalanceTimeoutMs int32
	ProtocolType       string // "consumer", "connect"
	Protocols          []Protocol
	Reason             string // the client's reason to join, for the log (KIP-800)

	NeedsKnownID    bool // a new dynamic member gets its member id first, and joins again with that (KIP-394; JoinGroup 4)
	SkipsAssignment bool // a static leader that was restarted is told to skip the assignment (KIP-814; JoinGroup 9)

	// Done is called once with the answer, on any goroutine, perhaps before Coordinator.Join returns.
	Done func(JoinAnswer)
}

// JoinAnswer is the answer to a JoinRequest.
type JoinAnswer struct {
	Err            error
	MemberID       string
	Generation     int32   // -1 with most errors
	ProtocolType   *string // nil with most errors, as Protocol
	Protocol       *string
	Leader         string
	SkipAssignment bool
	Members        []JoinedMember // for the leader
}

// JoinedMember is a member, as the answer to the leader's join lists it.
type JoinedMember struct {
	MemberID   string
	InstanceID *string
	Metadata   []byte
}

// refusedJoin is the answer to a join that is refused.
func refusedJoin(memberID string, err error) JoinAnswer {
	return JoinAnswer{Err: err, MemberID: memberID, Generation: noGeneration}
}

// noGeneration is the generation in the answer to a join that is refused.
const noGeneration = -1

// SyncRequest is a SyncGroup request: a member asks for its assignment, and the leader brings the assignments of all members.
type SyncRequest struct {
	Group        string
	MemberID     string
	InstanceID   *string
	Generation   int32
	ProtocolType *string // from SyncGroup 5 on; nil before
	Protocol     *string
	Assignments  []Assignment // from the leader

	// Done is called once with the answer, as that of a JoinRequest.
	Done func(SyncAnswer)
}

// Assignment is the assignment of a member, in the bytes of its protocol.
type Assignment struct {
	MemberID string
	Bytes    []byte
}

// SyncAnswer is the answer to a SyncRequest.
type SyncAnswer struct {
	Err          error
	ProtocolType *string
	Protocol     *string
	Assignment   []byte
}

// HeartbeatRequest is a Heartbeat request.
type HeartbeatRequest struct {
	Group      string
	MemberID   string
	InstanceID *string
	Generation int32
}

// Leaver is a member that leaves (LeaveGroup). An administrator removes a static member by its instance id, with an empty member id.
type Leaver struct {
	MemberID   string
	InstanceID *string
	Reason     string
}

// CommitRequest is an OffsetCommit request.
type CommitRequest struct {
	Group      string
	MemberID   string
	InstanceID *string
	// Generation is the member's; -1 from a client that is no member.
	Generation int32
	// RetentionMs is how long the offsets are kept; with -1 they expire by offsets.retention.minutes.
	RetentionMs int64
	Offsets     []CommittedOffset

	// Done is called once, as that of a JoinRequest. Its error is about the offsets that have no error of their own.
	Done func(error)
}

// CommittedOffset is an offset to commit, or one that was committed.
type CommittedOffset struct {
	Topic       string
	Partition   int32
	Offset      int64 // -1 in an answer: there is none
	LeaderEpoch int32 // of the last record that was consumed; -1 if it is not known
	Metadata    string
	TimestampMs int64 // of the commit; -1 for now
	Err         error
}

// missing reports whether an answer says that there is no offset.
func (o CommittedOffset) missing() bool { return o.Offset == -1 && o.Err == nil }

// Partitions are some partitions of a topic.
type Partitions struct {
	Topic      string
	Partitions []int32
}
