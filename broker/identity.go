package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/logstore"
	"klamm/server/config"
)

// identity has the ids of the broker and its cluster.
type identity struct {
	broker    int32
	cluster   string
	generated bool // the tree generates the broker's id, and broker is the id that it will give
}

// identify finds the ids of the broker and its cluster in its configuration, its
// directories and its tree. It changes nothing on the disk.
func (b *Broker) identify(ctx context.Context, cfg *config.Broker) (identity, error) {
	dirs := cfg.LogDirs()
	id := identity{broker: cfg.ID()}
	for _, dir := range dirs {
		m, err := logstore.ReadMetaProperties(b.o.FS, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return id, err
		}
		if id.broker == logstore.NoBrokerID {
			id.broker = m.BrokerID
		}
		if id.cluster == "" {
			id.cluster = m.ClusterID
		}
	}
	if b.o.Tree.Shared() {
		return id, b.identifyShared(ctx, cfg, &id)
	}
	var drawn int32 // how many ids were drawn from the tree
	nodes, err := b.o.Tree.Peek(ctx, znode.ClusterID, znode.BrokerSeqID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := lostTree(b.o.FS, dirs); err != nil {
			return id, err
		}
	case err != nil:
		return id, err
	default:
		if nodes[0].Err == nil {
			if id.cluster, err = znode.DecodeClusterID(nodes[0].Data); err != nil {
				return id, err
			}
		}
		drawn = nodes[1].Stat.Version
	}
	if id.cluster == "" {
		if id.cluster = b.o.ClusterID; id.cluster == "" {
			id.cluster = cluster.NewTopicID().String()
		}
	}
	if id.broker != logstore.NoBrokerID {
		return id, nil
	}
	reserved, err := reservedIDs(cfg)
	if err != nil {
		return id, err
	}
	id.generated, id.broker = true, reserved+drawn+1
	return id, nil
}

// reservedIDs returns the highest broker id that is not generated. The error says that none may be generated.
func reservedIDs(cfg *config.Broker) (int32, error) {
	ok, reserved := cfg.GenerateID()
	if !ok {
		return 0, errors.New("broker.id: no id is given, and broker.id.generation.enable forbids to draw one")
	}
	return reserved, nil
}

// identifyShared finds the ids in a tree that other brokers have too. Ids that nobody has yet are taken from the tree before
// anything is written to the disk: others take theirs at the same time. A tree without a cluster is not that of
// directories with one: it is taken for a wrong address or chroot, and not for the cluster's new tree, on which every
// topic would be missing.
func (b *Broker) identifyShared(ctx context.Context, cfg *config.Broker, id *identity) error {
	nodes, err := b.o.Tree.Peek(ctx, append(cluster.RefusalNodes(), znode.ClusterID)...)
	if err != nil {
		return err
	}
	others := len(nodes) - 1
	if err := cluster.JoinRefusals(cluster.Refusals(id.broker, nodes[:others])); err != nil {
		return err
	}
	nodes = nodes[others:]
	inTree := ""
	if nodes[0].Err == nil {
		if inTree, err = znode.DecodeClusterID(nodes[0].Data); err != nil {
			return err
		}
	} else if !errors.Is(nodes[0].Err, meta.ErrNoNode) {
		return nodes[0].Err
	}
	if id.cluster != "" && id.cluster != inTree {
		return &cluster.ClusterIDError{Tree: inTree, Directory: id.cluster}
	}
	if err := treeAlone(b.o.FS, cfg.LogDirs()); err != nil {
		return err
	}
	reserved := int32(0)
	if id.broker == logstore.NoBrokerID {
		if reserved, err = reservedIDs(cfg); err != nil {
			return err
		}
	} else if inTree != "" {
		id.cluster = inTree
		return nil
	}
	return b.withTree(ctx, func(tree meta.Tree) error {
		if id.cluster, err = cluster.EnsureClusterID(ctx, tree, ""); err != nil || id.broker != logstore.NoBrokerID {
			return err
		}
		id.broker, err = cluster.GenerateBrokerID(ctx, tree, reserved)
		return err
	})
}

// withTree calls f with a session of its own.
func (b *Broker) withTree(ctx context.Context, f func(meta.Tree) error) error {
	store, err := b.o.Tree.Open(nil)
	if err != nil {
		return err
	}
	defer store.Close()
	tree, err := store.Open(ctx, meta.Watcher{})
	if err != nil {
		return err
	}
	defer tree.Close()
	return f(tree)
}

// settle opens the tree and writes the cluster's id and the generated broker id into it.
func (b *Broker) settle(ctx context.Context, cfg *config.Broker, id identity, endpoints []cluster.Endpoint) error {
	var err error
	if b.tree, err = b.o.Tree.Open(b.store.LendReserve); err != nil {
		return err
	}
	if r, ok := b.o.Tree.(recorder); ok {
		b.tree = r.Record(b.tree, id.broker, endpoints)
	}
	if b.conn, err = cluster.Connect(ctx, b.tree, b.logger, b.o.Observer, b.o.After); err != nil {
		return err
	}
	if _, err := cluster.EnsureClusterID(ctx, b.conn.Tree(), id.cluster); err != nil {
		return err
	}
	if !id.generated {
		return nil
	}
	_, reserved := cfg.GenerateID()
	drawn, err := cluster.GenerateBrokerID(ctx, b.conn.Tree(), reserved)
	if err == nil && drawn != id.broker {
		err = fmt.Errorf("broker.id: the metadata tree gave %d, and the log directories have %d already", drawn, id.broker)
	}
	return err
}
