package controller

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// Load reads the whole state from the tree in a few round trips, however many topics there are. A topic whose body cannot
// be read is logged and left out, and the others are read.
func Load(tree meta.Tree, s *State, logger *slog.Logger) error {
	if err := loadBrokers(tree, s); err != nil {
		return err
	}
	names, _, err := tree.Children(znode.BrokerTopics)
	if err != nil {
		return err
	}
	topics, err := loadTopics(tree, s, names, logger)
	if err != nil {
		return err
	}
	if err := loadStates(tree, topics, logger); err != nil {
		return err
	}
	for _, t := range topics {
		s.PutTopic(t)
	}
	marked, _, err := tree.Children(znode.DeleteTopics)
	if err != nil {
		return err
	}
	for _, name := range marked {
		s.Deleting[name] = map[int32]bool{}
	}
	return nil
}

func loadBrokers(tree meta.Tree, s *State) error {
	ids, _, err := tree.Children(znode.BrokerIDs)
	if err != nil {
		return err
	}
	for _, name := range ids {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		data, stat, err := tree.Get(znode.BrokerPath(int32(id)))
		if errors.Is(err, meta.ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		b, err := znode.DecodeBroker(int32(id), data)
		if err != nil {
			return err
		}
		s.Live[int32(id)] = &LiveBroker{Broker: *b, Epoch: stat.Czxid}
	}
	return nil
}

func loadTopics(tree meta.Tree, s *State, names []string, logger *slog.Logger) ([]*Topic, error) {
	paths := make([]string, 0, 2*len(names))
	for _, name := range names {
		paths = append(paths, znode.TopicPath(name), znode.PartitionsPath(name))
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return nil, err
	}
	topics := make([]*Topic, 0, len(names))
	for i, name := range names {
		node := nodes[2*i]
		if errors.Is(node.Err, meta.ErrNoNode) {
			continue
		}
		if node.Err != nil {
			return nil, node.Err
		}
		body, err := znode.DecodeTopic(name, node.Data)
		if err == nil {
			err = wellFormed(body)
		}
		if err != nil {
			logger.Error("topic is left out: its znode cannot be read", "topic", name, "error", err)
			s.Unreadable[name] = true
			continue
		}
		t := &Topic{
			Name: name, ID: body.ID, Version: node.Stat.Version, HasNode: nodes[2*i+1].Err == nil,
			Partitions: make([]Partition, len(body.Partitions)),
		}
		for j, replicas := range body.Partitions {
			t.Partitions[j] = Partition{Replicas: replicas, Version: -1}
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// wellFormed checks that the partitions are 0, 1, 2, ..., as every creation numbers them: a State finds a partition by its number.
func wellFormed(body *znode.Topic) error {
	for i := range body.Partitions {
		if int(body.Partitions[i].Partition) != i {
			return fmt.Errorf("partition %d is missing", i)
		}
		if len(body.Partitions[i].Replicas) == 0 {
			return fmt.Errorf("partition %d has no replicas", i)
		}
	}
	return nil
}

func loadStates(tree meta.Tree, topics []*Topic, logger *slog.Logger) error {
	var paths []string
	for _, t := range topics {
		for i := range t.Partitions {
			paths = append(paths, znode.PartitionStatePath(protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}))
		}
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return err
	}
	for _, t := range topics {
		for i := range t.Partitions {
			tp := protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}
			p := &t.Partitions[i]
			node := nodes[0]
			nodes = nodes[1:]
			if errors.Is(node.Err, meta.ErrNoNode) {
				if p.HasNode, _, err = tree.Exists(znode.PartitionPath(tp)); err != nil {
					return err
				}
				continue
			}
			if node.Err != nil {
				return node.Err
			}
			p.HasNode, p.Version = true, node.Stat.Version
			if p.State, err = znode.DecodePartitionState(tp, node.Data); err != nil {
				// The partition has no leader until somebody mends the node and starts the broker again.
				logger.Error("partition has no leader: its state cannot be read", "partition", tp, "error", err)
				p.State = znode.PartitionState{Leader: znode.NoLeader}
			}
		}
	}
	return nil
}
