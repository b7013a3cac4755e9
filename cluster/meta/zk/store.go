package zk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"klamm/cluster/meta"
)

// Access says who may do what to a node. It counts with Options.SecureACL alone: without it, everybody may do all.
type Access int

// The kinds of access to a node.
const (
	// Readable lets who made the node do all, and everybody read it.
	Readable Access = iota
	// Private lets who made the node do all, and nobody else do anything.
	Private
	// Open lets everybody do all.
	Open
)

// Options are what a Store needs.
type Options struct {
	// Servers are the servers as host:port. A name is resolved at each connection. Required.
	Servers []string
	// Chroot is the node that stands for "/", such as "/kafka". Open makes it if it is missing. Default none.
	Chroot string
	// Look is for who only looks: Open makes no chroot, and fails with ErrNoNode if it is missing.
	Look bool
	// SessionTimeout is how long the servers keep a session that they do not hear of. They may give less or more. Default 18 s.
	SessionTimeout time.Duration
	// AttemptTimeout bounds one attempt to connect: the name, TCP, TLS, and ZooKeeper's handshake. Default: SessionTimeout
	// divided by the number of servers.
	AttemptTimeout time.Duration
	// MaxInFlight is how many requests of a session are on their way at a time. Default 10.
	MaxInFlight int
	// TLS, if set, is used for each connection. Its ServerName is taken from the server's address.
	TLS *tls.Config
	// Digest is "user:password" for ZooKeeper's scheme digest. Default: none is sent.
	Digest string
	// SecureACL makes nodes with an access control list, as zookeeper.set.acl says. It needs Digest or a client
	// certificate in TLS, which say who makes the node.
	SecureACL bool
	// Access says what list a new node gets with SecureACL. Default: Readable for all.
	Access func(path string) Access
	// Dial makes a TCP connection. Default net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

func (o *Options) fill() {
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 18 * time.Second
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = o.SessionTimeout / time.Duration(max(1, len(o.Servers)))
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 10
	}
	if o.Access == nil {
		o.Access = func(string) Access { return Readable }
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Store is a tree in ZooKeeper; it implements [meta.Store]. It holds nothing but its sessions.
type Store struct {
	o Options

	mu       sync.Mutex
	sessions map[*Session]bool // guarded by mu
	closed   bool              // guarded by mu
}

// New gives the store of a ZooKeeper. It connects to nothing.
func New(o Options) (*Store, error) {
	o.fill()
	if len(o.Servers) == 0 {
		return nil, errors.New("ZooKeeper: no server is given")
	}
	for _, server := range o.Servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return nil, fmt.Errorf("ZooKeeper: server %q: %w", server, err)
		}
	}
	if o.Chroot == "/" {
		o.Chroot = ""
	}
	if o.Chroot != "" {
		if err := meta.CheckPath(o.Chroot); err != nil {
			return nil, fmt.Errorf("ZooKeeper: chroot %q: %w", o.Chroot, err)
		}
	}
	return &Store{o: o, sessions: map[*Session]bool{}}, nil
}

// Open implements meta.Store. If ctx ends first, its error says why no server was reached.
func (s *Store) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	ses, err := s.open(ctx, w)
	if err != nil {
		return nil, err
	}
	return ses, nil
}

func (s *Store) open(ctx context.Context, w meta.Watcher) (*Session, error) {
	ses := newSession(s, w)
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.sessions[ses] = true
	}
	s.mu.Unlock()
	if closed {
		return nil, &meta.Error{Op: "session", Path: "/", Err: meta.ErrSessionExpired}
	}
	err := ses.begin(ctx)
	if err == nil {
		err = ses.makeChroot(ctx)
	}
	if err != nil {
		ses.Close()
		return nil, err
	}
	return ses, nil
}

func (s *Store) forget(ses *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ses)
}

// Close implements meta.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, ses := range open {
		ses.Close()
	}
	return nil
}
