package broker

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/local"
	"klamm/logstore/vfs"
	"klamm/observe"
	"klamm/server/config"
	"klamm/server/loggers"
)

// Options are what a broker is made of, and its only ways to the world outside. Two
// brokers in one process share nothing but what their options share.
type Options struct {
	// Config is what the user configured. Required.
	Config *config.Broker
	// Logger takes the broker's log, as far as Levels let it through. Default slog.Default.
	Logger *slog.Logger
	// Observer counts what the broker does and takes its events. Nil: observation is switched off, and nothing else changes.
	Observer *observe.Observer
	// Levels are the levels of the broker's log by room, which operators change while it runs; its configuration sets those that it
	// starts with (klamm.log.levels). Default: levels of its own. The caller may hand in those that it holds lines of its own to.
	Levels *loggers.Levels
	// Life is told how far the broker is in its life. Nil: nobody asks.
	Life *observe.Life
	// Identified, if set, is told the broker's id and the cluster's once they are known, before the start writes
	// anything and before it logs its first line.
	Identified func(brokerID int32, clusterID string)
	// ClusterID is the id of a cluster that begins with this broker, alone. Default: a random one. A broker whose directories or tree
	// have an id keeps that.
	ClusterID string
	// FS has the log directories. Default: the operating system's.
	FS vfs.FS
	// Tree is the metadata tree. Default: with zookeeper.connect the one in ZooKeeper, and otherwise the embedded one, in a file at
	// the top of the first log directory of the operating system.
	Tree Tree
	// Listen opens a listener's socket, at host:port. Default: a TCP socket with the
	// configured receive buffer and backlog.
	Listen func(addr string) (net.Listener, error)
	// Dial opens a connection to another broker, at host:port. Default: a TCP socket.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Clock gives the time. Default time.Now.
	Clock func() time.Time
	// After has f called when some time has passed, and gives what prevents that. Default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func() bool)
	// Rand gives the random bytes of members' ids. Default crypto/rand.Reader.
	Rand io.Reader
}

// Tree is a metadata tree that is not open yet.
type Tree interface {
	// Peek reads nodes and changes nothing. The error is fs.ErrNotExist where there is no
	// tree; a missing node is its own Node.Err.
	Peek(ctx context.Context, nodes ...string) ([]meta.Node, error)
	// Shared says whether other brokers use the tree as well. Then the tree is right about the topics, and not the log directories.
	Shared() bool
	// Open opens the tree. When a write finds no room on the disk, the
	// tree calls lend, which repeats the write with room from the store's reserve.
	Open(lend func(write func() error) error) (meta.Store, error)
}

// recorder is a Tree whose sessions outlive a process that is killed.
type recorder interface {
	// Record gives a store that ends the session of the process before, and records each session that it opens. The caller holds the
	// locks of the log directories, so that the process before does not run, and has bound the ports of the broker's endpoints.
	Record(store meta.Store, brokerID int32, endpoints []cluster.Endpoint) meta.Store
}

// fill sets the options that are not set to their defaults.
func (o *Options) fill() error {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Levels == nil {
		o.Levels = loggers.New()
	}
	o.Config.SetLogLevels(o.Levels)
	o.Logger = slog.New(o.Levels.Handler(o.Logger.Handler()))
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if dir := o.Config.LogDirs()[0]; o.Tree == nil && o.Config.ZooKeeper() != nil {
		tree, err := newZooKeeper(o.Config, dir, o.Logger.With(loggers.Key, "cluster.meta"))
		if err != nil {
			return err
		}
		o.Tree = tree
	} else if o.Tree == nil {
		o.Tree = Embedded{Path: filepath.Join(dir, local.FileName)}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return nil
}

// Embedded is the embedded tree. Path is its file. The file may stand at the top of a log
// directory: Apache's broker ignores plain files there.
type Embedded struct{ Path string }

// Peek implements Tree.
func (e Embedded) Peek(_ context.Context, nodes ...string) ([]meta.Node, error) {
	return local.Peek(e.Path, nodes...)
}

// Shared implements Tree.
func (Embedded) Shared() bool { return false }

// Open implements Tree.
func (e Embedded) Open(lend func(write func() error) error) (meta.Store, error) {
	return local.Open(local.Options{Path: e.Path, Lend: lend})
}
