package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/broker"
	"klamm/internal/await"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// network is one in memory: its listeners are found by their addresses.
type network struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener // guarded by mu
}

// pipeListener takes the far ends of pipes.
type pipeListener struct {
	addr   pipeAddr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type pipeAddr string

func (a pipeAddr) Network() string { return "memory" }
func (a pipeAddr) String() string  { return string(a) }

func (l *pipeListener) Addr() net.Addr { return l.addr }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// listen is broker.Options.Listen.
func (n *network) listen(addr string) (net.Listener, error) {
	l := &pipeListener{addr: pipeAddr(addr), conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = make(map[string]*pipeListener)
	}
	n.listeners[addr] = l
	return l, nil
}

// dial is kgo.Dialer's function.
func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("nobody listens on " + addr)
	}
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	_, _ = near.Close(), far.Close()
	return nil, net.ErrClosed
}

// memoryBroker starts a broker whose logs and connections are in memory.
func memoryBroker(t *testing.T, n *network, addr string, disk *vfs.Mem, tree broker.Tree) *broker.Broker {
	t.Helper()
	cfg, _, err := config.Load(config.Options{Sets: []string{
		"broker.id=1", "listeners=PLAINTEXT://" + addr, "log.dirs=/data", "log.segment.bytes=1048576", "group.initial.rebalance.delay.ms=0",
		"offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(context.Background(), broker.Options{
		Config: cfg, Logger: slog.New(slog.DiscardHandler), FS: disk, Tree: tree, Listen: n.listen,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exchange produces a record with a value and gives all values of the topic.
func exchange(t *testing.T, n *network, addr, value string, want int) (values []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.Dialer(n.dial), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"),
		kgo.ConsumerGroup("g"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for len(values) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			values = append(values, string(r.Value))
		}
	}
	return values
}

// Two brokers run in one process beside each other, on disks and connections in memory: what one is sent the other does
// not have, when one stops the other serves on, and what was sent is there after a restart.
func TestTwoBrokersInOneProcessShareNothing(t *testing.T) {
	n, stop := new(network), func(b *broker.Broker) {
		t.Helper()
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	oneDisk, oneTree := vfs.NewMem(), broker.Embedded{Path: filepath.Join(t.TempDir(), "tree")}
	one := memoryBroker(t, n, "one:9092", oneDisk, oneTree)
	two := memoryBroker(t, n, "two:9092", vfs.NewMem(), broker.Embedded{Path: filepath.Join(t.TempDir(), "tree")})
	if got := exchange(t, n, "one:9092", "first", 1); got[0] != "first" {
		t.Errorf("one has %q", got)
	}
	if got := exchange(t, n, "two:9092", "second", 1); got[0] != "second" {
		t.Errorf("two has %q", got)
	}
	if one.Cluster().Metadata().ClusterID == two.Cluster().Metadata().ClusterID {
		t.Error("both are of one cluster")
	}
	stop(one)
	if got := exchange(t, n, "two:9092", "third", 2); got[0] != "second" || got[1] != "third" {
		t.Errorf("two has %q", got)
	}
	one = memoryBroker(t, n, "one:9092", oneDisk, oneTree)
	if got := exchange(t, n, "one:9092", "fourth", 2); got[0] != "first" || got[1] != "fourth" {
		t.Errorf("one has %q after a restart", got)
	}
	stop(one)
	stop(two)
}
