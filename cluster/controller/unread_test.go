package controller

import (
	"context"
	"slices"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// deniedTree is a tree of which one node may not be read.
type deniedTree struct {
	meta.Tree
	path string
}

func (t *deniedTree) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	nodes, err := t.Tree.GetAll(ctx, paths)
	if i := slices.Index(paths, t.path); err == nil && i >= 0 {
		nodes[i] = meta.Node{Err: &meta.Error{Op: "get", Path: t.path, Err: meta.ErrNoAuth}}
	}
	return nodes, err
}

// A controller that takes over and may not read the state of one partition asked for it again and again, and did nothing else. It also took the partition for
// one that broker 0 leads: where there was a broker 0, the partition got a new leader epoch.
func TestOneStateThatCannotBeReadHoldsUpNothing(t *testing.T) {
	w := newWorld(t)
	for id := range int32(3) {
		w.register(id, nil)
	}
	w.elect(1)
	w.handle(&CreateTopics{Topics: []NewTopic{newTopicOf(t, "t assign=0:1,2")}})
	tp := protocol.TopicPartition{Topic: "t"}
	w.watchTree = func(tree meta.Tree) meta.Tree { return &deniedTree{tree, znode.PartitionStatePath(tp)} }
	w.elect(2)
	if p := w.ctl.partition(tp); !p.unread || p.bump {
		t.Errorf("unread %t, a new leader epoch %t", p.unread, p.bump)
	}
}
