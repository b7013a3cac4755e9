package view

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/protocol"
)

// Partition returns a partition that this broker leads. For another partition it returns
// the error of the reference: UNKNOWN_TOPIC_OR_PARTITION if the cluster does not have the
// partition, KAFKA_STORAGE_ERROR if the partition is in a log directory of this broker
// that failed, and NOT_LEADER_OR_FOLLOWER if another broker leads it. If this broker leads
// the partition and its log has failed, the error is KAFKA_STORAGE_ERROR too.
func Partition(b *cluster.Broker, replicas *replica.Manager, tp protocol.TopicPartition) (*replica.Partition, error) {
	p, err := replicas.Partition(tp)
	if err == nil {
		// After a log has failed, nobody knows what is on the disk. So nobody may read it.
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

// IsOfTopic reports whether a partition belongs to the topic with the id that a request
// gives. A handler looks the id up in a snapshot of the metadata and then finds the
// partition by the topic's name. Between the two, somebody may have deleted the topic and
// created another with its name. The zero id matches every topic: a request that gives
// a name has no id, and neither has a topic that is older than topic ids.
func IsOfTopic(p *replica.Partition, id protocol.UUID) bool {
	return id.IsZero() || p.TopicID().IsZero() || p.TopicID() == id
}
