package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// ErrNotCopied is in the chain of errors that say why a tree is not copied. Nothing was changed then.
var ErrNotCopied = errors.New("the tree is not copied")

type notCopied struct{ error }

func (notCopied) Is(target error) bool { return target == ErrNotCopied }

// NotCopied makes an error that says why a tree is not copied.
func NotCopied(format string, args ...any) error { return notCopied{fmt.Errorf(format, args...)} }

// Whole is a tree as it is copied from one store to another while no broker runs on it: the persistent nodes of Kafka. Ephemeral nodes end with their
// sessions, and notifications are for brokers that run: one that starts reads everything. Versions begin at 0 in a copy, but for that of
// /brokers/seqid, from which broker ids are made: nobody keeps any other over a restart.
type Whole struct {
	// ClusterID is the cluster's id, "" if the tree has none.
	ClusterID string
	// Ephemeral are the ephemeral nodes, which say that brokers run.
	Ephemeral []string
	// Other are the nodes at the top that are not Kafka's.
	Other []string
	// Partitions are counted, and Topics.
	Topics, Partitions int

	nodes     []wholeNode // parents first
	elsewhere []string    // partitions with a replica on another broker than broker
	broker    int32
}

type wholeNode struct {
	path string
	meta.Node
}

// Nodes is how many nodes are copied.
func (w *Whole) Nodes() int { return len(w.nodes) }

// stepTimeout bounds each request of a copy: without one, a request waits for a connection until the command is interrupted.
const stepTimeout = time.Minute

// readAtOnce is how many nodes are asked for in one step.
const readAtOnce = 5000

// ReadWhole reads a tree, for the broker that alone has replicas in it.
func ReadWhole(ctx context.Context, tree meta.Tree, broker int32) (*Whole, error) {
	w := &Whole{broker: broker}
	names, err := children(ctx, tree, "/")
	if err != nil {
		return nil, err
	}
	var level []string
	for _, name := range names {
		switch path := "/" + name; {
		case slices.Contains(znode.Roots(), path):
			level = append(level, path)
		case path != "/zookeeper" && path != znode.Claim:
			w.Other = append(w.Other, path)
		}
	}
	for len(level) > 0 {
		if level, err = w.read(ctx, tree, level); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// read reads nodes and gives their children.
func (w *Whole) read(ctx context.Context, tree meta.Tree, paths []string) (below []string, err error) {
	for chunk := range slices.Chunk(paths, readAtOnce) {
		step, cancel := context.WithTimeout(ctx, stepTimeout)
		nodes, err := tree.GetAll(step, chunk)
		cancel()
		if err != nil {
			return nil, err
		}
		for i, path := range chunk {
			n := nodes[i]
			switch {
			case errors.Is(n.Err, meta.ErrNoNode): // an ephemeral node that has gone
				continue
			case n.Err != nil:
				return nil, n.Err
			case n.Stat.EphemeralOwner != 0:
				w.Ephemeral = append(w.Ephemeral, path)
				continue
			}
			if err := w.take(path, n); err != nil {
				return nil, err
			}
			if n.Stat.NumChildren == 0 || znode.HasNotifications(path) {
				continue
			}
			names, err := children(ctx, tree, path)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				below = append(below, path+"/"+name)
			}
		}
	}
	return below, nil
}

func children(ctx context.Context, tree meta.Tree, path string) ([]string, error) {
	step, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	names, _, err := tree.Children(step, path)
	return names, err
}

// take keeps a node, and looks at what it says.
func (w *Whole) take(path string, n meta.Node) (err error) {
	switch {
	case path == znode.Cluster:
		return nil
	case path == znode.ClusterID:
		if w.ClusterID, err = znode.DecodeClusterID(n.Data); err != nil {
			return NotCopied("%w", err)
		}
		return nil
	}
	w.nodes = append(w.nodes, wholeNode{path, n})
	topic, ok := strings.CutPrefix(path, znode.BrokerTopics+"/")
	if !ok || strings.Contains(topic, "/") {
		return nil
	}
	body, err := znode.DecodeTopic(topic, n.Data)
	if err != nil {
		return NotCopied("%w", err)
	}
	w.Topics++
	w.Partitions += len(body.Partitions)
	for _, p := range body.Partitions {
		if slices.ContainsFunc(slices.Concat(p.Replicas, p.Adding, p.Removing), func(id int32) bool { return id != w.broker }) {
			w.elsewhere = append(w.elsewhere, fmt.Sprintf("%s-%d has %v", topic, p.Partition, p.Replicas))
		}
	}
	return nil
}

// someNamed is how many partitions an error names.
const someNamed = 5

// OnlyHere gives an error, ErrNotCopied, if brokers run on the tree, or if one other than the broker has a replica.
func (w *Whole) OnlyHere() error {
	var others []string
	for _, path := range w.Ephemeral {
		if id, registered := strings.CutPrefix(path, znode.BrokerIDs+"/"); registered && id != fmt.Sprint(w.broker) {
			others = append(others, id)
		} else if registered {
			return NotCopied("broker %s is registered (%s): it runs, or its session has not ended yet, which takes zookeeper.session.timeout.ms after a kill", id, path)
		}
	}
	if len(others) > 0 {
		return NotCopied("other brokers are registered (%s): %s; klamm cluster drain takes their replicas away; then stop them", znode.BrokerIDs, strings.Join(others, ", "))
	}
	if len(w.Ephemeral) > 0 {
		return NotCopied("there is %s: a broker runs, or its session has not ended yet", strings.Join(w.Ephemeral, ", "))
	}
	if n := len(w.elsewhere); n > 0 {
		return NotCopied("%d partitions have replicas on other brokers than %d: %s%s; start the brokers, and take them away with klamm cluster drain, or klamm cluster reassign --replication-factor 1",
			n, w.broker, strings.Join(w.elsewhere[:min(n, someNamed)], ", "), map[bool]string{true: ", ..."}[n > someNamed])
	}
	for _, n := range w.nodes {
		if op := meta.CreateOp(n.path, n.Data, meta.Persistent); op.Bytes() > meta.MaxTransactionBytes {
			return NotCopied("%s has %d bytes, and ZooKeeper takes nodes of less than %d", n.path, len(n.Data), meta.MaxTransactionBytes)
		}
	}
	return nil
}

// WriteInto writes the nodes into an empty tree, the cluster's id last.
func (w *Whole) WriteInto(ctx context.Context, tree meta.Tree) error {
	if err := w.write(ctx, tree); err != nil {
		return err
	}
	return transact(ctx, tree, w.last()...)
}

// last makes the nodes that make the tree one of a cluster.
func (w *Whole) last() []meta.Op {
	return []meta.Op{meta.CreateOp(znode.Cluster, nil, meta.Persistent), meta.CreateOp(znode.ClusterID, znode.EncodeClusterID(w.ClusterID), meta.Persistent)}
}

// write makes the nodes, but for the cluster's id.
func (w *Whole) write(ctx context.Context, tree meta.Tree) error {
	b := batch{ctx: ctx, tree: tree}
	for _, n := range w.nodes {
		b.add(meta.CreateOp(n.path, n.Data, meta.Persistent))
		if n.path == znode.BrokerSeqID {
			for range n.Stat.Version {
				b.add(meta.SetOp(n.path, n.Data, meta.AnyVersion))
			}
		}
	}
	return b.end()
}

// batch makes transactions, as large as ZooKeeper takes them, of operations that follow each other. After an error it does nothing.
type batch struct {
	ctx   context.Context
	tree  meta.Tree
	ops   []meta.Op
	bytes int
	err   error
}

func (b *batch) add(op meta.Op) {
	if b.bytes+op.Bytes() > meta.MaxTransactionBytes {
		b.err = b.end()
	}
	b.ops, b.bytes = append(b.ops, op), b.bytes+op.Bytes()
}

// end does what is left, and gives the first error.
func (b *batch) end() error {
	if b.err == nil && len(b.ops) > 0 {
		b.err = transact(b.ctx, b.tree, b.ops...)
	}
	b.ops, b.bytes = nil, 0
	return b.err
}

func transact(ctx context.Context, tree meta.Tree, ops ...meta.Op) error {
	step, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	_, err := tree.Multi(step, ops...)
	return err
}
