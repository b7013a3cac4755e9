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
// partition (see Unknown), KAFKA_STORAGE_ERROR if the partition is in a log directory of this broker
// that failed, and NOT_LEADER_OR_FOLLOWER if another broker leads it. If this broker leads
// the partition and its log has failed, the error is KAFKA_STORAGE_ERROR too.
func Partition(b *cluster.Broker, replicas *replica.Manager, tp protocol.TopicPartition) (*replica.Partition, error) {
	p, err := Replica(b, replicas, tp)
	if err == nil {
		err = p.Leading()
	}
	return p, err
}

// Replica returns a partition that this broker has a replica of, whatever its role is. For
// another partition it returns an error as Partition does.
func Replica(b *cluster.Broker, replicas *replica.Manager, tp protocol.TopicPartition) (*replica.Partition, error) {
	p, err := replicas.Partition(tp)
	if err == nil {
		// After a log has failed, nobody knows what is on the disk. So nobody may read it.
		if err = p.Log().Err(); err == nil && p.State().Role == replica.Offline {
			err = p.Leading()
		}
		return p, err
	}
	known := b.Metadata().Partition(tp)
	switch {
	case known == nil:
		return nil, Unknown(b, tp)
	case slices.Contains(known.Replicas, b.ID()) && slices.Contains(known.Offline, b.ID()):
		return nil, kerr.KafkaStorageError
	}
	return nil, &replica.NotLeaderError{Partition: tp}
}

// Unknown returns the error of a partition that the metadata did not have: UNKNOWN_TOPIC_OR_PARTITION. A broker that has not
// been told of the topics yet, or has been told of this one meanwhile, cannot say that, and some clients give up over it. It says
// NOT_LEADER_OR_FOLLOWER, after which they ask for metadata.
func Unknown(b *cluster.Broker, tp protocol.TopicPartition) error {
	select {
	case <-b.Known():
		if b.Metadata().Partition(tp) == nil {
			return kerr.UnknownTopicOrPartition
		}
	default:
	}
	return kerr.NotLeaderForPartition
}

// IsOfTopic reports whether a partition belongs to the topic with the id that a request
// gives. A handler looks the id up in a snapshot of the metadata and then finds the
// partition by the topic's name. Between the two, somebody may have deleted the topic and
// created another with its name. The zero id matches every topic: a request that gives
// a name has no id, and neither has a topic that is older than topic ids.
func IsOfTopic(p *replica.Partition, id protocol.UUID) bool {
	return id.IsZero() || p.TopicID().IsZero() || p.TopicID() == id
}
