package replica

import (
	"fmt"

	"klamm/cluster/order"
	"klamm/protocol"
)

// UnknownPartitionError says that this broker has no replica of the partition.
type UnknownPartitionError struct{ Partition protocol.TopicPartition }

func (e *UnknownPartitionError) Error() string {
	return fmt.Sprintf("no replica of partition %s here", e.Partition)
}

// NotLeaderError says that this broker has a replica of the partition, but does
// not lead it, or not any more.
type NotLeaderError struct{ Partition protocol.TopicPartition }

func (e *NotLeaderError) Error() string {
	return fmt.Sprintf("not the leader of partition %s", e.Partition)
}

// UnknownReplicaError says that a broker that fetches as a follower is none of the partition's replicas, by what this broker knows
// (UNKNOWN_LEADER_EPOCH: the leader has yet to learn of a reassignment).
type UnknownReplicaError struct {
	Partition protocol.TopicPartition
	Replica   int32
}

func (e *UnknownReplicaError) Error() string {
	return fmt.Sprintf("broker %d is no replica of partition %s", e.Replica, e.Partition)
}

// NotEnoughReplicasError refuses records with acks=all before they are stored, since fewer replicas are in sync than
// min.insync.replicas asks for.
type NotEnoughReplicasError struct {
	Partition protocol.TopicPartition
	InSync    []int32
	Required  int
}

func (e *NotEnoughReplicasError) Error() string {
	return fmt.Sprintf("partition %s has the replicas %v in sync, and min.insync.replicas asks for %d", e.Partition, e.InSync, e.Required)
}

// NotEnoughReplicasAfterAppendError says that records were stored by all replicas in sync, but that these became fewer meanwhile than
// min.insync.replicas asks for.
type NotEnoughReplicasAfterAppendError struct {
	Partition protocol.TopicPartition
	InSync    []int32
	Required  int
}

func (e *NotEnoughReplicasAfterAppendError) Error() string {
	return fmt.Sprintf("partition %s has stored the records, but only the replicas %v are in sync, and min.insync.replicas asks for %d",
		e.Partition, e.InSync, e.Required)
}

// CommitTimeoutError says that records were not committed within the time that their producer gave.
type CommitTimeoutError struct {
	Partition protocol.TopicPartition
	Offset    int64 // the offset that had to be committed, exclusive
}

func (e *CommitTimeoutError) Error() string {
	return fmt.Sprintf("partition %s is not committed up to offset %d in time", e.Partition, e.Offset)
}

// StaleRoleError says that a change of a follower's log belongs to a role that the broker does not have any more.
type StaleRoleError struct {
	Partition          protocol.TopicPartition
	Requested, Current int32 // leader epochs
	Role               Role  // the present role
}

func (e *StaleRoleError) Error() string {
	return fmt.Sprintf("partition %s is not followed in leader epoch %d: this broker has the role %q in epoch %d", e.Partition, e.Requested, e.Role, e.Current)
}

// FollowerOffsetError says that records from a leader do not continue the log.
type FollowerOffsetError struct {
	Partition protocol.TopicPartition
	Fetched   int64 // where the fetched records begin
	End       int64 // the log end offset
}

func (e *FollowerOffsetError) Error() string {
	return fmt.Sprintf("partition %s ends at offset %d, and the records were fetched from %d", e.Partition, e.End, e.Fetched)
}

// EpochError says that the leader epoch in a request is not the
// partition's (KIP-320). A lower one is an old client's, which is fenced; a higher one means that this broker has
// not learned of an election yet.
type EpochError struct {
	Partition          protocol.TopicPartition
	Requested, Current int32
}

func (e *EpochError) Error() string {
	return fmt.Sprintf("leader epoch of partition %s is %d, the request says %d", e.Partition, e.Current, e.Requested)
}

// Fenced reports whether the request's epoch is lower than the partition's.
func (e *EpochError) Fenced() bool { return e.Requested < e.Current }

// storageError is an error of making or opening a log. Whatever it was, the controller has to learn that this replica cannot serve.
type storageError struct{ err error }

func (e *storageError) Error() string   { return e.err.Error() }
func (e *storageError) Unwrap() []error { return []error{order.ErrStorage, e.err} }
