package cluster

import (
	"context"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// listedTree is a tree on which something happens just after the topics were listed.
type listedTree struct {
	meta.Tree
	happens func()
}

func (l *listedTree) Children(ctx context.Context, path string) ([]string, meta.Stat, error) {
	if path == znode.BrokerTopics {
		defer l.happens()
	}
	return l.Tree.Children(ctx, path)
}

// TestTopicMadeAgainWhileTheBrokerLooks: a controller tells this broker that a topic was deleted and made again, after the broker has seen in the tree
// that the first one is gone. The broker keeps the second one, though that has the same name.
func TestTopicMadeAgainWhileTheBrokerLooks(t *testing.T) {
	var deleted []DeletedPartitions
	b := newSessionBroker(t, func(o *Options) {
		o.PartitionsDeleted = func(d []DeletedPartitions) { deleted = append(deleted, d...) }
	})
	tell := func(id protocol.UUID) {
		req := b.broker.updateOf(b.broker.Metadata())
		req.BrokerEpoch = -1
		req.Topics = []order.TopicMetadata{{Name: "orders", ID: id, Partitions: []order.PartitionMetadata{{Leader: 1, ISR: []int32{1}, Replicas: []int32{1}}}}}
		if err := b.broker.UpdateMetadata(req); err != nil {
			t.Fatal(err)
		}
	}
	look := func() *Topic {
		if err := b.broker.forgetDeleted(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b.broker.Metadata().Topic("orders")
	}
	first, second := protocol.UUID{1}, protocol.UUID{2}
	on := func(tree meta.Tree) {
		b.conn.mu.Lock()
		defer b.conn.mu.Unlock()
		b.conn.tree = tree
	}
	tell(first)
	tree := b.conn.Tree()
	on(&listedTree{tree, func() { tell(second) }})
	if topic := look(); topic == nil || topic.ID != second || topic.Partitions.Len() != 1 {
		t.Errorf("the broker knows %+v of the topic that was made again", topic)
	}
	if len(deleted) != 1 { // by the controller's word
		t.Errorf("the partitions %v were deleted, want those of the first topic alone", deleted)
	}
	on(tree)
	if topic := look(); topic != nil || len(deleted) != 2 {
		t.Errorf("the broker knows %+v of a topic that is not in the tree, %v were deleted", topic, deleted)
	}
}
