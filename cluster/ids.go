package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// EnsurePaths makes the nodes that every cluster has, where they are missing.
func EnsurePaths(ctx context.Context, tree meta.Tree) error {
	for {
		paths := znode.PersistentPaths()
		nodes, err := tree.GetAll(ctx, paths)
		if err != nil {
			return err
		}
		var ops []meta.Op
		for i, path := range paths {
			if errors.Is(nodes[i].Err, meta.ErrNoNode) {
				ops = append(ops, meta.CreateOp(path, nil, meta.Persistent))
			}
		}
		_, err = tree.Multi(ctx, ops...)
		if !mustLookAgain(err) {
			return err
		}
	}
}

// mustLookAgain says whether the nodes that were to be made may be there although that failed: another broker made them at the same
// time, or the answer was lost.
func mustLookAgain(err error) bool {
	return errors.Is(err, meta.ErrNodeExists) || errors.Is(err, meta.ErrOutcomeUnknown)
}

// ClusterIDError is a directory that belongs to another cluster than the tree.
type ClusterIDError struct {
	// Tree is the cluster's id in the metadata tree, "" if it has none. Directory is that in the meta.properties of the
	// log directories.
	Tree, Directory string
}

// Error tells both ids.
func (e *ClusterIDError) Error() string {
	if e.Tree == "" {
		return fmt.Sprintf("the log directories belong to cluster %s (meta.properties), and there is no cluster yet where zookeeper.connect points, "+
			"with its chroot; klamm cluster join copies the metadata of a broker that ran alone there; remove meta.properties from the directories if they are to begin a new cluster", e.Directory)
	}
	return fmt.Sprintf("the log directories belong to cluster %s (meta.properties), the metadata to cluster %s", e.Directory, e.Tree)
}

// ReadClusterID reads the cluster's id. meta.ErrNoNode if there is none yet.
func ReadClusterID(ctx context.Context, tree meta.Tree) (string, error) {
	data, _, err := tree.Get(ctx, znode.ClusterID)
	if err != nil {
		return "", err
	}
	return znode.DecodeClusterID(data)
}

// EnsureClusterID gives the cluster's id, and makes it where there is none: the one that the log directories have (fromDirectory,
// from meta.properties, "" if they have none), or a random one. A *ClusterIDError if the two differ. It may be called before Start.
func EnsureClusterID(ctx context.Context, tree meta.Tree, fromDirectory string) (string, error) {
	id, err := ReadClusterID(ctx, tree)
	if err == nil {
		if fromDirectory != "" && fromDirectory != id {
			return "", &ClusterIDError{Tree: id, Directory: fromDirectory}
		}
		return id, nil
	}
	if !errors.Is(err, meta.ErrNoNode) {
		return "", err
	}
	if id = fromDirectory; id == "" {
		id = randomID().String()
	}
	var ops []meta.Op
	if there, _, err := tree.Exists(ctx, znode.Cluster); err != nil {
		return "", err
	} else if !there {
		ops = append(ops, meta.CreateOp(znode.Cluster, nil, meta.Persistent))
	}
	ops = append(ops, meta.CreateOp(znode.ClusterID, znode.EncodeClusterID(id), meta.Persistent))
	_, err = tree.Multi(ctx, ops...)
	if mustLookAgain(err) {
		return EnsureClusterID(ctx, tree, fromDirectory)
	}
	return id, err
}

// GenerateBrokerID gives a broker without broker.id one above all that may be configured (reserved.broker.max.id).
func GenerateBrokerID(ctx context.Context, tree meta.Tree, reservedMax int32) (int32, error) {
	if err := EnsurePaths(ctx, tree); err != nil {
		return 0, err
	}
	for {
		stat, err := tree.Set(ctx, znode.BrokerSeqID, nil, meta.AnyVersion)
		if err == nil {
			return reservedMax + stat.Version, nil
		}
		if !errors.Is(err, meta.ErrOutcomeUnknown) || ctx.Err() != nil { // an id whose answer was lost is nobody's
			return 0, err
		}
	}
}

// NewTopicID draws a topic's id: a random UUID as Apache's, but none that is reserved or whose text begins with a dash.
func NewTopicID() protocol.UUID {
	for {
		id := randomID()
		reserved := id.IsZero() || id == protocol.UUID{15: 1}
		if !reserved && id.String()[0] != '-' {
			return id
		}
	}
}

// randomID is a random UUID of version 4.
func randomID() protocol.UUID {
	var id protocol.UUID
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
