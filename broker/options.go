package broker

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/local"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// Options are what a broker is made of, and its only ways to the world outside. Two
// brokers in one process share nothing but what their options share.
type Options struct {
	// Config is what the user configured. Required.
	Config *config.Broker
	// Logger takes the broker's log. Default slog.Default.
	Logger *slog.Logger
	// Identified, if set, is told the broker's id and the cluster's once they are known, before the start writes
	// anything and before it logs its first line.
	Identified func(brokerID int32, clusterID string)
	// FS has the log directories. Default: the operating system's.
	FS vfs.FS
	// Tree is the metadata tree. Default: the embedded one, in a file at the top of the first
	// log directory of the operating system.
	Tree Tree
	// Listen opens a listener's socket, at host:port. Default: a TCP socket with the
	// configured receive buffer and backlog.
	Listen func(addr string) (net.Listener, error)
	// Clock gives the time. Default time.Now.
	Clock func() time.Time
	// Rand gives the random bytes of members' ids. Default crypto/rand.Reader.
	Rand io.Reader
}

// Tree is a metadata tree that is not open yet.
type Tree interface {
	// Peek reads nodes and changes nothing. The error is fs.ErrNotExist where there is no
	// tree; a missing node is its own Node.Err.
	Peek(nodes ...string) ([]meta.Node, error)
	// Open opens the tree and begins a session. When a write finds no room on the disk, the
	// tree calls lend, which repeats the write with room from the store's reserve.
	Open(lend func(write func() error) error) (Session, error)
}

// Session is an open tree. Close ends the session and closes the tree.
type Session interface {
	meta.Tree
	Close() error
}

// fill sets the options that are not set to their defaults.
func (o *Options) fill() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Tree == nil {
		o.Tree = Embedded{Path: filepath.Join(o.Config.LogDirs()[0], local.FileName)}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
}

// Embedded is the embedded tree. Path is its file. The file may stand at the top of a log
// directory: Apache's broker ignores plain files there.
type Embedded struct{ Path string }

// Peek implements Tree.
func (e Embedded) Peek(nodes ...string) ([]meta.Node, error) { return local.Peek(e.Path, nodes...) }

// Open implements Tree.
func (e Embedded) Open(lend func(write func() error) error) (Session, error) {
	store, err := local.Open(local.Options{Path: e.Path, Lend: lend})
	if err != nil {
		return nil, err
	}
	session, err := store.Session()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &embeddedSession{session, store}, nil
}

// embeddedSession is the only session of an open store.
type embeddedSession struct {
	*local.Session
	store *local.Store
}

func (s *embeddedSession) Close() error { return errors.Join(s.Session.Close(), s.store.Close()) }
