package cluster

import (
	"bytes"
	"context"
	"errors"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// AutoCreateTopics creates topics that clients' requests need, as CreateTopics does. A broker that is not the controller writes their
// nodes itself, as any broker of 3.9 does, and the controller does the rest: such a topic is not in Metadata yet when this returns.
func (b *Broker) AutoCreateTopics(ctx context.Context, topics []NewTopic) []TopicResult {
	results := b.CreateTopics(ctx, topics, false)
	for i := range results {
		if errors.Is(results[i].Err, ErrNotController) {
			results[i] = b.writeTopic(ctx, &topics[i])
		}
	}
	return results
}

// writeTopic writes the nodes of a topic.
func (b *Broker) writeTopic(ctx context.Context, n *NewTopic) TopicResult {
	res := TopicResult{Name: n.Name}
	known := b.Metadata()
	config, body, err := controller.PlanTopic(n, b.rules(), liveBrokers(known), known.TopicNames())
	if err == nil {
		err = b.writeTopicNodes(ctx, n.Name, znode.EncodeConfig(config), body.Encode())
	}
	if res.Err = err; err == nil {
		res.ID, res.Partitions, res.ReplicationFactor = body.ID, int32(len(body.Partitions)), int16(len(body.Partitions[0].Replicas))
		b.o.Logger.Info("topic created", "topic", n.Name, "topic_id", res.ID, "partitions", res.Partitions, "replication_factor", res.ReplicationFactor, "by", askedOf(ctx).by)
	}
	return res
}

// writeTopicNodes makes the node of a topic and that of its configuration, so that no topic is without one (KAFKA-16003), in one
// transaction: the configuration of a topic that somebody else has created meanwhile is not overwritten. One without a topic is left
// over from an earlier topic of the name, and is replaced as Apache's broker replaces it (AdminZkClient.createTopicWithAssignment).
func (b *Broker) writeTopicNodes(ctx context.Context, name string, config, body []byte) error {
	topicPath, configPath := znode.TopicPath(name), znode.ConfigPath(znode.EntityTopics, name)
	asked := false
	for {
		nodes, err := b.tree().GetAll(ctx, []string{topicPath, znode.DeleteTopicPath(name), configPath})
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Err != nil && !errors.Is(n.Err, meta.ErrNoNode) {
				return n.Err
			}
		}
		switch topic, mark := nodes[0], nodes[1]; {
		case topic.Err == nil && asked && bytes.Equal(topic.Data, body): // an answer was lost; the topic's id is in the body
			return nil
		case topic.Err == nil: // another broker was asked for it at the same time
			return &Error{Kind: ErrTopicExists, Message: "Topic '" + name + "' already exists."}
		case mark.Err == nil:
			return &Error{Kind: ErrTopicExists, Message: "Topic '" + name + "' is marked for deletion."}
		}
		writeConfig := meta.SetOp(configPath, config, nodes[2].Stat.Version)
		if nodes[2].Err != nil {
			writeConfig = meta.CreateOp(configPath, config, meta.Persistent)
		}
		_, err = b.tree().Multi(ctx, writeConfig, meta.CreateOp(topicPath, body, meta.Persistent))
		asked = true
		late := errors.Is(err, meta.ErrNodeExists) || errors.Is(err, meta.ErrBadVersion) || errors.Is(err, meta.ErrNoNode) && nodes[2].Err == nil
		if !late && !errors.Is(err, meta.ErrOutcomeUnknown) {
			return err
		}
	}
}
