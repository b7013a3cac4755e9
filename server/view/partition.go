package view

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/protocol"
)

// Partition finds a partition that this broker leads. Of one that it does not
// the error says, as the reference does, which it is: a partition that the
// cluster does not have (UNKNOWN_TOPIC_OR_PARTITION), that is on a directory
// of ours which failed (KAFKA_STORAGE_ERROR), or that is another broker's
// (NOT_LEADER_OR_FOLLOWER).
func Partition(b *cluster.Broker, replicas *replica.Manager, tp protocol.TopicPartition) (*replica.Partition, error) {
	p, err := replicas.Partition(tp)
	if err == nil {
		// Of a log that failed nobody knows what is on the disk, so nobody is shown it.
		return p, p.Log().Err()
	}
	known := b.Metadata().Partition(tp)
	switch {
	case known == nil:
		return nil, err
	case slices.Contains(known.Replicas, b.ID()) && slices.Contains(known.Offline, b.ID()):
		return nil, kerr.KafkaStorageError
	}
	return nil, &replica.NotLeaderError{Partition: tp}
}

// IsOfTopic reports whether a partition belongs to the topic with an id: what a request calls by its id is found by the
// name in a snapshot of the metadata, and the topic may have been deleted and made again since. A request that names the
// topic, and a topic from before there were ids, have the zero id.
func IsOfTopic(p *replica.Partition, id protocol.UUID) bool {
	return id.IsZero() || p.TopicID().IsZero() || p.TopicID() == id
}
