package broker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/local"
	"klamm/cluster/znode"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// joinedName is the name that the embedded tree's file has after its content went to ZooKeeper. It is a backup, and keeps the broker from starting alone
// with what the tree was then.
const joinedName = local.FileName + ".joined"

// Copied is what Join or Leave did.
type Copied struct {
	// Nodes, Topics and Partitions are counted.
	Nodes, Topics, Partitions int
	// Already says that everything was done before.
	Already bool
	// Other are nodes of ZooKeeper that are not Kafka's and were not copied.
	Other []string
	// File is the embedded tree's file, as it is called now.
	File string
}

// mover copies the tree of a broker that is stopped.
type mover struct {
	fs        vfs.OS
	dirs      []string
	brokerID  int32
	clusterID string
	shared    meta.Tree
	close     []func()
}

// Join copies the embedded tree of a broker that is stopped to the ZooKeeper of its configuration, where no cluster is yet. It may be called again after it
// was killed. The error is cluster.ErrNotCopied if nothing was changed.
//
// Each step leaves something to go on from. The file of the tree is the only truth until all nodes are in ZooKeeper; then it gets another name, with which
// the broker does not start alone; then ZooKeeper gets the cluster's id, without which it does not start there.
func Join(ctx context.Context, cfg *config.Broker) (*Copied, error) {
	m, err := newMover(cfg)
	if err != nil {
		return nil, err
	}
	defer m.end()
	from, joined := filepath.Join(m.dirs[0], local.FileName), filepath.Join(m.dirs[0], joinedName)
	handedOver := false
	whole, err := m.readEmbedded(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		handedOver = true
		whole, err = m.readEmbedded(ctx, joined)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cluster.NotCopied("%s: there is no %s: klamm has not run alone on this directory", m.dirs[0], local.FileName)
	}
	if err == nil {
		err = errors.Join(m.startable(whole), whole.Refused())
	}
	if err != nil {
		return nil, err
	}
	if err := m.connect(ctx, cfg, false); err != nil {
		return nil, err
	}
	done := &Copied{Nodes: whole.Nodes(), Topics: whole.Topics, Partitions: whole.Partitions, File: joined}
	if handedOver {
		if id, err := cluster.ReadClusterID(ctx, m.shared); err == nil && id == m.clusterID {
			done.Already = true
			return done, nil
		} else if err != nil && !errors.Is(err, meta.ErrNoNode) {
			return nil, err
		}
		if claimed, err := whole.Claimed(ctx, m.shared); err != nil {
			return nil, err
		} else if !claimed {
			return nil, cluster.NotCopied("%s: the broker has joined a cluster already, in another ZooKeeper or with another chroot (%s is what its tree was then)", m.dirs[0], joinedName)
		}
	}
	return done, whole.ShareInto(ctx, m.shared, func() error {
		if handedOver {
			return nil
		}
		return m.rename(from, joined)
	})
}

// Leave copies the tree in the ZooKeeper of a configuration into the embedded tree of the last broker of the cluster, which is stopped. ZooKeeper stays as it
// is. The embedded tree is written beside, and gets its name when it is whole. The error is cluster.ErrNotCopied if nothing was changed.
func Leave(ctx context.Context, cfg *config.Broker) (*Copied, error) {
	m, err := newMover(cfg)
	if err != nil {
		return nil, err
	}
	defer m.end()
	to := filepath.Join(m.dirs[0], local.FileName)
	if _, err := m.fs.Stat(to); err == nil {
		return nil, cluster.NotCopied("%s: there is a tree already, since the broker has left the cluster, or ran alone: start it without zookeeper.connect, or move that file away to have it written anew", to)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := m.connect(ctx, cfg, true); err != nil {
		return nil, err
	}
	whole, epoch, err := m.readShared(ctx)
	if err != nil {
		return nil, err
	}
	unfinished := to + ".new"
	defer os.Remove(unfinished) // after the rename there is none
	if err := m.writeEmbedded(ctx, whole, unfinished); err != nil {
		return nil, err
	}
	if now, again, err := m.readShared(ctx); err != nil {
		return nil, err
	} else if again != epoch || now.Nodes() != whole.Nodes() {
		return nil, cluster.NotCopied("a broker ran on the tree in ZooKeeper meanwhile: stop all brokers, and run the command again")
	}
	if err := m.rename(unfinished, to); err != nil {
		return nil, err
	}
	return &Copied{Nodes: whole.Nodes(), Topics: whole.Topics, Partitions: whole.Partitions, Other: whole.Other, File: to}, nil
}

// newMover locks the directories and finds whose they are.
func newMover(cfg *config.Broker) (*mover, error) {
	m := &mover{brokerID: cfg.ID()}
	for _, dir := range cfg.LogDirs() {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if _, err := m.fs.Stat(abs); err != nil {
			return nil, cluster.NotCopied("log.dirs: %w", err)
		}
		m.dirs = append(m.dirs, abs)
	}
	unlock, err := logstore.LockDirs(m.fs, m.dirs)
	if locked := new(logstore.LockedError); errors.As(err, &locked) {
		return nil, cluster.NotCopied("%s: a broker runs on this log directory: stop it first", locked.Dir)
	}
	if err != nil {
		return nil, err
	}
	m.close = append(m.close, unlock)
	for _, dir := range m.dirs {
		if err := m.identify(dir); err != nil {
			m.end()
			return nil, err
		}
	}
	if m.brokerID == logstore.NoBrokerID || m.clusterID == "" {
		m.end()
		return nil, cluster.NotCopied("%s: there is no meta.properties with the ids of broker and cluster: no broker has run on it", m.dirs[0])
	}
	return m, nil
}

// identify compares the ids of a directory with those that are known.
func (m *mover) identify(dir string) error {
	p, err := logstore.ReadMetaProperties(m.fs, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cluster.NotCopied("%w", err)
	}
	if p.BrokerID != logstore.NoBrokerID {
		if m.brokerID != logstore.NoBrokerID && m.brokerID != p.BrokerID {
			return cluster.NotCopied("%s: meta.properties has broker.id=%d, and the configuration or another directory %d", dir, p.BrokerID, m.brokerID)
		}
		m.brokerID = p.BrokerID
	}
	if p.ClusterID != "" {
		if m.clusterID != "" && m.clusterID != p.ClusterID {
			return cluster.NotCopied("%s: meta.properties has cluster.id=%s, and another directory %s", dir, p.ClusterID, m.clusterID)
		}
		m.clusterID = p.ClusterID
	}
	return nil
}

// end gives back what the mover holds, the last first.
func (m *mover) end() {
	for len(m.close) > 0 {
		last := len(m.close) - 1
		m.close[last]()
		m.close = m.close[:last]
	}
}

// connect opens a session with ZooKeeper.
func (m *mover) connect(ctx context.Context, cfg *config.Broker, look bool) error {
	z, err := newZooKeeper(cfg, m.dirs[0], slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	z.Options.Look = look
	store, err := z.Open(nil)
	if err != nil {
		return err
	}
	m.close = append(m.close, func() { _ = store.Close() }) // the session has no nodes
	if m.shared, err = store.Open(ctx, meta.Watcher{}); errors.Is(err, meta.ErrNoNode) {
		return cluster.NotCopied("zookeeper.connect: there is no node %s", z.Options.Chroot)
	}
	return explain(err)
}

// readEmbedded reads the embedded tree. The error is fs.ErrNotExist if there is no such file.
func (m *mover) readEmbedded(ctx context.Context, path string) (whole *cluster.Whole, err error) {
	if _, err := m.fs.Stat(path); err != nil {
		return nil, err // Open would make the file
	}
	err = embedded(ctx, path, func(tree meta.Tree) error {
		whole, err = cluster.ReadWhole(ctx, tree, m.brokerID)
		return err
	})
	return whole, err
}

// writeEmbedded writes a new file.
func (m *mover) writeEmbedded(ctx context.Context, whole *cluster.Whole, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return embedded(ctx, path, func(tree meta.Tree) error { return whole.WriteInto(ctx, tree) })
}

// embedded opens a file for a function.
func embedded(ctx context.Context, path string, do func(meta.Tree) error) error {
	store, err := local.Open(local.Options{Path: path})
	if errors.Is(err, local.ErrHeld) {
		return cluster.NotCopied("%w", err)
	}
	if err != nil {
		return err
	}
	tree, err := store.Open(ctx, meta.Watcher{})
	if err == nil {
		err = do(tree)
	}
	return errors.Join(err, store.Close())
}

// readShared reads the tree in ZooKeeper, and how often a controller was elected on it.
func (m *mover) readShared(ctx context.Context) (*cluster.Whole, int32, error) {
	_, stat, err := m.shared.Exists(ctx, znode.ControllerEpoch)
	if err != nil {
		return nil, 0, explain(err)
	}
	whole, err := cluster.ReadWhole(ctx, m.shared, m.brokerID)
	if err != nil {
		return nil, 0, explain(err)
	}
	return whole, stat.Version, m.startable(whole)
}

// startable says why the broker could not start with a tree and these directories.
func (m *mover) startable(whole *cluster.Whole) error {
	if whole.ClusterID != m.clusterID {
		return cluster.NotCopied("%w", &cluster.ClusterIDError{Tree: whole.ClusterID, Directory: m.clusterID})
	}
	return whole.OnlyHere()
}

// rename gives a file its new name, durably.
func (m *mover) rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return m.fs.SyncDir(filepath.Dir(to))
}
