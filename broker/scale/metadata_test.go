package scale

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/server/transport"
)

// forest is a tree in memory that others use too; it implements broker.Tree.
type forest struct{ store *mem.Store }

func (f forest) Peek(ctx context.Context, nodes ...string) ([]meta.Node, error) {
	tree, err := f.store.Open(ctx, meta.Watcher{})
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return tree.GetAll(ctx, nodes)
}

func (forest) Shared() bool { return true }

func (f forest) Open(func(write func() error) error) (meta.Store, error) { return shared{f.store}, nil }

// shared is a store that a broker does not close, since others use it.
type shared struct{ meta.Store }

func (shared) Close() error { return nil }

// metadataOfAll tells a broker of the partitions as their controller would, and has all clients ask it.
func metadataOfAll(t *testing.T, n int, m *meter) {
	store := mem.New(mem.Options{})
	office, err := store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.EnsurePaths(t.Context(), office); err != nil {
		t.Fatal(err)
	}
	// Another broker is the controller.
	for path, data := range map[string][]byte{znode.ControllerEpoch: znode.EncodeControllerEpoch(1), znode.Controller: znode.EncodeController(2, 0)} {
		if _, err := office.Create(t.Context(), path, data, meta.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	b := brokertest.RunWith(t, broker.Options{Tree: forest{store}}, "broker.id=1", "log.dirs="+filepath.Join(t.TempDir(), "scale"), "controlled.shutdown.enable=false")
	conn, err := transport.Dial(t.Context(), b.Addr(), transport.ClientOptions{Timeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tell := func(topics []order.TopicMetadata) {
		resp, err := conn.Request(t.Context(), update(topics, b.Addr()).Wire())
		if err != nil || resp.(*kmsg.UpdateMetadataResponse).ErrorCode != 0 {
			t.Fatalf("UpdateMetadata: %+v, %v", resp, err)
		}
	}
	topics := cover(n)
	begun := time.Now()
	tell(topics)
	m.add("the broker takes UpdateMetadata", float64(time.Since(begun).Milliseconds()), "ms")
	crowd := dialAll(t, b.Addr())
	size := crowd.ask(t) // what is needed once is there
	m.measure(t, "all have the topics", func() { crowd.ask(t) })
	topics[0].Partitions = topics[0].Partitions[:1]
	topics[0].Partitions[0].LeaderEpoch++
	tell(topics[:1])
	m.begun = time.Now()
	crowd.ask(t)
	m.since("again after one change", time.Now())
	m.add("one answer", float64(size)/1e6, "MB")
	if known := b.Cluster().Metadata(); known.NumTopics() != len(topics) || size < 30*n {
		t.Fatalf("%d topics are known of %d, and an answer has %d bytes", known.NumTopics(), len(topics), size)
	}
}

// cover makes n partitions with three replicas on ten brokers.
func cover(n int) (topics []order.TopicMetadata) {
	for i := range n {
		if i%each == 0 {
			topics = append(topics, order.TopicMetadata{Name: fmt.Sprintf("topic-%06d", i/each), ID: cluster.NewTopicID()})
		}
		t := &topics[len(topics)-1]
		replicas := []int32{int32(i%10 + 1), int32((i+1)%10 + 1), int32((i+2)%10 + 1)}
		t.Partitions = append(t.Partitions, order.PartitionMetadata{Partition: int32(i % each), ControllerEpoch: 1, Leader: replicas[0], ISR: replicas, Replicas: replicas})
	}
	return topics
}

func update(topics []order.TopicMetadata, addr string) *order.UpdateMetadataRequest {
	req := &order.UpdateMetadataRequest{Header: order.Header{ControllerID: 2, ControllerEpoch: 1, BrokerEpoch: -1}, Topics: topics}
	at, _ := net.ResolveTCPAddr("tcp", addr)
	for id := range int32(10) {
		req.Brokers = append(req.Brokers, order.LiveBroker{ID: id + 1,
			Endpoints: []order.Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: at.IP.String(), Port: int32(at.Port)}}})
	}
	return req
}

// crowd is many clients, each with a connection.
type crowd []net.Conn

func dialAll(t *testing.T, addr string) (c crowd) {
	for range *clients {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		c = append(c, nc)
	}
	return c
}

// ask has each client ask for all topics and read the answer, and gives the size of one.
func (c crowd) ask(t *testing.T) (size int) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("scale")).AppendRequest(nil, req, 1)
	sizes, errs := make([]int, len(c)), make([]error, len(c))
	var all sync.WaitGroup
	for i, nc := range c {
		all.Go(func() { sizes[i], errs[i] = exchange(nc, frame) })
	}
	all.Wait()
	for i := range c {
		if errs[i] != nil || sizes[i] != sizes[0] {
			t.Fatalf("client %d got %d bytes, client 0 %d: %v", i, sizes[i], sizes[0], errs[i])
		}
	}
	return sizes[0]
}

func exchange(nc net.Conn, frame []byte) (size int, err error) {
	if _, err := nc.Write(frame); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(nc, 64<<10)
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	size = int(binary.BigEndian.Uint32(head))
	_, err = r.Discard(size)
	return size, err
}
