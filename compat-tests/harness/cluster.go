package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"
)

// ClusterOptions says how a cluster is started. The zero value has no brokers.
type ClusterOptions struct {
	// Brokers says what each broker is, "klamm" or "apache". The ids of the brokers count from 1.
	Brokers []string
	// First is the id of the broker that starts alone and so becomes the controller; 0 stands for 1.
	First int32
	// ZooKeepers is how many servers the ZooKeeper has; 0 stands for 1.
	ZooKeepers int
	// Proxied puts a proxy between each broker and each ZooKeeper server; see [Cluster.BlockZooKeeper].
	Proxied bool
	// Networked puts each broker on a host of its own; see [Network]. The package's TestMain must call [MainInNamespaces].
	Networked bool
	// LogDirs is how many log directories each broker has; 0 stands for 1.
	LogDirs int
	// DataDir is the parent of each broker's directories; Remove keeps it. "" means temporary directories.
	DataDir string
	// Racks are the racks of the brokers (broker.rack); nil for none.
	Racks []string
	// Properties are added to the server.properties of every broker, whatever it is.
	Properties map[string]string
	// Measured and Heap are as in Options. Heap is 256m unless it is set or the cluster is measured.
	Measured bool
	Heap     string
}

// Cluster is a ZooKeeper and the brokers on it. Its methods may be called from one goroutine at a time.
type Cluster struct {
	ZooKeeper *ZooKeeper
	// Brokers are in the order of their ids, which count from 1.
	Brokers []*Broker
	// Network is what the brokers, ZooKeeper and the tests are connected by; nil where all are on the loopback.
	Network *Network

	opts    ClusterOptions
	dir     string
	chroot  string     // of a ZooKeeper that outlives the cluster; "" for one of its own
	proxies [][]*Proxy // by broker, one for each server of the ZooKeeper
	conn    *zk.Conn   // nil until somebody looks at the tree
}

// Kinds is a list for ClusterOptions.Brokers: so many brokers of the kind that the tests run against.
func Kinds(n int) []string {
	kind := "klamm"
	if Reference() {
		kind = "apache"
	}
	return slices.Repeat([]string{kind}, n)
}

// StartCluster starts a cluster for one test, waits until every broker knows all brokers, and stops it when the test
// ends. It fails the test when a broker does not come up.
func StartCluster(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	c, err := NewCluster(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the brokers' logs are kept: %s", strings.Join(c.KeepLogs(), " "))
		}
		c.Remove()
	})
	return c
}

// NewCluster starts a cluster and waits until every broker knows all brokers. The caller owns it: Close, then Remove.
func NewCluster(o ClusterOptions) (*Cluster, error) {
	c, err := PrepareCluster(o)
	if err != nil {
		return nil, err
	}
	if err := c.Run(); err != nil {
		for _, b := range c.Brokers {
			b.Kill()
		}
		err = fmt.Errorf("%w; the logs are kept: %s", err, strings.Join(c.KeepLogs(), " "))
		_ = c.Close()
		c.Remove()
		return nil, err
	}
	return c, nil
}

// PrepareCluster is NewCluster without starting the brokers: their ZooKeeper is up.
func PrepareCluster(o ClusterOptions) (*Cluster, error) { return prepareCluster(o, nil, "") }

// prepareCluster prepares a cluster on a ZooKeeper that runs, below a chroot, or on one of its own where that is nil.
func prepareCluster(o ClusterOptions, z *ZooKeeper, chroot string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "klamm-cluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: o, dir: dir, ZooKeeper: z, chroot: chroot}
	on := loopback
	if o.Networked {
		if c.Network, err = newNetwork(len(o.Brokers)); err != nil {
			c.Remove()
			return nil, err
		}
		on = ZooKeepers.addr().String()
	}
	if z == nil {
		if c.ZooKeeper, err = startZooKeeper(filepath.Join(dir, "zookeeper"), on, max(1, o.ZooKeepers), durably(o.Measured)); err != nil {
			if c.Network != nil {
				c.Network.close()
			}
			c.Remove()
			return nil, err
		}
	}
	for id := int32(1); int(id) <= len(o.Brokers); id++ {
		if err := c.add(id, on); err != nil {
			_ = c.Close()
			c.Remove()
			return nil, err
		}
	}
	return c, nil
}

// add prepares one broker, whose proxies listen on a host's address.
func (c *Cluster) add(id int32, on string) error {
	addrs := c.ZooKeeper.Addrs()
	var proxies []*Proxy
	if c.opts.Proxied {
		for i, addr := range addrs {
			p, err := newProxyOn(on, addr)
			if err != nil {
				return err
			}
			proxies = append(proxies, p)
			addrs[i] = p.Addr
		}
	}
	c.proxies = append(c.proxies, proxies)
	data := c.dir
	if c.opts.DataDir != "" {
		data = c.opts.DataDir
	}
	data = filepath.Join(data, fmt.Sprint("broker-", id))
	o := Options{Broker: c.opts.Brokers[id-1], DataDir: data, Measured: c.opts.Measured, Heap: c.opts.Heap, cluster: c,
		Properties: c.properties(id, data, strings.Join(addrs, ",")+c.chroot)}
	if o.Heap == "" && !o.Measured {
		o.Heap = "256m"
	}
	b, err := Prepare(o)
	if err != nil {
		return err
	}
	c.Brokers = append(c.Brokers, b)
	return nil
}

// properties are a broker's properties beyond those of every broker of the harness. Both kinds of broker get the same.
func (c *Cluster) properties(id int32, data, connect string) map[string]string {
	replicas := strconv.Itoa(min(3, len(c.opts.Brokers)))
	dirs := []string{filepath.Join(data, "data")}
	for i := 2; i <= c.opts.LogDirs; i++ {
		dirs = append(dirs, filepath.Join(data, fmt.Sprint("data-", i)))
	}
	props := map[string]string{
		"broker.id":                                strconv.Itoa(int(id)),
		"log.dirs":                                 strings.Join(dirs, ","),
		"zookeeper.connect":                        connect,
		"zookeeper.session.timeout.ms":             "6000",
		"zookeeper.connection.timeout.ms":          "60000", // otherwise that of the session bounds the start
		"inter.broker.protocol.version":            "3.9",
		"offsets.topic.replication.factor":         replicas,
		"offsets.topic.num.partitions":             "5",
		"transaction.state.log.replication.factor": replicas,
		"transaction.state.log.num.partitions":     "5",
		// Leaders move when a test says so.
		"auto.leader.rebalance.enable": "false",
		// The last broker that stops asks in vain for another leader.
		"controlled.shutdown.retry.backoff.ms": "500",
	}
	if c.opts.Racks != nil {
		props["broker.rack"] = c.opts.Racks[id-1]
	}
	maps.Copy(props, c.opts.Properties)
	return props
}

// Run starts the brokers that do not run and waits until every broker knows all brokers. The broker First starts before
// the others, so that it becomes the controller where there is none.
func (c *Cluster) Run() error {
	first := c.Broker(max(1, c.opts.First))
	if first.proc == nil {
		if err := first.Run(); err != nil {
			return err
		}
	}
	for _, b := range c.Brokers {
		if b.proc == nil {
			if err := b.Launch(); err != nil {
				return err
			}
		}
	}
	for _, b := range c.Brokers {
		if err := b.AwaitReady(); err != nil {
			return err
		}
	}
	return c.AwaitBrokers(c.ids()...)
}

// ids are the ids of all brokers.
func (c *Cluster) ids() (ids []int32) {
	for i := range c.Brokers {
		ids = append(ids, int32(i+1))
	}
	return ids
}

// Broker gives a broker by its id.
func (c *Cluster) Broker(id int32) *Broker { return c.Brokers[id-1] }

// Addrs are the brokers' addresses, those that do not run among them.
func (c *Cluster) Addrs() (addrs []string) {
	for _, b := range c.Brokers {
		addrs = append(addrs, b.Addr)
	}
	return addrs
}

// Dirs are a broker's log directories.
func (c *Cluster) Dirs(id int32) []string {
	return strings.Split(c.Broker(id).settings()["log.dirs"], ",")
}

// AwaitBrokers waits until each of the brokers with these ids lists exactly these brokers as alive, and all name the same
// controller among them.
func (c *Cluster) AwaitBrokers(ids ...int32) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	for {
		err := c.listed(ctx, ids)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("harness: the brokers do not agree that %v are alive: %w", ids, err)
		}
		pause()
	}
}

func (c *Cluster) listed(ctx context.Context, ids []int32) error {
	controller := int32(-1)
	for _, id := range ids {
		m, err := metadataOf(ctx, c.Broker(id).Addr)
		if err != nil {
			return fmt.Errorf("broker %d: %w", id, err)
		}
		var alive []int32
		for _, b := range m.Brokers {
			alive = append(alive, b.NodeID)
		}
		slices.Sort(alive)
		if !slices.Equal(alive, ids) {
			return fmt.Errorf("broker %d lists %v", id, alive)
		}
		if controller < 0 {
			controller = m.ControllerID
		}
		if m.ControllerID != controller || !slices.Contains(ids, controller) {
			return fmt.Errorf("broker %d names controller %d, another one %d", id, m.ControllerID, controller)
		}
	}
	return nil
}

// BlockZooKeeper cuts a broker off from ZooKeeper, until UnblockZooKeeper. The cluster must be Proxied.
func (c *Cluster) BlockZooKeeper(id int32) {
	for _, p := range c.proxies[id-1] {
		p.Block()
	}
}

// UnblockZooKeeper lets a broker reach ZooKeeper again.
func (c *Cluster) UnblockZooKeeper(id int32) {
	for _, p := range c.proxies[id-1] {
		p.Unblock()
	}
}

// CutZooKeeper closes a broker's connections to ZooKeeper once. The broker may connect again at once.
func (c *Cluster) CutZooKeeper(id int32) {
	for _, p := range c.proxies[id-1] {
		p.Cut()
	}
}

// StopBrokers stops the brokers that run, all at a time, and leaves their ZooKeeper up.
func (c *Cluster) StopBrokers() error {
	return c.each((*Broker).Stop)
}

// each calls a function for all brokers at a time.
func (c *Cluster) each(do func(*Broker) error) error {
	errs := make([]error, len(c.Brokers))
	var running sync.WaitGroup
	for i, b := range c.Brokers {
		running.Go(func() { errs[i] = do(b) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// Close stops the brokers, all at a time, and then their ZooKeeper. It may be called twice.
func (c *Cluster) Close() error {
	err := c.each((*Broker).Close)
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
	for _, proxies := range c.proxies {
		for _, p := range proxies {
			p.close()
		}
	}
	if c.chroot == "" {
		c.ZooKeeper.stop()
	}
	if c.Network != nil {
		c.Network.close()
		c.Network = nil
	}
	return err
}

// KeepLogs copies the logs of the brokers to build/logs and gives the names.
func (c *Cluster) KeepLogs() (names []string) {
	for _, b := range c.Brokers {
		names = append(names, b.KeepLog())
	}
	return names
}

// Remove deletes what the harness made for the cluster, but not a DataDir that the test gave.
func (c *Cluster) Remove() {
	for _, b := range c.Brokers {
		b.Remove()
	}
	os.RemoveAll(c.dir)
}
