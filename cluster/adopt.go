package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// LocalLog is a partition's log as it stands in a log directory.
type LocalLog struct {
	protocol.TopicPartition
	// TopicID is that of partition.metadata, zero if there is none.
	TopicID protocol.UUID
	// LatestEpoch is the last of leader-epoch-checkpoint, -1 if there is none.
	LatestEpoch int32
	// ProducerIDs is above the ids of all producers that the log knows, 0 if it knows none.
	ProducerIDs int64
	// Compacted says that the log was compacted once: cleaner-offset-checkpoint has it.
	Compacted bool
}

// Adoption is what Adopt did.
type Adoption struct {
	// Topics are those whose nodes were made, by name.
	Topics []string
	// Filled are partitions that the topics must have had, to go by their numbers, and of which there is no log here: they begin empty.
	Filled []protocol.TopicPartition
	// Strays are logs left alone: their topic's id is not that of the topic's other logs (the partition is offline then), or their
	// name is no topic's.
	Strays []protocol.TopicPartition
	// Compacted are those of Topics that were compacted once, and will not be until an administrator says so.
	Compacted []string
}

// HasTopics tells whether the tree knows topics, or ever did: a tree that a broker has run on is not to be adopted into.
func HasTopics(ctx context.Context, tree meta.Tree) (bool, error) {
	there, _, err := tree.Exists(ctx, znode.BrokerTopics)
	return there, err
}

// Adopt builds the nodes of the topics that stand in the log directories, for a tree that never had any: somebody put
// this broker alone on the directories of an Apache broker whose ZooKeeper is not there. Names, partitions and ids are those of the directories; this
// broker alone holds every partition, in the latest leader epoch of its log. It comes before Start.
//
// The topics' own properties were in the tree that is not there. So that nothing is deleted that they said to keep, adopted topics
// keep everything: cleanup.policy is set to delete and retention.ms and retention.bytes to -1, whatever the broker's defaults
// are, until an administrator says otherwise. That a log was compacted once does not say that it is to be now, so that such a topic
// is named and not compacted. Kafka's own topics get the properties that Apache's broker makes them with.
//
// A tree that has had topics learns what another broker did to the directories in between.
func Adopt(ctx context.Context, tree meta.Tree, brokerID int32, logs []LocalLog) (Adoption, error) {
	var done Adoption
	if had, err := HasTopics(ctx, tree); err != nil {
		return done, err
	} else if had {
		c := catchUp{tree: tree, brokerID: brokerID}
		return c.run(ctx, logs)
	}
	byTopic := done.sort(logs)
	var ops []meta.Op
	for _, path := range znode.PersistentPaths() {
		if there, _, err := tree.Exists(ctx, path); err != nil {
			return done, err
		} else if !there {
			ops = append(ops, meta.CreateOp(path, nil, meta.Persistent))
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		topicOps, err := done.adopt(brokerID, topic, byTopic[topic])
		if err != nil {
			return done, err
		}
		ops = append(ops, topicOps...)
	}
	ops = append(ops, meta.SetOp(znode.LatestProducerIDBlock, ownProducerIDs(brokerID, usedProducerIDs(logs)).Encode(), meta.AnyVersion))
	// All in one transaction: a stop in between leaves a tree that is adopted into again.
	if _, err := tree.Multi(ctx, ops...); err != nil {
		if errors.Is(err, meta.ErrNodeExists) {
			return Adoption{}, nil // somebody else began
		}
		return Adoption{}, err
	}
	return done, nil
}

// sort groups the logs by topic. Those whose name cannot be a topic's become Strays.
func (done *Adoption) sort(logs []LocalLog) map[string][]LocalLog {
	byTopic := map[string][]LocalLog{}
	for _, log := range logs {
		if ValidateTopicName(log.Topic) != nil || log.Partition < 0 {
			done.Strays = append(done.Strays, log.TopicPartition)
			continue
		}
		byTopic[log.Topic] = append(byTopic[log.Topic], log)
	}
	return byTopic
}

// adoptPartition makes the nodes of a partition that this broker leads, in the epoch of the log: a broker that starts again
// goes on in its epoch. In a higher one it would leave records that are ahead of the ZooKeeper which Apache's broker comes back with.
func adoptPartition(brokerID int32, tp protocol.TopicPartition, epoch int32) []meta.Op {
	state := znode.PartitionState{Leader: brokerID, LeaderEpoch: max(epoch, 0), ISR: []int32{brokerID}}
	return []meta.Op{
		meta.CreateOp(znode.PartitionPath(tp), nil, meta.Persistent),
		meta.CreateOp(znode.PartitionStatePath(tp), state.Encode(), meta.Persistent),
	}
}

func errTooManyToAdopt(topic string, last int32) error {
	return fmt.Errorf("topic %s seems to have %d partitions, by its directories: that is more than can be adopted", topic, last+1)
}

// maxAdoptedPartitions bounds the partitions of an adopted topic: the name of one directory would be enough to make them many.
const maxAdoptedPartitions = 100_000

func (done *Adoption) adopt(brokerID int32, topic string, logs []LocalLog) ([]meta.Op, error) {
	id := commonID(logs)
	epochs := map[int32]int32{}
	stray := map[int32]bool{}
	last := int32(-1)
	for _, log := range logs {
		if !log.TopicID.IsZero() && log.TopicID != id {
			done.Strays = append(done.Strays, log.TopicPartition)
			stray[log.Partition] = true
			continue
		}
		epochs[log.Partition] = log.LatestEpoch
		last = max(last, log.Partition)
	}
	if last >= maxAdoptedPartitions {
		return nil, errTooManyToAdopt(topic, last)
	}
	if id.IsZero() {
		id = NewTopicID()
	}
	body := znode.Topic{ID: id, Partitions: make([]znode.Replicas, last+1)}
	states := []meta.Op{meta.CreateOp(znode.PartitionsPath(topic), nil, meta.Persistent)}
	for p := range last + 1 {
		tp := protocol.TopicPartition{Topic: topic, Partition: p}
		body.Partitions[p] = znode.Replicas{Partition: p, Replicas: []int32{brokerID}}
		epoch, there := epochs[p]
		if !there {
			epoch = -1
			if !stray[p] {
				done.Filled = append(done.Filled, tp)
			}
		}
		states = append(states, adoptPartition(brokerID, tp, epoch)...)
	}
	done.Topics = append(done.Topics, topic)
	done.noteCompacted(topic, id, logs)
	config := znode.EncodeConfig(adoptedConfig(topic))
	return append([]meta.Op{
		meta.CreateOp(znode.ConfigPath(znode.EntityTopics, topic), config, meta.Persistent),
		meta.CreateOp(znode.TopicPath(topic), body.Encode(), meta.Persistent),
	}, states...), nil
}

// commonID is the id that most of a topic's logs have. Of two that are as frequent it is the smaller, so that it is the same each time.
func commonID(logs []LocalLog) protocol.UUID {
	count := map[protocol.UUID]int{}
	var best protocol.UUID
	for _, log := range logs {
		if !log.TopicID.IsZero() {
			count[log.TopicID]++
		}
	}
	for id, n := range count {
		if n > count[best] || n == count[best] && id.String() < best.String() {
			best = id
		}
	}
	return best
}

func adoptedConfig(topic string) map[string]string {
	switch topic {
	case "__consumer_offsets":
		return map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}
	case "__transaction_state":
		return map[string]string{
			"cleanup.policy": "compact", "compression.type": "uncompressed", "segment.bytes": "104857600",
			"min.insync.replicas": "1", "unclean.leader.election.enable": "false",
		}
	}
	return map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
}

// noteCompacted notes a topic that gets adoptedConfig if any of its logs was compacted.
func (done *Adoption) noteCompacted(topic string, id protocol.UUID, logs []LocalLog) {
	was := func(l LocalLog) bool { return l.Compacted && (l.TopicID.IsZero() || l.TopicID == id) }
	if adoptedConfig(topic)["cleanup.policy"] != "compact" && slices.ContainsFunc(logs, was) {
		done.Compacted = append(done.Compacted, topic)
	}
}
