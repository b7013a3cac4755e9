package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// EnsurePaths makes the nodes that every cluster has, where they are missing.
func EnsurePaths(tree meta.Tree) error {
	for {
		paths := znode.PersistentPaths()
		nodes, err := tree.GetAll(paths)
		if err != nil {
			return err
		}
		var ops []meta.Op
		for i, path := range paths {
			if errors.Is(nodes[i].Err, meta.ErrNoNode) {
				ops = append(ops, meta.CreateOp(path, nil, meta.Persistent))
			}
		}
		_, err = tree.Multi(ops...)
		if !errors.Is(err, meta.ErrNodeExists) { // another broker makes them at this moment
			return err
		}
	}
}

// ClusterIDError is a directory that belongs to another cluster than the tree.
type ClusterIDError struct {
	// Tree is the cluster's id in the metadata tree, Directory that in the meta.properties of the log directories.
	Tree, Directory string
}

// Error tells both ids.
func (e *ClusterIDError) Error() string {
	return fmt.Sprintf("the log directories belong to cluster %s (meta.properties), the metadata to cluster %s", e.Directory, e.Tree)
}

// ReadClusterID reads the cluster's id. meta.ErrNoNode if there is none yet.
func ReadClusterID(tree meta.Tree) (string, error) {
	data, _, err := tree.Get(znode.ClusterID)
	if err != nil {
		return "", err
	}
	return znode.DecodeClusterID(data)
}

// EnsureClusterID gives the cluster's id, and makes it where there is none: the one that the log directories have (fromDirectory,
// from meta.properties, "" if they have none), or a random one. A *ClusterIDError if the two differ. It may be called before Start.
func EnsureClusterID(tree meta.Tree, fromDirectory string) (string, error) {
	id, err := ReadClusterID(tree)
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
	if there, _, err := tree.Exists(znode.Cluster); err != nil {
		return "", err
	} else if !there {
		ops = append(ops, meta.CreateOp(znode.Cluster, nil, meta.Persistent))
	}
	ops = append(ops, meta.CreateOp(znode.ClusterID, znode.EncodeClusterID(id), meta.Persistent))
	_, err = tree.Multi(ops...)
	if errors.Is(err, meta.ErrNodeExists) { // another broker was faster
		return EnsureClusterID(tree, fromDirectory)
	}
	return id, err
}

// GenerateBrokerID gives a broker without broker.id one above all that may be configured (reserved.broker.max.id).
func GenerateBrokerID(tree meta.Tree, reservedMax int32) (int32, error) {
	if err := EnsurePaths(tree); err != nil {
		return 0, err
	}
	stat, err := tree.Set(znode.BrokerSeqID, nil, meta.AnyVersion)
	if err != nil {
		return 0, err
	}
	return reservedMax + stat.Version, nil
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

// producerIDBlock is how many producer ids are taken from the tree at a time.
const producerIDBlock = 1000

// AllocateProducerIDs takes the next block of producer ids from the tree: count of them from first, which nobody else has or will get.
func (b *Broker) AllocateProducerIDs(context.Context) (first int64, count int32, err error) {
	for {
		data, stat, err := b.o.Tree.Get(znode.LatestProducerIDBlock)
		if err != nil {
			return 0, 0, err
		}
		next := znode.ProducerIDBlock{Broker: b.o.BrokerID, Start: 0, End: producerIDBlock - 1}
		if len(data) > 0 {
			last, err := znode.DecodeProducerIDBlock(data)
			if err != nil {
				return 0, 0, err
			}
			if last.End > math.MaxInt64-producerIDBlock {
				return 0, 0, fmt.Errorf("producer ids are used up: the last block ends at %d", last.End)
			}
			next.Start, next.End = last.End+1, last.End+producerIDBlock
		}
		_, err = b.o.Tree.Set(znode.LatestProducerIDBlock, next.Encode(), stat.Version)
		if errors.Is(err, meta.ErrBadVersion) {
			continue
		}
		return next.Start, producerIDBlock, err
	}
}
