package cluster

import "klamm/cluster/metadata"

// What a broker knows of the cluster; the types are those of package metadata.
type (
	// Metadata is the cluster as clients see it, at one moment.
	Metadata = metadata.Snapshot
	// Topic is a topic as clients see it.
	Topic = metadata.Topic
	// Partition is a partition as clients see it.
	Partition = metadata.Partition
	// BrokerInfo is a live broker.
	BrokerInfo = metadata.BrokerInfo
	// Endpoint is where clients reach a listener of a broker.
	Endpoint = metadata.Endpoint
	// DeletedPartitions are the partitions of one topic that are no more.
	DeletedPartitions = metadata.Deleted
)

const (
	// NoLeader stands for the leader of a partition that nobody leads.
	NoLeader = metadata.NoLeader
	// OffsetsTopic is __consumer_offsets.
	OffsetsTopic = metadata.OffsetsTopic
	// TransactionsTopic is __transaction_state.
	TransactionsTopic = metadata.TransactionsTopic
)

// IsInternalTopic says whether a name is that of one of Kafka's own topics.
func IsInternalTopic(name string) bool { return metadata.IsInternalTopic(name) }
