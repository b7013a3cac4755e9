package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/local"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// fakeReplicas stands for the partitions on the disk: it keeps what it is told, and fails where a test says so.
type fakeReplicas struct {
	mu         sync.Mutex
	led        map[protocol.TopicPartition]LeaderAndISR
	configs    map[string]map[string]string // at the moment a partition was led
	configured map[string]map[string]string
	configures int // how often one topic was configured
	all        int // how often all topics were
	deleted    []protocol.TopicPartition
	failLead   map[protocol.TopicPartition]error
	failStop   map[protocol.TopicPartition]error
	asked      map[protocol.TopicPartition]int // how often a partition was to be led
	brokers    int                             // how often the live brokers were others
}

// fail has a partition fail when it is to be led, until err is nil.
func (f *fakeReplicas) fail(tp protocol.TopicPartition, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failLead[tp] = err
}

func (f *fakeReplicas) times(tp protocol.TopicPartition) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[tp]
}

func newFakeReplicas() *fakeReplicas {
	return &fakeReplicas{
		led: map[protocol.TopicPartition]LeaderAndISR{}, configs: map[string]map[string]string{},
		configured: map[string]map[string]string{}, asked: map[protocol.TopicPartition]int{},
		failLead: map[protocol.TopicPartition]error{}, failStop: map[protocol.TopicPartition]error{},
	}
}

func (f *fakeReplicas) LeaderAndISR(req *order.LeaderAndISRRequest, config func(string) map[string]string) order.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(req.Partitions))
	for i, o := range req.Partitions {
		f.asked[o.TopicPartition]++
		if errs[i] = f.failLead[o.TopicPartition]; errs[i] == nil {
			f.led[o.TopicPartition] = o
			f.configs[o.Topic] = config(o.Topic)
		}
	}
	return order.Answer{Partitions: errs}
}

func (f *fakeReplicas) StopReplica(req *order.StopReplicaRequest) order.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(req.Partitions))
	for i, o := range req.Partitions {
		if errs[i] = f.failStop[o.TopicPartition]; errs[i] == nil {
			delete(f.led, o.TopicPartition)
			f.deleted = append(f.deleted, o.TopicPartition)
		}
	}
	return order.Answer{Partitions: errs}
}

func (f *fakeReplicas) BrokersChanged() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.brokers++
}

func (f *fakeReplicas) Configure(topic string, config func(string) map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configured[topic] = config(topic)
	f.configures++
}

func (f *fakeReplicas) ConfigureAll(config func(string) map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tp := range f.led {
		f.configured[tp.Topic] = config(tp.Topic)
	}
	f.all++
}

// house is a broker on a tree in a file, which a test can stop and start again.
type house struct {
	t        *testing.T
	path     string
	store    *local.Store
	conn     *Connection
	replicas *fakeReplicas
	broker   *Broker
	options  func(*Options)
}

// start makes a broker and has it join its cluster.
func start(ctx context.Context, o Options) (*Broker, error) {
	b := New(o)
	if err := b.Start(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// connect begins a session on a tree that has a cluster's id. Its owner closes it.
func connect(t testing.TB, store meta.Store) *Connection {
	t.Helper()
	conn, err := Connect(context.Background(), store, slog.Default(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureClusterID(context.Background(), conn.Tree(), ""); err != nil {
		t.Fatal(err)
	}
	return conn
}

func newHouse(t *testing.T, options func(*Options)) *house {
	h := &house{t: t, path: filepath.Join(t.TempDir(), local.FileName), options: options}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *house) start() {
	h.t.Helper()
	var err error
	if h.store, err = local.Open(local.Options{Path: h.path}); err != nil {
		h.t.Fatal(err)
	}
	h.conn = connect(h.t, h.store)
	h.replicas = newFakeReplicas()
	o := Options{
		Connection: h.conn, Replicas: h.replicas, BrokerID: 1,
		Endpoints: []Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "localhost", Port: 9092}},
	}
	if h.options != nil {
		h.options(&o)
	}
	if h.broker, err = start(context.Background(), o); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) stop() {
	if h.store == nil {
		return
	}
	h.broker.Close()
	if err := errors.Join(h.conn.Close(), h.store.Close()); err != nil {
		h.t.Error(err)
	}
	h.store = nil
}

func (h *house) restart() {
	h.t.Helper()
	h.stop()
	h.start()
}

func (h *house) create(name string, partitions int32, configs ...ConfigEntry) TopicResult {
	h.t.Helper()
	res := h.broker.CreateTopics(context.Background(), []NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: -1, Configs: configs}}, false)[0]
	if res.Err != nil {
		h.t.Fatalf("create %s: %v", name, res.Err)
	}
	return res
}

func (h *house) node(path string) string {
	h.t.Helper()
	data, _, err := h.conn.Tree().Get(h.t.Context(), path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

func (h *house) exists(path string) bool {
	h.t.Helper()
	there, _, err := h.conn.Tree().Exists(h.t.Context(), path)
	if err != nil {
		h.t.Fatal(err)
	}
	return there
}

func entry(name, value string) ConfigEntry { return ConfigEntry{Name: name, Value: &value} }

func TestEmptyCluster(t *testing.T) {
	h := newHouse(t, nil)
	m := h.broker.Metadata()
	if len(m.Brokers) != 1 || m.Brokers[0].ID != 1 || m.ControllerID != 1 || m.NumTopics() != 0 || m.ClusterID == "" {
		t.Fatalf("metadata of an empty cluster: %+v", m)
	}
	if e, ok := m.Broker(1).Endpoint("PLAINTEXT"); !ok || e.Port != 9092 {
		t.Errorf("endpoint %v", e)
	}
	if !h.broker.IsController() || m.Broker(1).Epoch != h.broker.Epoch() {
		t.Error("the broker is not the controller, or its epoch is not the one shown")
	}
	for _, path := range znode.PersistentPaths() {
		if !h.exists(path) {
			t.Errorf("%s is missing", path)
		}
	}
	if got, want := h.node(znode.Feature), `{"features":{},"version":2,"status":1}`; got != want {
		t.Errorf("/feature is %s", got)
	}
}

func TestCreateTopicIsVisibleAndServed(t *testing.T) {
	h := newHouse(t, nil)
	res := h.create("orders", 3, entry("retention.ms", "1000"))
	if res.Partitions != 3 || res.ReplicationFactor != 1 || res.ID.IsZero() {
		t.Fatalf("result %+v", res)
	}
	m := h.broker.Metadata()
	topic := m.Topic("orders")
	if topic == nil || m.TopicByID(res.ID) != topic || topic.Partitions.Len() != 3 || m.NumTopics() != 1 {
		t.Fatalf("topic in metadata: %+v", topic)
	}
	if got, want := fmt.Sprintf("%+v", *topic.Partitions.At(2)), "{Index:2 Leader:1 LeaderEpoch:0 Replicas:[1] ISR:[1] Offline:[]}"; got != want {
		t.Errorf("partition %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(h.replicas.configs["orders"]), "map[retention.ms:1000]"; got != want {
		t.Errorf("led with configuration %s, want %s", got, want)
	}
	o := h.replicas.led[protocol.TopicPartition{Topic: "orders", Partition: 2}]
	if o.TopicID != res.ID || !o.IsNew || o.Leader != 1 || o.ControllerEpoch != 1 {
		t.Errorf("order %+v", o)
	}
	want := fmt.Sprintf(`{"partitions":{"0":[1],"1":[1],"2":[1]},"topic_id":"%s","adding_replicas":{},"removing_replicas":{},"version":3}`, res.ID)
	if got := h.node("/brokers/topics/orders"); got != want {
		t.Errorf("topic's node is %s, want %s", got, want)
	}
	if got, want := h.node("/brokers/topics/orders/partitions/1/state"), `{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]}`; got != want {
		t.Errorf("state is %s, want %s", got, want)
	}
	if got, want := h.node("/config/topics/orders"), `{"version":1,"config":{"retention.ms":"1000"}}`; got != want {
		t.Errorf("configuration is %s, want %s", got, want)
	}
}

// A restart leaves the partitions' states as they are, as the reference broker does alone, and counts the controller's epoch up.
func TestRestart(t *testing.T) {
	h := newHouse(t, nil)
	res := h.create("orders", 2, entry("cleanup.policy", "compact"))
	state, epoch, id := h.node("/brokers/topics/orders/partitions/0/state"), h.broker.Epoch(), h.broker.ClusterID()
	h.restart()
	if got := h.node("/brokers/topics/orders/partitions/0/state"); got != state {
		t.Errorf("state %s after a restart, was %s", got, state)
	}
	if got := h.node("/controller_epoch"); got != "2" {
		t.Errorf("controller epoch %s", got)
	}
	if h.broker.Epoch() <= epoch || h.broker.ClusterID() != id {
		t.Errorf("broker epoch %d then %d, cluster %s then %s", epoch, h.broker.Epoch(), id, h.broker.ClusterID())
	}
	topic := h.broker.Metadata().Topic("orders")
	if topic == nil || topic.ID != res.ID || topic.Partitions.At(1).Leader != 1 {
		t.Fatalf("topic after a restart: %+v", topic)
	}
	if o := h.replicas.led[protocol.TopicPartition{Topic: "orders", Partition: 1}]; o.IsNew || o.ControllerEpoch != 1 || o.TopicID != res.ID {
		t.Errorf("order after a restart %+v", o)
	}
	if got := fmt.Sprint(h.broker.TopicConfig("orders"), h.replicas.configs["orders"]); got != "map[cleanup.policy:compact] map[cleanup.policy:compact]" {
		t.Errorf("configuration %s", got)
	}
}

func TestDeleteTopic(t *testing.T) {
	h := newHouse(t, nil)
	first := h.create("orders", 2, entry("retention.ms", "5"))
	h.create("other", 1)
	ctx := context.Background()
	results := h.broker.DeleteTopics(ctx, []TopicRef{{ID: first.ID}, {Name: "none"}, {ID: protocol.UUID{1}}})
	if results[0].Err != nil || results[0].Name != "orders" || !errors.Is(results[1].Err, ErrUnknownTopic) || !errors.Is(results[2].Err, ErrUnknownTopicID) {
		t.Fatalf("results %+v", results)
	}
	m := h.broker.Metadata()
	if m.Topic("orders") != nil || m.TopicByID(first.ID) != nil || m.Topic("other") == nil || m.NumTopics() != 1 {
		t.Error("metadata after a deletion")
	}
	for _, path := range []string{"/brokers/topics/orders", "/config/topics/orders", "/admin/delete_topics/orders"} {
		if h.exists(path) {
			t.Errorf("%s is still there", path)
		}
	}
	if len(h.replicas.deleted) != 2 || len(h.broker.TopicConfig("orders")) != 0 {
		t.Errorf("deleted %v, configuration %v", h.replicas.deleted, h.broker.TopicConfig("orders"))
	}
	if again := h.create("orders", 1); again.ID == first.ID {
		t.Error("a topic made again has the old one's id")
	}
	if got := h.replicas.configs["orders"]; len(got) != 0 {
		t.Errorf("a topic made again has configuration %v", got)
	}
}

// A deletion that a stop or a broken disk interrupts goes on at the next start.
func TestDeletionGoesOn(t *testing.T) {
	h := newHouse(t, nil)
	h.create("orders", 2)
	tp := protocol.TopicPartition{Topic: "orders", Partition: 1}
	h.replicas.failStop[tp] = errors.New("disk says no")
	res := h.broker.DeleteTopics(context.Background(), []TopicRef{{Name: "orders"}})[0]
	if res.Err != nil || !h.exists("/admin/delete_topics/orders") || !h.exists("/brokers/topics/orders") {
		t.Fatalf("deletion that could not finish: %+v", res)
	}
	if h.broker.Metadata().Topic("orders") != nil {
		t.Error("a topic being deleted is shown")
	}
	again := h.broker.CreateTopics(context.Background(), []NewTopic{{Name: "orders", Partitions: 1, ReplicationFactor: 1}}, false)[0]
	if !errors.Is(again.Err, ErrTopicExists) || again.Err.Error() != "Topic 'orders' is marked for deletion." {
		t.Errorf("creation meanwhile: %v", again.Err)
	}
	h.restart()
	if h.exists("/admin/delete_topics/orders") || h.exists("/brokers/topics/orders") || h.broker.Metadata().Topic("orders") != nil {
		t.Error("the deletion did not go on")
	}
	if len(h.replicas.led) != 0 || len(h.replicas.deleted) != 2 {
		t.Errorf("led %v, deleted %v", h.replicas.led, h.replicas.deleted)
	}
	h.create("orders", 1)
}

func TestCreatePartitions(t *testing.T) {
	h := newHouse(t, nil)
	h.create("orders", 2)
	before := h.broker.Metadata()
	ctx := context.Background()
	dry := h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "orders", Count: 4}}, true)[0]
	if dry.Err != nil || dry.Partitions != 4 || h.broker.Metadata() != before {
		t.Fatalf("validate only: %+v", dry)
	}
	res := h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "orders", Count: 4}}, false)[0]
	if res.Err != nil || res.Partitions != 4 {
		t.Fatalf("result %+v", res)
	}
	if before.Topic("orders").Partitions.Len() != 2 {
		t.Error("a snapshot changed")
	}
	if p := h.broker.Metadata().Partition(protocol.TopicPartition{Topic: "orders", Partition: 3}); p == nil || p.Leader != 1 {
		t.Errorf("new partition %+v", p)
	}
	h.restart()
	if n := h.broker.Metadata().Topic("orders").Partitions.Len(); n != 4 {
		t.Errorf("%d partitions after a restart", n)
	}
}

func TestOfflineLog(t *testing.T) {
	h := newHouse(t, nil)
	h.create("orders", 3)
	h.stop()
	h.options = func(o *Options) {
		o.Replicas.(*fakeReplicas).failLead[protocol.TopicPartition{Topic: "orders", Partition: 1}] = errors.New("no such disk")
	}
	h.start()
	h.broker.SetOffline([]protocol.TopicPartition{{Topic: "orders", Partition: 2}, {Topic: "none", Partition: 0}})
	want := []string{
		"{Index:0 Leader:1 LeaderEpoch:0 Replicas:[1] ISR:[1] Offline:[]}",
		"{Index:1 Leader:-1 LeaderEpoch:1 Replicas:[1] ISR:[1] Offline:[1]}", // as the tree has it now
		"{Index:2 Leader:-1 LeaderEpoch:0 Replicas:[1] ISR:[1] Offline:[1]}",
	}
	for i := range want {
		if got := fmt.Sprintf("%+v", *h.broker.Metadata().Topic("orders").Partitions.At(i)); got != want[i] {
			t.Errorf("%s, want %s", got, want[i])
		}
	}
}

func TestAlterTopicConfig(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	h := newHouse(t, func(o *Options) {
		o.Clock = func() time.Time { return now }
		o.ValidateTopicConfig = func(c map[string]string) error {
			if c["bad"] != "" {
				return errors.New("Unknown topic config name: bad")
			}
			return nil
		}
	})
	ctx := context.Background()
	set := func(k, v string) Edit {
		return func(c map[string]string) (map[string]string, error) { c[k] = v; return c, nil }
	}
	if err := h.broker.AlterTopicConfig(ctx, "none", set("a", "b"), false); !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
	h.create("orders", 1, entry("a", "1"))
	if err := h.broker.AlterTopicConfig(ctx, "orders", set("bad", "1"), false); !errors.Is(err, ErrInvalidConfig) || err.Error() != "Unknown topic config name: bad" {
		t.Errorf("bad configuration: %v", err)
	}
	if err := h.broker.AlterTopicConfig(ctx, "orders", set("b", "2"), true); err != nil || h.exists("/config/changes/config_change_0000000000") {
		t.Errorf("validate only: %v", err)
	}
	if err := h.broker.AlterTopicConfig(ctx, "orders", set("b", "2"), false); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(h.replicas.configured["orders"], h.broker.TopicConfig("orders")), "map[a:1 b:2] map[a:1 b:2]"; got != want {
		t.Errorf("applied %s, want %s", got, want)
	}
	if got, want := h.node("/config/changes/config_change_0000000000"), `{"version":2,"entity_path":"topics/orders"}`; got != want {
		t.Errorf("notification %s", got)
	}
	h.restart()
	if got := fmt.Sprint(h.broker.TopicConfig("orders")); got != "map[a:1 b:2]" {
		t.Errorf("after a restart %s", got)
	}
}

func TestAlterBrokerConfig(t *testing.T) {
	var told string
	h := newHouse(t, func(o *Options) {
		o.BrokerConfigChanged = func(own, defaults map[string]string) { told = fmt.Sprint(own, defaults) }
	})
	ctx := context.Background()
	edit := func(c map[string]string) (map[string]string, error) { c["k"] += "x"; return c, nil }
	for _, perBroker := range []bool{true, false, false} {
		if err := h.broker.AlterBrokerConfig(ctx, perBroker, edit, false); err != nil {
			t.Fatal(err)
		}
	}
	if told != "map[k:x] map[k:xx]" {
		t.Errorf("told %s", told)
	}
	told = ""
	h.restart()
	if told != "map[k:x] map[k:xx]" {
		t.Errorf("told %s at a restart", told)
	}
	if got := h.node("/config/brokers/<default>"); got != `{"version":1,"config":{"k":"xx"}}` {
		t.Errorf("default %s", got)
	}
}

func TestProducerIDs(t *testing.T) {
	h := newHouse(t, nil)
	seen := map[int64]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				first, count, err := h.broker.NextProducerIDs(context.Background())
				mu.Lock()
				if err != nil || count != 1000 || seen[first] {
					t.Errorf("block %d of %d: %v", first, count, err)
				}
				seen[first] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	h.restart()
	if first, _, err := h.broker.NextProducerIDs(context.Background()); err != nil || first != 40000 {
		t.Errorf("after a restart %d (%v), want 40000", first, err)
	}
	if got, want := h.node("/latest_producer_id_block"), `{"version":1,"broker":1,"block_start":"40000","block_end":"40999"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestClusterID(t *testing.T) {
	h := newHouse(t, nil)
	id := h.broker.ClusterID()
	if got, err := EnsureClusterID(t.Context(), h.conn.Tree(), id); err != nil || got != id {
		t.Errorf("%s, %v", got, err)
	}
	var other *ClusterIDError
	if _, err := EnsureClusterID(t.Context(), h.conn.Tree(), "another"); !errors.As(err, &other) || other.Tree != id {
		t.Errorf("another cluster's directory: %v", err)
	}
	a, err := GenerateBrokerID(t.Context(), h.conn.Tree(), 1000)
	b, err2 := GenerateBrokerID(t.Context(), h.conn.Tree(), 1000)
	if a != 1001 || b != 1002 || err != nil || err2 != nil {
		t.Errorf("broker ids %d %d (%v %v), want 1001 1002", a, b, err, err2)
	}
}

// TestTopicThatCannotBeMadeIsTakenBack has logs of new partitions fail, as on a full disk: before, the topic was
// there without a leader until the next start.
func TestTopicThatCannotBeMadeIsTakenBack(t *testing.T) {
	h := newHouse(t, nil)
	h.create("kept", 2)
	full := errors.New("no space left on device")
	for _, tp := range []protocol.TopicPartition{{Topic: "orders", Partition: 1}, {Topic: "kept", Partition: 3}} {
		h.replicas.failLead[tp] = full
	}
	ctx := context.Background()
	results := h.broker.CreateTopics(ctx, []NewTopic{
		{Name: "orders", Partitions: 3, ReplicationFactor: 1}, {Name: "fine", Partitions: 1, ReplicationFactor: 1},
	}, false)
	if !errors.Is(results[0].Err, full) || results[1].Err != nil {
		t.Fatalf("%+v", results)
	}
	if res := h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "kept", Count: 5}}, false)[0]; !errors.Is(res.Err, full) {
		t.Fatalf("%+v", res)
	}
	check := func(when string) {
		t.Helper()
		m := h.broker.Metadata()
		if m.Topic("orders") != nil || m.Topic("fine") == nil || m.Topic("kept").Partitions.Len() != 2 {
			t.Errorf("%s: %+v %+v %+v", when, m.Topic("orders"), m.Topic("fine"), m.Topic("kept"))
		}
	}
	check("then")
	for tp := range h.replicas.led {
		if tp.Topic == "orders" || tp.Topic == "kept" && tp.Partition > 1 {
			t.Errorf("%s is led", tp)
		}
	}
	h.restart()
	check("after a restart")
	h.create("orders", 3)
	if res := h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "kept", Count: 5}}, false)[0]; res.Err != nil {
		t.Fatal(res.Err)
	}
	for _, name := range []string{"orders", "kept"} {
		for p := range h.broker.Metadata().Topic(name).Partitions.All() {
			if p.Leader != 1 || len(p.Offline) > 0 {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}

func TestNothingIsMadeWithoutRoom(t *testing.T) {
	full := errors.New("no space left on device")
	var room error
	h := newHouse(t, func(o *Options) { o.Room = func() error { return room } })
	h.create("kept", 1)
	room = full
	ctx := context.Background()
	if res := h.broker.CreateTopics(ctx, []NewTopic{{Name: "orders", Partitions: 1, ReplicationFactor: 1}}, false)[0]; !errors.Is(res.Err, full) {
		t.Errorf("%+v", res)
	}
	if res := h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "kept", Count: 2}}, false)[0]; !errors.Is(res.Err, full) {
		t.Errorf("%+v", res)
	}
	if m := h.broker.Metadata(); m.Topic("orders") != nil || m.Topic("kept").Partitions.Len() != 1 {
		t.Error("something was made")
	}
}
