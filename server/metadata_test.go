package server_test

import (
	"encoding/binary"
	"io"
	"maps"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster/order"
	"klamm/internal/await"
)

// ask dials, asks one thing and wants an answer.
func ask[R kmsg.Response](t testing.TB, addr string, req kmsg.Request, version int16) R {
	t.Helper()
	w := dial(t, addr)
	defer w.close()
	req.SetVersion(version)
	resp, err := w.ask(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(R)
}

// A broker on all addresses tells each client the address that it came in on.
func TestBrokerOnAllAddressesIsWhereItWasReached(t *testing.T) {
	_, port, err := net.SplitHostPort(startBroker(t, "listeners=PLAINTEXT://:0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		addr := net.JoinHostPort(host, port)
		meta := ask[*kmsg.MetadataResponse](t, addr, metadata(), 9)
		if len(meta.Brokers) != 1 || meta.Brokers[0].Host != host {
			t.Errorf("by %s: Metadata says %+v", addr, meta.Brokers)
		}
		cluster := ask[*kmsg.DescribeClusterResponse](t, addr, kmsg.NewPtrDescribeClusterRequest(), 1)
		if len(cluster.Brokers) != 1 || cluster.Brokers[0].Host != host {
			t.Errorf("by %s: DescribeCluster says %+v", addr, cluster.Brokers)
		}
	}
}

func TestAdvertisedListenersAreWhatClientsAreTold(t *testing.T) {
	addr := startBroker(t, "listeners=PLAINTEXT://127.0.0.1:0", "advertised.listeners=PLAINTEXT://broker.example:1234")
	meta := ask[*kmsg.MetadataResponse](t, addr, metadata(), 12)
	if len(meta.Brokers) != 1 || meta.Brokers[0].Host != "broker.example" || meta.Brokers[0].Port != 1234 {
		t.Errorf("got %+v", meta.Brokers)
	}
}

func TestTopicIsCreatedOnceByManyWhoAsk(t *testing.T) {
	addr := startBroker(t, "num.partitions=3")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			w := dial(t, addr)
			defer w.close()
			for {
				req := metadata(ptr("wanted"))
				req.AllowAutoTopicCreation = true
				req.SetVersion(12)
				resp, err := w.ask(req)
				if err != nil {
					t.Error(err)
					return
				}
				topic := resp.(*kmsg.MetadataResponse).Topics[0]
				switch topic.ErrorCode {
				case 0:
					if !allLed(resp, 3) {
						t.Errorf("got %+v", topic)
					}
					return
				case 3, 5: // being created
				default:
					t.Errorf("error %d", topic.ErrorCode)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNothingIsCreatedWhereThatIsForbidden(t *testing.T) {
	addr := startBroker(t, "auto.create.topics.enable=false")
	req := metadata(ptr("wanted"))
	req.AllowAutoTopicCreation = true
	for range 2 {
		if got := ask[*kmsg.MetadataResponse](t, addr, req, 12).Topics[0].ErrorCode; got != 3 {
			t.Errorf("error %d", got)
		}
	}
}

func TestInternalTopicsAreCreatedAsCoordinatorsNeedThem(t *testing.T) {
	addr := startBroker(t, "offsets.topic.num.partitions=7", "offsets.topic.replication.factor=1")
	req := metadata(ptr("__consumer_offsets"))
	req.AllowAutoTopicCreation = true
	if got := ask[*kmsg.MetadataResponse](t, addr, req, 12).Topics[0]; got.ErrorCode != 5 || !got.IsInternal {
		t.Errorf("got %+v", got)
	}
	resp := ask[*kmsg.MetadataResponse](t, addr, req, 12)
	if !allLed(resp, 7) || !resp.Topics[0].IsInternal {
		t.Errorf("got %+v", resp.Topics[0])
	}
	config := ask[*kmsg.DescribeConfigsResponse](t, addr, describe(ofTopic, "__consumer_offsets", "cleanup.policy"), 4)
	if got := *config.Resources[0].Configs[0].Value; got != "compact" {
		t.Errorf("cleanup.policy is %s", got)
	}
	deleted := ask[*kmsg.DeleteRecordsResponse](t, addr, deleteRecords("__consumer_offsets", 0, 0), 2)
	if got := deleted.Topics[0].Partitions[0].ErrorCode; got != 17 {
		t.Errorf("deleting its records: error %d", got)
	}
}

// A client is told of the listener that it came in on.
func TestEachListenerHasItsOwnAddress(t *testing.T) {
	addrs := startListeners(t, "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0",
		"listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT", "inter.broker.listener.name=INSIDE",
		"advertised.listeners=INSIDE://inside.example:1,OUTSIDE://outside.example:2")
	for i, want := range []string{"inside.example", "outside.example"} {
		meta := ask[*kmsg.MetadataResponse](t, addrs[i], metadata(), 12)
		if len(meta.Brokers) != 1 || meta.Brokers[0].Host != want || meta.Brokers[0].Port != int32(i+1) {
			t.Errorf("listener %d: got %+v", i, meta.Brokers)
		}
	}
}

func TestTopicsOfOneRequestAreCreatedTogether(t *testing.T) {
	addr := startBroker(t)
	createTopicAt(t, addr, "a.b")
	req := metadata(ptr("x"), ptr("a_b"), ptr("y"), ptr("no good"), ptr("x"), ptr("a.b"))
	req.AllowAutoTopicCreation = true
	got := make(map[string]int16)
	for _, topic := range ask[*kmsg.MetadataResponse](t, addr, req, 12).Topics {
		got[*topic.Topic] = topic.ErrorCode
	}
	want := map[string]int16{"x": 5, "y": 5, "a_b": 17, "no good": 17, "a.b": 0}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if resp := ask[*kmsg.MetadataResponse](t, addr, metadata(ptr("x"), ptr("y")), 12); !allLed(resp, 1) {
		t.Errorf("afterwards: %+v", resp.Topics)
	}
}

// TestClientsThatDoNotReadShareTheTopics: before, the broker held a copy of all topics for each client that had asked for them and did not
// read. With 200,000 partitions and 1,000 clients that was 8 GB.
func TestClientsThatDoNotReadShareTheTopics(t *testing.T) {
	const clients, partitions = 20, 100_000
	b := brokertest.Run(t)
	at, _ := net.ResolveTCPAddr("tcp", b.Addr())
	told := &order.UpdateMetadataRequest{Header: order.Header{ControllerEpoch: 1000, BrokerEpoch: -1}, Topics: []order.TopicMetadata{{Name: "t"}},
		Brokers: []order.LiveBroker{{Endpoints: []order.Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: at.IP.String(), Port: int32(at.Port)}}}}}
	for p := range int32(partitions) {
		told.Topics[0].Partitions = append(told.Topics[0].Partitions, order.PartitionMetadata{Partition: p, Replicas: []int32{0}, ISR: []int32{0}})
	}
	if err := b.Cluster().UpdateMetadata(told); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
	size := 0
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	begin := func() {
		nc, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		_ = nc.(*net.TCPConn).SetReadBuffer(4096) // the kernel must not take the answer
		_ = nc.SetDeadline(time.Now().Add(await.Patience))
		head := make([]byte, 4)
		if _, err := nc.Write(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, head); err != nil { // now it is being sent
			t.Fatal(err)
		}
		size = int(binary.BigEndian.Uint32(head))
	}
	begin()
	before := heap()
	for range clients {
		begin()
	}
	if more := heap() - before; size < 20*partitions || more > clients*size/2 {
		t.Errorf("%d clients that do not read an answer of %d bytes cost %d bytes", clients, size, more)
	}
}
