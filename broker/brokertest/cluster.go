package brokertest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"klamm/broker"
	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/internal/await"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// Cluster is several brokers in this process, with one metadata tree in memory. They speak to each other over TCP.
type Cluster struct {
	T     testing.TB
	Store *mem.Store
	// Brokers has nil for a broker that does not run. Broker n has the id n+1.
	Brokers []*Broker

	o    ClusterOptions
	dirs []string
}

// ClusterOptions are what makes a cluster another one than RunCluster's.
type ClusterOptions struct {
	Settings []string             // of all brokers; each is name=value
	Each     func(i int) []string // settings of one broker; nil for none
	FS       map[int]vfs.FS       // those of the log directories of some brokers; the others' is the operating system's
	// After has brokers wait by it (broker.Options); nil for the default.
	After func(d time.Duration, f func()) (stop func() bool)
}

// RunCluster starts brokers that form a cluster, and waits until each of them knows all. Each setting is name=value.
func RunCluster(t testing.TB, n int, settings ...string) *Cluster {
	t.Helper()
	return RunClusterWith(t, ClusterOptions{Settings: settings}, n)
}

// RunClusterWith starts a cluster as RunCluster does, with these options.
func RunClusterWith(t testing.TB, o ClusterOptions, n int) *Cluster {
	t.Helper()
	c := &Cluster{T: t, Store: mem.New(mem.Options{}), Brokers: make([]*Broker, n), o: o}
	c.run()
	return c
}

// run starts all brokers.
func (c *Cluster) run() {
	c.T.Helper()
	for i := range c.Brokers {
		c.dirs = append(c.dirs, filepath.Join(c.T.TempDir(), fmt.Sprintf("data-%d", i+1)))
	}
	for i := range c.Brokers {
		c.Start(i)
	}
	c.Settled()
}

// Start starts a broker, on the directories that it had before.
func (c *Cluster) Start(i int) {
	c.T.Helper()
	sets := append([]string{
		fmt.Sprintf("broker.id=%d", i+1), "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + c.dirs[i],
		"log.initial.task.delay.ms=86400000", "offsets.topic.num.partitions=3",
		"offsets.topic.replication.factor=" + fmt.Sprint(min(3, len(c.Brokers))), "group.initial.rebalance.delay.ms=0",
		"controlled.shutdown.retry.backoff.ms=1", // the last brokers have nobody to leave their leaderships to
	}, c.o.Settings...)
	if c.o.Each != nil {
		sets = append(sets, c.o.Each(i)...)
	}
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		c.T.Fatal(err)
	}
	b, sockets := &Broker{T: c.T, Log: &Buffer{}}, &plug{}
	logger := slog.New(slog.NewTextHandler(b.Log, nil))
	b.Broker, err = broker.Start(context.Background(), broker.Options{Config: cfg, Logger: logger, FS: c.o.FS[i], Tree: sharedTree{c.Store},
		Listen: sockets.listen, Dial: sockets.dial, After: c.o.After})
	if err != nil {
		c.T.Fatal(err)
	}
	b.End = sync.OnceValue(func() error { return b.Stop(context.Background()) })
	b.pull = sockets.pull
	c.Brokers[i] = b
	c.T.Cleanup(func() {
		if err := b.End(); err != nil {
			c.T.Error(err)
		}
		if c.T.Failed() {
			c.T.Logf("broker %d logged:\n%s", i+1, b.Log)
		}
	})
}

// Stop stops a broker cleanly.
func (c *Cluster) Stop(i int) {
	c.T.Helper()
	if err := c.Brokers[i].End(); err != nil {
		c.T.Error(err)
	}
	c.Brokers[i] = nil
}

// Kill takes a broker's sockets and its connection to the tree, as the end of its process does, and returns its session. The session lives on
// until the test has it expire.
func (c *Cluster) Kill(i int) meta.Tree {
	b := c.Brokers[i]
	c.Brokers[i] = nil
	session := b.Session()
	c.Store.Disconnect(session)
	b.pull()
	b.End = sync.OnceValue(func() error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it does not leave its cluster
		_ = b.Stop(ctx)
		return nil
	})
	return session
}

// Expire ends a broker's session with the tree.
func (c *Cluster) Expire(i int) { c.Store.Expire(c.Brokers[i].Session()) }

// Settled waits until every broker that runs knows all that run, and the same controller.
func (c *Cluster) Settled() {
	c.T.Helper()
	await.Until(c.T, "every broker knows every other", func() bool {
		var want []string
		for i, b := range c.Brokers {
			if b != nil {
				want = append(want, fmt.Sprint(i+1))
			}
		}
		controllers := map[int32]bool{}
		for _, b := range c.Brokers {
			if b == nil {
				continue
			}
			known := b.Cluster().Metadata()
			var got []string
			for _, info := range known.Brokers {
				got = append(got, fmt.Sprint(info.ID))
			}
			controllers[known.ControllerID] = true
			if strings.Join(got, ",") != strings.Join(want, ",") {
				return false
			}
		}
		return len(controllers) == 1 && !controllers[-1]
	})
}

// Controller returns the broker that is the controller, once there is one.
func (c *Cluster) Controller() *Broker {
	c.T.Helper()
	var found *Broker
	await.Until(c.T, "a broker is the controller", func() bool {
		for _, b := range c.Brokers {
			if b != nil && b.Cluster().IsController() {
				found = b
			}
		}
		return found != nil
	})
	return found
}

// Topic creates a topic.
func (c *Cluster) Topic(name string, partitions int32, factor int16, properties ...string) {
	c.T.Helper()
	n := cluster.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: factor}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		n.Configs = append(n.Configs, cluster.ConfigEntry{Name: key, Value: &value})
	}
	if res := c.Controller().Cluster().CreateTopics(context.Background(), []cluster.NewTopic{n}, false); res[0].Err != nil {
		c.T.Fatal(res[0].Err)
	}
}

// Addrs returns the addresses of the brokers that run.
func (c *Cluster) Addrs() (addrs []string) {
	for _, b := range c.Brokers {
		if b != nil {
			addrs = append(addrs, b.Addr())
		}
	}
	return addrs
}

// InMemory gives a tree in memory for [RunWith]: the broker takes orders from others, as a member of a cluster does.
func InMemory() broker.Tree { return sharedTree{mem.New(mem.Options{})} }

// sharedTree is a tree in memory that several brokers open.
type sharedTree struct{ store *mem.Store }

// Peek implements broker.Tree.
func (s sharedTree) Peek(ctx context.Context, nodes ...string) ([]meta.Node, error) {
	tree, err := s.store.Open(ctx, meta.Watcher{})
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return tree.GetAll(ctx, nodes)
}

// Shared implements broker.Tree.
func (sharedTree) Shared() bool { return true }

// Open implements broker.Tree.
func (s sharedTree) Open(func(write func() error) error) (meta.Store, error) {
	return openStore{s.store}, nil
}

// openStore is the store as one broker has it: the others go on when it closes it.
type openStore struct{ *mem.Store }

// Close implements meta.Store.
func (openStore) Close() error { return nil }
