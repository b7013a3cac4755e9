package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/cluster/meta"
	"klamm/cluster/replica"
	"klamm/cluster/znode"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server"
	"klamm/server/transport"
)

// The client of package transport asks klamm's own server: with and without tagged headers, errors, records.
func TestPeerClientAsksABroker(t *testing.T) {
	addr := startBroker(t)
	ctx, producer := client(t, addr, kgo.AllowAutoTopicCreation())
	for _, value := range []string{"one", "two"} {
		if err := producer.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := transport.Dial(ctx, addr, transport.ClientOptions{ClientID: "broker-1-fetcher-0", Timeout: await.Patience})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()

	asked := kmsg.NewPtrApiVersionsRequest()
	asked.SetVersion(3)
	asked.ClientSoftwareName, asked.ClientSoftwareVersion = "klamm", "1"
	versions := peerAsk[*kmsg.ApiVersionsResponse](t, cl, asked)
	if versions.ErrorCode != 0 || len(versions.ApiKeys) < 40 {
		t.Errorf("ApiVersions: error %d and %d APIs", versions.ErrorCode, len(versions.ApiKeys))
	}
	meta := kmsg.NewPtrMetadataRequest()
	meta.SetVersion(12)
	id := peerAsk[*kmsg.MetadataResponse](t, cl, meta).Topics[0].TopicID

	fetch := kmsg.NewPtrFetchRequest()
	fetch.SetVersion(13)
	fetch.MaxBytes, fetch.MinBytes = 1<<20, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.TopicID = id
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 1 << 20
	topic.Partitions = append(topic.Partitions, part)
	fetch.Topics = append(fetch.Topics, topic)
	resp, release, err := cl.Fetch(ctx, fetch)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	got := resp.Topics[0].Partitions[0]
	if h, err := batch.ParseHeader(got.RecordBatches); err != nil || got.HighWatermark != 2 || h.BaseOffset != 0 {
		t.Errorf("Fetch: high watermark %d, batch %+v, %v", got.HighWatermark, h, err)
	}
	// A request that the broker refuses costs the connection.
	bad := kmsg.NewPtrFetchRequest()
	bad.SetVersion(99)
	if _, err := cl.Request(context.Background(), bad); !errors.Is(err, io.EOF) {
		t.Errorf("a version that is not served: %v, want io.EOF", err)
	}
}

// peerAsk sends a request and wants an answer.
func peerAsk[R kmsg.Response](t *testing.T, cl *transport.Client, req kmsg.Request) R {
	t.Helper()
	resp, err := cl.Request(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(R)
}

// The controller tells a broker of a hundred thousand partitions in one request. That much is taken where other brokers can be, and
// on the listener that they use; of everybody else a broker reads less.
func TestOrdersMayBeLargeBetweenBrokers(t *testing.T) {
	listeners := []string{
		"listeners=PLAINTEXT://127.0.0.1:0,CLIENTS://127.0.0.1:0", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT",
	}
	cluster := brokertest.RunCluster(t, 1, listeners...)
	between, clients := cluster.Brokers[0].Addrs()[0].String(), cluster.Brokers[0].Addrs()[1].String()
	alone := startListeners(t, listeners...)

	update := kmsg.NewPtrUpdateMetadataRequest()
	update.ControllerEpoch = -1 // of an older controller: it changes nothing
	states := make([]kmsg.UpdateMetadataRequestTopicPartition, 250_000)
	for i := range states {
		states[i] = kmsg.UpdateMetadataRequestTopicPartition{Partition: int32(i), ISR: []int32{1}, Replicas: []int32{1}}
	}
	update.TopicStates = append(update.TopicStates, kmsg.UpdateMetadataRequestTopicState{Topic: "t", PartitionStates: states})
	for _, version := range []int16{5, 8} {
		if resp := ask[*kmsg.UpdateMetadataResponse](t, between, update, version); resp.ErrorCode != 11 {
			t.Errorf("version %d between brokers: error %d, want that of an older controller", version, resp.ErrorCode)
		}
		for who, addr := range map[string]string{"a client's listener": clients, "a broker alone": alone[0], "its other listener": alone[1]} {
			cl, err := transport.Dial(t.Context(), addr, transport.ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			update.SetVersion(version)
			if resp, err := cl.Request(t.Context(), update); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("version %d on %s: %v, %v, want the end of the connection", version, who, resp, err)
			}
			cl.Close()
		}
	}
}

// What a broker does for its controller it does for no client: a StopReplica would delete a log, and a high controller epoch have
// the broker refuse its own controller from then on.
func TestClientsGiveNoOrders(t *testing.T) {
	listeners := []string{
		"listeners=PLAINTEXT://127.0.0.1:0,CLIENTS://127.0.0.1:0", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT",
	}
	alone, member := brokertest.Run(t, listeners...), brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()}, listeners...)
	for who, at := range map[string]struct {
		*brokertest.Broker
		listener int
	}{"a broker alone": {alone, 0}, "its other listener": {alone, 1}, "a client's listener": {member, 1}} {
		topic := fmt.Sprintf("t-%d", at.listener)
		at.Topic(topic, 1)
		const epoch = 1000
		stop := protocol.NewStopReplicaRequest()
		stop.ControllerEpoch, stop.BrokerEpoch, stop.Topics = epoch, -1, []kmsg.StopReplicaRequestTopic{{
			Topic: topic, PartitionStates: []kmsg.StopReplicaRequestTopicPartitionState{{LeaderEpoch: -2, Delete: true}},
		}}
		lead := kmsg.NewPtrLeaderAndISRRequest()
		lead.ControllerEpoch, lead.BrokerEpoch, lead.TopicStates = epoch, -1, []kmsg.LeaderAndISRRequestTopicState{{
			Topic: topic, PartitionStates: []kmsg.LeaderAndISRRequestTopicPartition{{Leader: 7, LeaderEpoch: epoch, ISR: []int32{7}, Replicas: []int32{7, 0}}},
		}}
		update := kmsg.NewPtrUpdateMetadataRequest()
		update.ControllerEpoch, update.ControllerID, update.BrokerEpoch = epoch, 7, -1
		shutdown := kmsg.NewPtrControlledShutdownRequest()
		shutdown.BrokerEpoch = -1
		alter := kmsg.NewPtrAlterPartitionRequest()
		alter.BrokerEpoch = at.Cluster().Epoch()
		allocate := kmsg.NewPtrAllocateProducerIDsRequest()
		allocate.BrokerEpoch = at.Cluster().Epoch()
		orders := []kmsg.Request{lead, stop, update, shutdown, alter, allocate}
		for _, api := range protocol.APIs() {
			if refused := slices.ContainsFunc(orders, func(r kmsg.Request) bool { return r.Key() == api.Key }); refused != (api.Sender == protocol.Brokers) {
				t.Errorf("%s: the table says that brokers alone send it: %t", api.Name, !refused)
			}
		}
		for _, req := range orders {
			resp := ask[kmsg.Response](t, at.Addrs()[at.listener].String(), req, req.MaxVersion())
			if code := reflect.ValueOf(resp).Elem().FieldByName("ErrorCode").Int(); code != int64(kerr.ClusterAuthorizationFailed.Code) {
				t.Errorf("%s: %T has code %d", who, resp, code)
			}
		}
		if p, err := at.Replicas().Partition(protocol.TopicPartition{Topic: topic}); err != nil || p.State().Role != replica.Leader || p.State().LeaderEpoch == epoch {
			t.Errorf("%s: the partition is as ordered", who)
		}
		at.Topic(topic+"-later", 1) // the broker's own controller is obeyed
		if known := at.Cluster().Metadata(); known.ControllerID != 0 || len(known.Brokers) != 1 {
			t.Errorf("%s: controller %d, %d brokers", who, known.ControllerID, len(known.Brokers))
		}
	}
}

// A broker that starts learns the topics from orders, and its leaders learn nothing from clients meanwhile.
func TestWhatIsServedBeforeTopicsAreKnown(t *testing.T) {
	early := []string{"ApiVersions", "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "AlterPartition", "AllocateProducerIds"}
	followed := []string{"Fetch", "ListOffsets", "OffsetForLeaderEpoch"}
	for _, api := range protocol.APIs() {
		want := slices.Contains(early, api.Name)
		if got := server.IsServedEarly(&api, false); got != want {
			t.Errorf("%s from clients is served early: %t", api.Name, got)
		}
		if got := server.IsServedEarly(&api, true); got != (want || slices.Contains(followed, api.Name)) {
			t.Errorf("%s on a listener for brokers is served early: %t", api.Name, got)
		}
	}
}

// A broker that starts is asked for partitions on its only listener, where followers are served early. It has not been told of the topics,
// and does not say that there are none: kcat gives up over that.
func TestTopicsAreNotUnknownBeforeTheBrokerIsTold(t *testing.T) {
	var starts atomic.Bool
	var waited func()
	c := brokertest.RunClusterWith(t, brokertest.ClusterOptions{After: func(d time.Duration, f func()) func() bool {
		if d == 5*time.Second && starts.CompareAndSwap(true, false) { // how long a broker waits to be told
			waited = f
			return func() bool { return true }
		}
		return time.AfterFunc(d, f).Stop
	}}, 1)
	c.Topic("t", 1, 1)
	c.Stop(0)
	conn, err := c.Store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	absent := `{"version":2,"brokerid":9,"timestamp":"1","kraftControllerEpoch":-1}`
	if _, err := conn.Create(t.Context(), znode.Controller, []byte(absent), meta.Persistent); err != nil {
		t.Fatal(err)
	}
	starts.Store(true)
	c.Start(0)
	addr := c.Brokers[0].Addr()
	asked := func(topic string) (codes [3]int16) {
		list := kmsg.NewPtrListOffsetsRequest()
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = -1
		list.Topics = append(list.Topics, kmsg.ListOffsetsRequestTopic{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}})
		codes[0] = ask[*kmsg.ListOffsetsResponse](t, addr, list, 8).Topics[0].Partitions[0].ErrorCode
		fetch := kmsg.NewPtrFetchRequest()
		fetch.SessionEpoch = -1
		fetch.Topics = append(fetch.Topics, kmsg.FetchRequestTopic{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{kmsg.NewFetchRequestTopicPartition()}})
		codes[1] = ask[*kmsg.FetchResponse](t, addr, fetch, 11).Topics[0].Partitions[0].ErrorCode
		ends := kmsg.NewPtrOffsetForLeaderEpochRequest()
		ends.Topics = append(ends.Topics, kmsg.OffsetForLeaderEpochRequestTopic{
			Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{kmsg.NewOffsetForLeaderEpochRequestTopicPartition()}})
		codes[2] = ask[*kmsg.OffsetForLeaderEpochResponse](t, addr, ends, 4).Topics[0].Partitions[0].ErrorCode
		return codes
	}
	notLeader, unknown := kerr.NotLeaderForPartition.Code, kerr.UnknownTopicOrPartition.Code
	if got := asked("t"); got != [3]int16{notLeader, notLeader, notLeader} {
		t.Errorf("before the broker is told: codes %v, want NOT_LEADER_OR_FOLLOWER", got)
	}
	waited()
	if err := conn.Delete(t.Context(), znode.Controller, meta.AnyVersion); err != nil { // the broker stops sooner with a controller
		t.Fatal(err)
	}
	if got := asked("gone"); got != [3]int16{unknown, unknown, unknown} {
		t.Errorf("of a topic that is not there, later: codes %v, want UNKNOWN_TOPIC_OR_PARTITION", got)
	}
}

// A follower tells a tool that looks for faults (replica id -2) where its log ends, and nobody else.
func TestFollowersTellToolsTheEndOfTheirLog(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	c.Topic("t", 1, 2)
	for _, b := range c.Brokers {
		await.Until(t, "the brokers know the topic", func() bool { return b.Cluster().Metadata().Topic("t") != nil })
	}
	leader := c.Controller().Cluster().Metadata().Topic("t").Partitions.At(0).Leader
	for _, version := range []int16{0, 1, 8} {
		for _, b := range c.Brokers {
			for replicaID, want := range map[int32]int16{-2: 0, -1: kerr.NotLeaderForPartition.Code, 2: kerr.NotLeaderForPartition.Code} {
				if b.Cluster().ID() == leader {
					want = 0
				}
				req := kmsg.NewPtrListOffsetsRequest()
				req.ReplicaID = replicaID
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Timestamp, p.MaxNumOffsets = -1, 1
				req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}})
				if got := ask[*kmsg.ListOffsetsResponse](t, b.Addr(), req, version).Topics[0].Partitions[0].ErrorCode; got != want {
					t.Errorf("version %d, replica %d, broker %d with leader %d: code %d, want %d", version, replicaID, b.Cluster().ID(), leader, got, want)
				}
			}
		}
	}
}
