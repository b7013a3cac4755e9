package cluster

import (
	"context"
	"errors"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// ConsumerOffset reads an offset that a group of consumers before 0.9 keeps in the tree (KafkaZkClient.getConsumerOffset);
// found is false where it keeps none. Errors are of the tree, or of a node that has no number.
func (b *Broker) ConsumerOffset(ctx context.Context, group string, tp protocol.TopicPartition) (offset int64, found bool, err error) {
	data, _, err := b.tree().Get(ctx, znode.ConsumerOffsetPath(group, tp))
	if errors.Is(err, meta.ErrNoNode) {
		return -1, false, nil
	}
	if err != nil {
		return -1, false, err
	}
	offset, err = znode.DecodeConsumerOffset(data)
	return offset, err == nil, err
}

// SetConsumerOffset writes an offset of a group of consumers before 0.9 (KafkaZkClient.setOrCreateConsumerOffset), with the
// nodes above it where they are missing.
func (b *Broker) SetConsumerOffset(ctx context.Context, group string, tp protocol.TopicPartition, offset int64) error {
	path, data := znode.ConsumerOffsetPath(group, tp), znode.EncodeConsumerOffset(offset)
	for {
		_, err := b.tree().Set(ctx, path, data, meta.AnyVersion)
		if !errors.Is(err, meta.ErrNoNode) {
			return err
		}
		if err := b.makeParents(ctx, path); err != nil {
			return err
		}
		_, err = b.tree().Create(ctx, path, data, meta.Persistent)
		if !errors.Is(err, meta.ErrNodeExists) { // another broker made it at this moment
			return err
		}
	}
}

// makeParents makes the nodes above a path.
func (b *Broker) makeParents(ctx context.Context, path string) error {
	parent, _ := meta.Split(path)
	exists, _, err := b.tree().Exists(ctx, parent)
	if err != nil || exists {
		return err
	}
	if err := b.makeParents(ctx, parent); err != nil {
		return err
	}
	_, err = b.tree().Create(ctx, parent, nil, meta.Persistent)
	if errors.Is(err, meta.ErrNodeExists) {
		return nil
	}
	return err
}
