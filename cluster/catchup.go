package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// catchUp is Adopt for a tree that has topics: another broker may have had the directories since. Topics and
// partitions that it made are taken over as Adopt does; a topic that it deleted and made anew gets its new id; a
// partition that it led in higher epochs goes on in those; and producer ids that it gave out are not given out again.
//
// A topic of which there is no log stays what it is in the tree, and one that is being deleted is not looked at.
type catchUp struct {
	tree     meta.Tree
	brokerID int32
	done     Adoption
	ops      []meta.Op
}

func (c *catchUp) run(ctx context.Context, logs []LocalLog) (Adoption, error) {
	deleting, _, err := c.tree.Children(ctx, znode.DeleteTopics)
	if err != nil && !errors.Is(err, meta.ErrNoNode) {
		return c.done, err
	}
	byTopic := c.done.sort(logs)
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		if slices.Contains(deleting, topic) {
			continue
		}
		if err := c.topic(ctx, topic, byTopic[topic]); err != nil {
			return c.done, err
		}
	}
	if err := c.producerIDs(ctx, logs); err != nil || len(c.ops) == 0 {
		return c.done, err
	}
	_, err = c.tree.Multi(ctx, c.ops...)
	return c.done, err
}

func (c *catchUp) topic(ctx context.Context, topic string, logs []LocalLog) error {
	data, stat, err := c.tree.Get(ctx, znode.TopicPath(topic))
	if errors.Is(err, meta.ErrNoNode) {
		ops, err := c.done.adopt(c.brokerID, topic, logs)
		if err != nil {
			return err
		}
		if there, _, err := c.tree.Exists(ctx, znode.ConfigPath(znode.EntityTopics, topic)); err != nil {
			return err
		} else if there {
			ops = ops[1:] // the configuration
		}
		c.ops = append(c.ops, ops...)
		return nil
	}
	if err != nil {
		return err
	}
	body, err := znode.DecodeTopic(topic, data)
	if err != nil {
		return nil // the controller logs it when it loads the topics
	}
	changed := false
	if isOf := func(l LocalLog) bool { return l.TopicID.IsZero() || l.TopicID == body.ID }; !slices.ContainsFunc(logs, isOf) {
		body.ID, changed = commonID(logs), true
		c.done.noteCompacted(topic, body.ID, logs)
		c.ops = append(c.ops, meta.SetOp(znode.ConfigPath(znode.EntityTopics, topic), znode.EncodeConfig(adoptedConfig(topic)), meta.AnyVersion))
	}
	grown, err := c.partitions(ctx, topic, body, logs)
	if err != nil {
		return err
	}
	if changed || grown {
		c.done.Topics = append(c.done.Topics, topic)
		c.ops = append(c.ops, meta.SetOp(znode.TopicPath(topic), body.Encode(), stat.Version))
	}
	return nil
}

// partitions raises the leader epochs of the partitions that the tree has, and adds those that it does not have.
func (c *catchUp) partitions(ctx context.Context, topic string, body *znode.Topic, logs []LocalLog) (grown bool, err error) {
	known := int32(len(body.Partitions))
	epochs := map[int32]int32{}
	last := int32(-1)
	for _, log := range logs {
		if log.TopicID.IsZero() || log.TopicID == body.ID {
			epochs[log.Partition] = log.LatestEpoch
			last = max(last, log.Partition)
		}
	}
	if last >= maxAdoptedPartitions {
		return false, errTooManyToAdopt(topic, last)
	}
	for p := known; p <= last; p++ {
		epoch, there := epochs[p]
		if !there {
			epoch = -1
			c.done.Filled = append(c.done.Filled, protocol.TopicPartition{Topic: topic, Partition: p})
		}
		body.Partitions = append(body.Partitions, znode.Replicas{Partition: p, Replicas: []int32{c.brokerID}})
		c.ops = append(c.ops, adoptPartition(c.brokerID, protocol.TopicPartition{Topic: topic, Partition: p}, epoch)...)
		grown = true
	}
	var paths []string
	var of []protocol.TopicPartition
	for p := range epochs {
		if tp := (protocol.TopicPartition{Topic: topic, Partition: p}); p < known {
			of, paths = append(of, tp), append(paths, znode.PartitionStatePath(tp))
		}
	}
	nodes, err := c.tree.GetAll(ctx, paths)
	if err != nil {
		return false, err
	}
	for i, n := range nodes {
		state, err := znode.DecodePartitionState(of[i], n.Data)
		if n.Err != nil || err != nil || state.LeaderEpoch >= epochs[of[i].Partition] {
			continue // a state that is missing or unreadable is the controller's business
		}
		state.LeaderEpoch = epochs[of[i].Partition]
		c.ops = append(c.ops, meta.SetOp(paths[i], state.Encode(), n.Stat.Version))
	}
	return grown, nil
}

// producerIDs makes sure that the next block has no id of a producer that stands in the logs.
func (c *catchUp) producerIDs(ctx context.Context, logs []LocalLog) error {
	used := usedProducerIDs(logs)
	data, stat, err := c.tree.Get(ctx, znode.LatestProducerIDBlock)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		block, err := znode.DecodeProducerIDBlock(data)
		if err != nil || block.End >= used-1 {
			return err
		}
	} else if used == 0 {
		return nil
	}
	c.ops = append(c.ops, meta.SetOp(znode.LatestProducerIDBlock, ownProducerIDs(c.brokerID, used).Encode(), stat.Version))
	return nil
}

// producerIDRange is how far apart the producer ids of brokers are that do not know of each other's: one with
// ZooKeeper counts up from 0 by thousands, and does not come so far.
const producerIDRange = 1 << 32

// ownProducerIDs is a block after which the ids begin that no other broker has given out, or will soon. used is above all ids
// in the logs. A new producer that got the id of another would have its first batches taken for duplicates of the other's.
func ownProducerIDs(brokerID int32, used int64) znode.ProducerIDBlock {
	next := (used/producerIDRange + 1) * producerIDRange
	return znode.ProducerIDBlock{Broker: brokerID, Start: next - znode.ProducerIDs, End: next - 1}
}

// usedProducerIDs is above every producer id in the logs, 0 when there is none.
func usedProducerIDs(logs []LocalLog) (used int64) {
	for i := range logs {
		used = max(used, logs[i].ProducerIDs)
	}
	return used
}
