package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/zk"
	"klamm/cluster/znode"
	"klamm/server/config"
	"klamm/server/keystore"
)

// sessionFile is the name of the file, at the top of the first log directory, that has this broker's session with ZooKeeper.
// Apache's broker ignores plain files there.
const sessionFile = "klamm-session"

// ZooKeeper is a metadata tree that the brokers of a cluster share.
type ZooKeeper struct {
	Options zk.Options
	// ConnectTimeout bounds how long the first session of each store may take: zookeeper.connection.timeout.ms.
	ConnectTimeout time.Duration
	// SessionFile is the file that has the session, so that the next process can end it after this one was killed.
	SessionFile string
}

// newZooKeeper makes the tree that the configuration names. The error names the property that is wrong.
func newZooKeeper(cfg *config.Broker, dir string, logger *slog.Logger) (ZooKeeper, error) {
	v, at := cfg.Values(), cfg.ZooKeeper()
	session := time.Duration(v.Int("zookeeper.session.timeout.ms")) * time.Millisecond
	connect := session
	if !v.Null("zookeeper.connection.timeout.ms") {
		connect = time.Duration(v.Int("zookeeper.connection.timeout.ms")) * time.Millisecond
	}
	secure, err := zooKeeperTLS(at.TLS)
	if err != nil {
		return ZooKeeper{}, err
	}
	return ZooKeeper{
		Options: zk.Options{
			Servers: at.Servers, Chroot: at.Chroot, SessionTimeout: session, MaxInFlight: v.Int("zookeeper.max.in.flight.requests"),
			TLS: secure, Digest: v.String("klamm.zookeeper.digest"), SecureACL: v.Bool("zookeeper.set.acl"), Access: access, Logger: logger,
		},
		ConnectTimeout: connect,
		SessionFile:    filepath.Join(dir, sessionFile),
	}, nil
}

// CheckConfig finds what a start would find wrong with a configuration that is read already, before it opens a port: the key stores that
// it names cannot be read, or do not fit.
func CheckConfig(cfg *config.Broker) error {
	if cfg.ZooKeeper() == nil {
		return nil
	}
	_, err := newZooKeeper(cfg, "", slog.New(slog.DiscardHandler))
	return err
}

// LookAtTree opens a session with the ZooKeeper of a configuration for who looks and changes nothing. Unlike a start it makes no chroot.
func LookAtTree(ctx context.Context, cfg *config.Broker) (meta.Tree, error) {
	z, err := newZooKeeper(cfg, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	z.Options.Look = true
	store, err := z.Open(nil)
	if err != nil {
		return nil, err
	}
	tree, err := store.Open(ctx, meta.Watcher{})
	if errors.Is(err, meta.ErrNoNode) {
		err = fmt.Errorf("zookeeper.connect: there is no node %s", z.Options.Chroot)
	}
	return tree, explain(err)
}

// access says who may do what to a node with zookeeper.set.acl (ZkData.defaultAcls).
func access(path string) zk.Access {
	switch {
	case znode.IsOpen(path):
		return zk.Open
	case znode.IsSensitive(path):
		return zk.Private
	}
	return zk.Readable
}

// keyFile gives a file of keys or certificates as the configuration names it.
func keyFile(f config.StoreFile) keystore.File {
	return keystore.File{Path: f.Path, Type: f.Type, Password: f.Password}
}

// zooKeeperTLS reads the files of keys and certificates. It returns nil for connections without TLS.
func zooKeeperTLS(from *config.ZooKeeperTLS) (*tls.Config, error) {
	if from == nil {
		return nil, nil
	}
	to := &tls.Config{MinVersion: from.MinVersion, MaxVersion: from.MaxVersion, CipherSuites: from.CipherSuites}
	if from.KeyStore.Path != "" {
		cert, err := keystore.LoadKey(keyFile(from.KeyStore))
		if err != nil {
			return nil, fmt.Errorf("zookeeper.ssl.keystore.location: %w", err)
		}
		to.Certificates = []tls.Certificate{cert}
	}
	if from.TrustStore.Path != "" {
		pool, err := keystore.LoadTrust(keyFile(from.TrustStore))
		if err != nil {
			return nil, fmt.Errorf("zookeeper.ssl.truststore.location: %w", err)
		}
		to.RootCAs = pool
	}
	if !from.VerifyName {
		to.InsecureSkipVerify = true // crypto/tls checks the name or nothing
		to.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, to.RootCAs) }
	}
	return to, nil
}

// verifyChain checks a server's certificate, but not that it is for the server's name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// Shared implements Tree.
func (ZooKeeper) Shared() bool { return true }

// Peek implements Tree, in a session of its own.
func (z ZooKeeper) Peek(ctx context.Context, nodes ...string) ([]meta.Node, error) {
	store, err := z.Open(nil)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	tree, err := store.Open(ctx, meta.Watcher{})
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return tree.GetAll(ctx, nodes)
}

// Open implements Tree. What is written to the tree goes to no disk of this broker.
func (z ZooKeeper) Open(func(write func() error) error) (meta.Store, error) {
	store, err := zk.New(z.Options)
	if err != nil {
		return nil, err
	}
	return &impatientStore{Store: store, timeout: z.ConnectTimeout}, nil
}

// Record implements recorder.
func (z ZooKeeper) Record(store meta.Store, brokerID int32, endpoints []cluster.Endpoint) meta.Store {
	s := store.(*impatientStore)
	s.Store = &recordedStore{sessionEnder: s.Store.(*zk.Store), file: z.SessionFile, brokerID: brokerID, endpoints: endpoints, logger: z.Options.Logger}
	return s
}

// impatientStore is a store whose first session has to be there in time, so that a start where ZooKeeper cannot be reached ends
// (KafkaServer.initZkClient). A broker that runs waits for its next session as long as that takes.
type impatientStore struct {
	meta.Store
	timeout time.Duration
	opened  atomic.Bool
}

// Open implements meta.Store.
func (s *impatientStore) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	if s.opened.Load() {
		return s.Store.Open(ctx, w)
	}
	first, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("zookeeper.connection.timeout.ms (%d) is over", s.timeout.Milliseconds()))
	defer cancel()
	tree, err := s.Store.Open(first, w)
	if err != nil {
		if failed := new(meta.Error); errors.As(err, &failed) {
			err = failed.Err // which operation on which node failed says nothing here
		}
		if cause := context.Cause(first); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, fmt.Errorf("zookeeper.connect: %w", err)
	}
	s.opened.Store(true)
	return tree, nil
}

// explain adds to an error of a start what to do about it.
func explain(err error) error {
	if errors.Is(err, meta.ErrNoAuth) {
		return fmt.Errorf("%w; the nodes in ZooKeeper belong to another identity: give this broker the same (zookeeper.ssl.keystore.location, "+
			"klamm.zookeeper.digest), or open the nodes with Apache Kafka's zookeeper-security-migration.sh --zookeeper.acl=unsecure", err)
	}
	return err
}
