package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// Claimed says that an unfinished copy of this broker's own tree stands in another tree: it was interrupted.
func (w *Whole) Claimed(ctx context.Context, tree meta.Tree) (bool, error) {
	step, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	data, _, err := tree.Get(step, znode.Claim)
	if errors.Is(err, meta.ErrNoNode) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	clusterID, broker, err := znode.DecodeClaim(data)
	if err != nil {
		return false, err
	}
	if clusterID != w.ClusterID || broker != w.broker {
		return false, NotCopied("broker %d of cluster %s has begun to copy its tree there (%s): let it end, or delete what it left", broker, clusterID, znode.Claim)
	}
	return true, nil
}

// Refused says what keeps the broker from starting on the tree where it is shared.
func (w *Whole) Refused() error {
	nodes := make([]meta.Node, len(RefusalNodes()))
	for i, path := range RefusalNodes() {
		nodes[i].Err = meta.ErrNoNode
		if at := slices.IndexFunc(w.nodes, func(n wholeNode) bool { return n.path == path }); at >= 0 {
			nodes[i] = w.nodes[at].Node
		}
	}
	if err := JoinRefusals(Refusals(w.broker, nodes)); err != nil {
		return NotCopied("%w", err)
	}
	return nil
}

// ShareInto copies the nodes into an empty tree that brokers share, or goes on with a copy that was interrupted. A node that claims the tree is made first; it goes in the
// transaction that makes the cluster's id, before which no broker takes the tree for that of a cluster. handOver is called before that
// transaction: the tree that was copied is not to be used from then on.
func (w *Whole) ShareInto(ctx context.Context, tree meta.Tree, handOver func() error) error {
	claimed, err := w.Claimed(ctx, tree)
	if err != nil {
		return err
	}
	if claimed {
		err = w.clear(ctx, tree)
	} else {
		err = w.claim(ctx, tree)
	}
	if err != nil {
		return err
	}
	if err := w.write(ctx, tree); err != nil {
		return err
	}
	if err := handOver(); err != nil {
		return err
	}
	return transact(ctx, tree, append(w.last(), meta.DeleteOp(znode.Claim, meta.AnyVersion))...)
}

// claim makes the first node of an empty tree.
func (w *Whole) claim(ctx context.Context, tree meta.Tree) error {
	names, err := children(ctx, tree, "/")
	if err != nil {
		return err
	}
	if names = slices.DeleteFunc(names, func(name string) bool { return name == "zookeeper" }); len(names) > 0 {
		return NotCopied("it is not empty, it has /%s: name a chroot that is not there yet, or delete those", strings.Join(names, ", /"))
	}
	return transact(ctx, tree, meta.CreateOp(znode.Claim, znode.EncodeClaim(w.ClusterID, w.broker), meta.Persistent))
}

// clear deletes what an interrupted copy has made.
func (w *Whole) clear(ctx context.Context, tree meta.Tree) error {
	there, err := ReadWhole(ctx, tree, w.broker)
	if err != nil {
		return err
	}
	switch {
	case len(there.Ephemeral) > 0 || there.ClusterID != "":
		return NotCopied("a copy was interrupted, and then a broker was started there: delete everything there but /zookeeper and %s, and run the command again", znode.Claim)
	case len(there.Other) > 0:
		return NotCopied("a copy was interrupted, and now there is %s too: delete that first", strings.Join(there.Other, ", "))
	}
	b := batch{ctx: ctx, tree: tree}
	for _, n := range slices.Backward(there.nodes) {
		b.add(meta.DeleteOp(n.path, meta.AnyVersion))
	}
	return b.end()
}
