package observe

import (
	"fmt"
	"log/slog"
)

// partitionName is a partition as the log names it.
func partitionName(topic string, partition int32) string {
	return fmt.Sprintf("%s-%d", topic, partition)
}

// ISRChanged says that the replicas in sync of a partition that this broker leads have changed.
type ISRChanged struct {
	Topic          string
	Partition      int32
	Was, ISR       []int32
	PartitionEpoch int32
}

// Kind implements Event.
func (ISRChanged) Kind() string { return "isr_changed" }

// Reason says whether replicas joined ("expand") or left ("shrink").
func (e ISRChanged) Reason() string {
	switch {
	case len(e.ISR) < len(e.Was):
		return "shrink"
	case len(e.ISR) > len(e.Was):
		return "expand"
	}
	return "change"
}

// Line implements Event.
func (e ISRChanged) Line() (slog.Level, string, []any) {
	return slog.LevelInfo, "the ISR has changed", []any{"partition", partitionName(e.Topic, e.Partition), "isr", e.ISR, "partition_epoch", e.PartitionEpoch}
}

// LeadershipsChanged says that the controller gave this broker other roles in partitions. A broker that dies changes thousands at once, which
// are one event.
type LeadershipsChanged struct {
	Leads, Follows int    // how many partitions this broker leads, and follows, that it did not before
	First          string // one of them
}

// Kind implements Event.
func (LeadershipsChanged) Kind() string { return "leaderships_changed" }

// Reason implements Event.
func (LeadershipsChanged) Reason() string { return "" }

// Line implements Event.
func (e LeadershipsChanged) Line() (slog.Level, string, []any) {
	return slog.LevelDebug, "this broker has other roles in partitions", []any{"leads", e.Leads, "follows", e.Follows, "first", e.First}
}

// UncleanElection says that the controller lets a replica lead that is not in sync.
type UncleanElection struct {
	Topic     string
	Partition int32
	Leader    int32   // the replica
	ISR       []int32 // those in sync, none of which lives
}

// Kind implements Event.
func (UncleanElection) Kind() string { return "unclean_election" }

// Reason implements Event.
func (UncleanElection) Reason() string { return "" }

// Line implements Event.
func (e UncleanElection) Line() (slog.Level, string, []any) {
	return slog.LevelWarn, "partition gets a leader that is not in sync: records may be lost",
		[]any{"partition", partitionName(e.Topic, e.Partition), "leader", e.Leader, "isr", e.ISR}
}

// Rebalanced says that a group began a generation.
type Rebalanced struct {
	Group      string
	Generation int32
	Members    int    // 0 when all have left
	Protocol   string // the assignor
	Because    string // the reason, one of a few
	Said       string // what the client gave as its reason (KIP-800), shortened
}

// Kind implements Event.
func (Rebalanced) Kind() string { return "group_rebalanced" }

// Reason implements Event.
func (e Rebalanced) Reason() string { return e.Because }

// Why is the reason with what the client said.
func (e Rebalanced) Why() string {
	if e.Said != "" {
		return e.Because + ": " + e.Said
	}
	return e.Because
}

// Line implements Event.
func (e Rebalanced) Line() (slog.Level, string, []any) {
	if e.Members == 0 {
		return slog.LevelInfo, "all members have left a group", []any{"group", e.Group, "generation", e.Generation, "reason", e.Why()}
	}
	return slog.LevelInfo, "rebalanced a group",
		[]any{"group", e.Group, "generation", e.Generation, "members", e.Members, "protocol", e.Protocol, "reason", e.Why()}
}

// MemberEvicted says that the coordinator removed a member that did not ask to leave.
type MemberEvicted struct {
	Group, Member string
	Because       string // one of a few
}

// Kind implements Event.
func (MemberEvicted) Kind() string { return "group_member_evicted" }

// Reason implements Event.
func (e MemberEvicted) Reason() string { return e.Because }

// Line implements Event.
func (e MemberEvicted) Line() (slog.Level, string, []any) {
	return slog.LevelInfo, "removed a member of a group", []any{"group", e.Group, "member", e.Member, "reason", e.Because}
}

// What becomes of a session.
const (
	SessionDisconnected = "disconnected"
	SessionReconnected  = "reconnected"
	SessionExpired      = "expired"
	SessionBegan        = "began"
)

// SessionChanged says what became of the session with the metadata tree.
type SessionChanged struct {
	To      string // one of the constants above
	Session string // the session's name; "" where the event is about the connection
}

// Kind implements Event.
func (SessionChanged) Kind() string { return "tree_session" }

// Reason implements Event.
func (e SessionChanged) Reason() string { return e.To }

// Line implements Event.
func (e SessionChanged) Line() (slog.Level, string, []any) {
	switch e.To {
	case SessionDisconnected:
		return slog.LevelWarn, "the connection to the metadata tree is lost", nil
	case SessionReconnected:
		return slog.LevelInfo, "the connection to the metadata tree is back", nil
	case SessionExpired:
		return slog.LevelWarn, "the session with the metadata tree has ended", []any{"session", e.Session}
	}
	return slog.LevelInfo, "a new session with the metadata tree has begun", []any{"session", e.Session}
}

// SegmentRolled says that a segment is full, or old enough, and a log goes on in a new one.
type SegmentRolled struct {
	Topic     string
	Partition int32
	Base      int64 // the offset that the segment begins with
	Bytes     int64 // of the segment
}

// Kind implements Event.
func (SegmentRolled) Kind() string { return "segment_rolled" }

// Reason implements Event.
func (SegmentRolled) Reason() string { return "" }

// Line implements Event.
func (e SegmentRolled) Line() (slog.Level, string, []any) {
	return slog.LevelDebug, "segment rolled", []any{"partition", partitionName(e.Topic, e.Partition), "segment", e.Base, "bytes", e.Bytes}
}

// DirectoryFailed says that a log directory is offline until the broker is restarted.
type DirectoryFailed struct {
	Dir        string
	Err        error
	Partitions int // that were in it
}

// Kind implements Event.
func (DirectoryFailed) Kind() string { return "log_directory_failed" }

// Reason implements Event.
func (DirectoryFailed) Reason() string { return "" }

// Line implements Event.
func (e DirectoryFailed) Line() (slog.Level, string, []any) {
	return slog.LevelError, "log directory is offline; its partitions are not available until the broker is restarted",
		[]any{"log_dir", e.Dir, "partitions", e.Partitions, "error", e.Err}
}

// LimitReached says that a limit held a client back or refused it.
type LimitReached struct {
	Limit   string // the property that sets it
	Message string
	Attrs   []any
}

// Kind implements Event.
func (LimitReached) Kind() string { return "limit_reached" }

// Reason is the limit.
func (e LimitReached) Reason() string { return e.Limit }

// Line implements Event.
func (e LimitReached) Line() (slog.Level, string, []any) { return slog.LevelWarn, e.Message, e.Attrs }
