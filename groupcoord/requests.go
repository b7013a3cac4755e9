package groupcoord

// JoinRequest asks to become a member or to stay one (JoinGroup). What it points to need not outlive the call
// that it is handed to.
type JoinRequest struct {
	Group      string
	MemberID   string  // empty for who has none yet
	InstanceID *string // of a static member; nil for a dynamic one
	ClientID   string
	ClientHost string // as Apache Kafka writes it: a slash and the address

	SessionTimeoutMs   int32
	RebalanceTimeoutMs int32
	ProtocolType       string // "consumer", "connect"
	Protocols          []Protocol
	Reason             string // why it joins, for the log

	NeedsKnownID    bool // a dynamic member is given its id first, and joins with that (KIP-394; JoinGroup 4)
	SkipsAssignment bool // a static leader that is back is told that there is nothing to assign (KIP-814; JoinGroup 9)

	// Done is called once, on any goroutine, perhaps before the call that hands the request over returns.
	Done func(JoinAnswer)
}

// JoinAnswer says who the member is and, to the leader, who the others are.
type JoinAnswer struct {
	Err            error
	MemberID       string
	Generation     int32   // -1 with most errors
	ProtocolType   *string // nil with most errors, as the protocol
	Protocol       *string
	Leader         string
	SkipAssignment bool
	Members        []JoinedMember // for the leader
}

// JoinedMember is a member as the leader is told of it.
type JoinedMember struct {
	MemberID   string
	InstanceID *string
	Metadata   []byte
}

// refusedJoin is the answer that is an error and nothing else.
func refusedJoin(memberID string, err error) JoinAnswer {
	return JoinAnswer{Err: err, MemberID: memberID, Generation: noGeneration}
}

// noGeneration stands for none.
const noGeneration = -1

// SyncRequest asks what the member has to do, and says it for all if it is the leader's (SyncGroup).
type SyncRequest struct {
	Group        string
	MemberID     string
	InstanceID   *string
	Generation   int32
	ProtocolType *string // from SyncGroup 5 on; nil before
	Protocol     *string
	Assignments  []Assignment // the leader's

	// Done is called once, as for a JoinRequest.
	Done func(SyncAnswer)
}

// Assignment is what a member has to do.
type Assignment struct {
	MemberID string
	Bytes    []byte
}

// SyncAnswer is what the member has to do.
type SyncAnswer struct {
	Err          error
	ProtocolType *string
	Protocol     *string
	Assignment   []byte
}

// HeartbeatRequest says that a member lives (Heartbeat).
type HeartbeatRequest struct {
	Group      string
	MemberID   string
	InstanceID *string
	Generation int32
}

// Leaver is a member that leaves (LeaveGroup), or that an administrator removes: by its instance id, without a
// member id.
type Leaver struct {
	MemberID   string
	InstanceID *string
	Reason     string
}

// CommitRequest says up to where partitions have been worked on (OffsetCommit).
type CommitRequest struct {
	Group      string
	MemberID   string
	InstanceID *string
	// Generation is the member's; -1 for who is no member and only keeps offsets.
	Generation int32
	// RetentionMs is for how long the offsets are kept, -1 for as long as the group has members and offsets.retention.minutes.
	RetentionMs int64
	Offsets     []CommittedOffset

	// Done is called once, as for a JoinRequest. Of an offset that has an error of its own, that counts.
	Done func(error)
}

// CommittedOffset is an offset to commit, or one that was.
type CommittedOffset struct {
	Topic       string
	Partition   int32
	Offset      int64 // -1 for none, where one was asked for
	LeaderEpoch int32 // of the record before; -1 for not known
	Metadata    string
	TimestampMs int64 // of the commit; -1 for now
	Err         error
}

// Partitions are some partitions of a topic.
type Partitions struct {
	Topic      string
	Partitions []int32
}
