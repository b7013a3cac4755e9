package replica

import "klamm/protocol"

// Followed is what a fetcher has to know of a partition that this broker follows.
type Followed struct {
	*Partition
	TopicID protocol.UUID
	// Leader is the broker to fetch from. It is live, by what the controller told last.
	Leader int32
	// LeaderEpoch is the epoch of this role. Every change of the log has to name it: the partition refuses those of an older one.
	LeaderEpoch int32
	// StartOffset is where to begin: the log end offset, or the high watermark if the log knows no leader epoch.
	StartOffset int64
	// Truncating says that the log knows no leader epoch, so that no answer of the leader can tell where the logs diverge: the log is truncated
	// to StartOffset first.
	Truncating bool
	// InSync says that this broker is in the ISR, by the controller's order.
	InSync bool
}

// Fetchers copy records from the leaders of partitions that this broker follows. A Manager calls them: Set and Remove one at a time.
type Fetchers interface {
	// Set has partitions fetched from now on. One that was fetched before was removed, unless it only got the id of its topic.
	Set(partitions []Followed)
	// Remove ends the fetching of partitions. When it returns, no change of their logs is under way, and none will begin. A partition that
	// is not fetched is skipped.
	Remove(partitions []protocol.TopicPartition)
	// BrokersChanged says that other brokers live now than before, or at other addresses.
	BrokersChanged()
	// Close ends all fetching, and returns when nothing is under way.
	Close()
}

// noFetchers are those of a broker alone.
type noFetchers struct{}

func (noFetchers) Set([]Followed)                   {}
func (noFetchers) Remove([]protocol.TopicPartition) {}
func (noFetchers) BrokersChanged()                  {}
func (noFetchers) Close()                           {}
