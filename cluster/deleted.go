package cluster

import (
	"context"

	"klamm/cluster/meta"
	"klamm/cluster/metadata"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// lookForDeleted has this broker forget the topics that are not in the tree any more. A controller tells the brokers that it knows to live of a
// deletion, and only then. One that hung or was cut off until its session ended has not heard of it when it comes back, and would show the topic for
// good, as Apache Kafka's does; so has one whose controller went before it could tell. Whoever is told something by a controller, or as a
// registration, that is new to it, hears of all later deletions: the earlier ones it looks up.
func (b *Broker) lookForDeleted() {
	if b.Metadata().NumTopics() == 0 {
		return
	}
	go func() {
		for b.forgetDeleted(b.quit) != nil && b.wait(b.quit, openRetry) == nil {
		}
	}()
}

func (b *Broker) forgetDeleted(ctx context.Context) error {
	tree, known := b.tree(), b.Metadata()
	// A server of ZooKeeper may lag behind, and not have topics that are new; it has them when it has answered a write.
	if _, err := tree.Multi(ctx, meta.CheckOp(znode.BrokerTopics, meta.AnyVersion)); err != nil {
		return err
	}
	names, _, err := tree.Children(ctx, znode.BrokerTopics)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	var gone []*metadata.Topic
	for t := range known.Topics() {
		if !there[t.Name] {
			gone = append(gone, t)
		}
	}
	if deleted := b.forget(gone); len(deleted) > 0 {
		b.o.Logger.Info("topics were deleted while nobody could tell this broker", "topics", len(deleted), "first", deleted[0].Topic)
		if b.o.PartitionsDeleted != nil {
			b.o.PartitionsDeleted(deleted)
		}
	}
	return nil
}

// forget forgets topics, unless others have their names by now.
func (b *Broker) forget(gone []*metadata.Topic) []DeletedPartitions {
	b.orders.Lock()
	defer b.orders.Unlock()
	known := b.Metadata()
	req := b.updateOf(known)
	for _, t := range gone {
		now := known.Topic(t.Name)
		if now == nil || now.ID != t.ID {
			continue
		}
		told := order.TopicMetadata{Name: now.Name, ID: now.ID}
		for p := range now.Partitions.All() {
			told.Partitions = append(told.Partitions, order.PartitionMetadata{Partition: p.Index, Leader: order.LeaderDuringDelete})
		}
		req.Topics = append(req.Topics, told)
	}
	if len(req.Topics) == 0 || b.quit.Err() != nil {
		return nil
	}
	deleted, err := b.takeInLocked(req, known, req.ControllerEpoch)
	if err != nil {
		b.o.Logger.Error("deleted topics cannot be forgotten", "error", err)
	}
	return deleted
}
