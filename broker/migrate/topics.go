package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
	"klamm/server/config"
)

// readTopics reads the assignments and the states of all partitions.
func (c *checker) readTopics(ctx context.Context) {
	t := &c.tree
	names := t.children(ctx, znode.BrokerTopics)
	for i, n := range t.nodes(ctx, below(znode.BrokerTopics, names)...) {
		if n.Err != nil {
			continue // deleted meanwhile, or may not be read
		}
		topic, err := znode.DecodeTopic(names[i], n.Data)
		if err != nil {
			c.broken(znode.TopicPath(names[i]), err)
			continue
		}
		t.topics[names[i]] = topic
	}
	var all []protocol.TopicPartition
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(t.topics)) {
		for _, p := range t.topics[name].Partitions {
			tp := protocol.TopicPartition{Topic: name, Partition: p.Partition}
			all, paths = append(all, tp), append(paths, znode.PartitionStatePath(tp))
		}
	}
	for i, n := range t.nodes(ctx, paths...) {
		switch {
		case errors.Is(n.Err, meta.ErrNoNode):
			c.add(Finding{Severity: Info, Area: Tree, Where: []string{all[i].String()}, Found: "the partition has no state yet: no controller has given it a leader"})
		case n.Err == nil:
			state, err := znode.DecodePartitionState(all[i], n.Data)
			if err != nil {
				c.broken(paths[i], err)
				continue
			}
			t.states[all[i]] = state
		}
	}
}

// replica is one partition that this broker has a replica of.
type replica struct {
	tp    protocol.TopicPartition
	topic *znode.Topic
	of    znode.Replicas
}

// own lists the partitions that this broker has replicas of.
func (c *checker) own() (own []replica) {
	for _, name := range slices.Sorted(maps.Keys(c.tree.topics)) {
		topic := c.tree.topics[name]
		for _, p := range topic.Partitions {
			if slices.Contains(p.Replicas, c.Broker) {
				own = append(own, replica{protocol.TopicPartition{Topic: name, Partition: p.Partition}, topic, p})
			}
		}
	}
	return own
}

// checkTopics judges topics and partitions.
func (c *checker) checkTopics(ctx context.Context) {
	c.checkTopicConfigs(ctx)
	for _, name := range slices.Sorted(maps.Keys(c.tree.topics)) {
		topic := c.tree.topics[name]
		if topic.ID.IsZero() {
			c.add(Finding{Severity: Info, Area: Tree, Where: []string{name}, Found: "the topic has no id: a broker older than 2.8 made it",
				Do: "a controller of Apache Kafka 3.9 gives it one when it takes office; let one do so before klamm is the controller"})
		}
		for _, p := range topic.Partitions {
			if len(p.Adding)+len(p.Removing) > 0 {
				c.add(Finding{Severity: Info, Area: Tree, Where: []string{protocol.TopicPartition{Topic: name, Partition: p.Partition}.String()},
					Found: "the partition is being reassigned", Do: "wait until it is done: kafka-reassign-partitions.sh --list"})
			}
		}
	}
	if topic := c.tree.topics[cluster.TransactionsTopic]; topic != nil {
		c.add(Finding{Severity: Differs, Area: Tree, Where: []string{znode.TopicPath(cluster.TransactionsTopic)},
			Found: "clients have used transactions, and klamm has none yet: it refuses the records of a transaction, and does not take the end of one from its coordinator",
			Do:    "see by kafka-transactions.sh list whether anybody still uses them, and leave the partitions that they write to on brokers of Apache Kafka"})
	}
	c.add(Finding{Severity: Info, Area: Tree, Where: c.tree.children(ctx, znode.DeleteTopics), Found: "the topic is being deleted", Do: "wait until it is gone"})
	if data, ok := c.tree.node(ctx, znode.ReassignPartitions); ok {
		list, err := znode.DecodeReassignments(data)
		if err != nil {
			c.broken(znode.ReassignPartitions, err)
		} else {
			c.add(Finding{Severity: Info, Area: Tree, Where: []string{znode.ReassignPartitions}, Found: fmt.Sprintf("%d partitions wait to be reassigned", len(list)),
				Do: "wait until it is done: kafka-reassign-partitions.sh --list"})
		}
	}
	c.checkOwn()
}

// checkTopicConfigs looks at the settings of topics.
func (c *checker) checkTopicConfigs(ctx context.Context) {
	names := c.tree.children(ctx, znode.ConfigTopics)
	for _, name := range names {
		settings := c.config(ctx, znode.ConfigPath(znode.EntityTopics, name))
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			if w, ok := config.UnservedTopic(key, settings[key]); ok {
				c.judge(Tree, znode.ConfigPath(znode.EntityTopics, name)+": "+key, w, "copy the topic into one without the setting, and delete it")
			}
		}
	}
}

// checkOwn judges the partitions that this broker has replicas of.
func (c *checker) checkOwn() {
	for _, r := range c.own() {
		state, known := c.tree.states[r.tp]
		where := []string{r.tp.String()}
		switch {
		case len(r.of.Replicas) == 1:
			c.add(Finding{Severity: Info, Area: Tree, Where: where, Found: "this broker has the only replica: the partition is not available while neither broker runs"})
		case known && len(state.ISR) == 1 && state.ISR[0] == c.Broker:
			c.add(Finding{Severity: Info, Area: Tree, Where: where, Found: "this broker is the only replica in sync: the partition is not available while it is stopped",
				Do: "wait until the others have caught up: kafka-topics.sh --describe --under-replicated-partitions"})
		}
		if known && state.Leader == znode.NoLeader {
			c.add(Finding{Severity: Info, Area: Tree, Where: where, Found: "the partition has no leader"})
		}
	}
}
