package replica

import (
	"fmt"

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
