package franzgo

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

func TestTopicsComeAndGo(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	var name string
	var created kadm.CreateTopicResponse
	err := harness.OnAllBrokers(func() (err error) {
		for { // only the first try has the answer that is looked at, and it may be lost
			name = harness.Name(t)
			created, err = adm.CreateTopic(ctx, 3, -1, map[string]*string{"retention.ms": kadm.StringPtr("1234567")}, name)
			if !harness.Rolling() || !errors.Is(err, kerr.TopicAlreadyExists) {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.ID == (kadm.TopicID{}) || created.NumPartitions != 3 || int(created.ReplicationFactor) != len(broker.IDs()) {
		t.Errorf("created with id %v, %d partitions, replication factor %d", created.ID, created.NumPartitions, created.ReplicationFactor)
	}
	if c := created.Configs["retention.ms"]; c.Value == nil || *c.Value != "1234567" {
		t.Errorf("the answer has retention.ms=%v", c.Value)
	}
	if len(created.Configs) < 20 {
		t.Errorf("the answer has %d configurations, want every one of the topic", len(created.Configs))
	}
	harness.AwaitTopic(t, broker.Addr, name, 3)
	m, err := adm.Metadata(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Topics[name]; got.ID != created.ID || len(got.Partitions) != 3 || got.IsInternal {
		t.Errorf("metadata has id %v and %d partitions, internal %t", got.ID, len(got.Partitions), got.IsInternal)
	}
	for _, p := range m.Topics[name].Partitions {
		if len(p.Replicas) != len(broker.IDs()) || !slices.Contains(p.ISR, p.Leader) {
			t.Errorf("partition %d: %+v", p.Partition, p)
		}
		if harness.Rolling() {
			continue // it may have another leader by now
		}
		if p.Leader != p.Replicas[0] || p.LeaderEpoch != 0 || len(p.ISR) != len(p.Replicas) || len(p.OfflineReplicas) != 0 {
			t.Errorf("partition %d: %+v", p.Partition, p)
		}
	}
	if _, err := adm.CreateTopic(ctx, 3, 1, nil, name); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("creating it again: %v, want TOPIC_ALREADY_EXISTS", err)
	}

	// Where brokers restart, it may be the second time that the client asks.
	if _, err := adm.DeleteTopic(ctx, name); err != nil && !(harness.Rolling() && errors.Is(err, kerr.UnknownTopicOrPartition)) {
		t.Fatal(err)
	}
	awaitGone(t, adm, name)
	// A deletion goes on until each broker has deleted its log, and one may be away.
	if _, err := adm.DeleteTopic(ctx, name); !errors.Is(err, kerr.UnknownTopicOrPartition) && !(err == nil && harness.Rolling()) {
		t.Errorf("deleting it again: %v, want UNKNOWN_TOPIC_OR_PARTITION", err)
	}

	if again := createAgain(t, adm, name, created.ID); again == created.ID {
		t.Error("a topic that was deleted and created again has its old id")
	}
	harness.AwaitTopic(t, broker.Addr, name, 1)
	if end := harness.EndOffset(t, broker.Addr, name, 0); end != 0 {
		t.Errorf("a topic that was deleted and created again has its old records: it ends at %d", end)
	}
}

// awaitGone waits until Metadata no longer has the topic.
func awaitGone(t *testing.T, adm *kadm.Client, name string) {
	t.Helper()
	ctx := harness.Context(t)
	for ctx.Err() == nil {
		m, err := adm.Metadata(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if errors.Is(m.Topics[name].Err, kerr.UnknownTopicOrPartition) {
			return
		}
	}
	t.Fatalf("%s is deleted and stays in Metadata", name)
}

// createAgain creates a topic whose deletion may not be over, and gives its id: Metadata forgets
// a topic before its znode is gone.
func createAgain(t *testing.T, adm *kadm.Client, name string, old kadm.TopicID) kadm.TopicID {
	t.Helper()
	ctx := harness.Context(t)
	for {
		got, err := adm.CreateTopic(ctx, 1, 1, nil, name)
		if err == nil {
			return got.ID
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) || ctx.Err() != nil {
			t.Fatal(err)
		}
		// Where brokers restart, the answer to an earlier try may have been lost.
		if m, err := adm.Metadata(ctx, name); harness.Rolling() && err == nil && m.Topics[name].Err == nil && m.Topics[name].ID != old {
			return m.Topics[name].ID
		}
	}
}

func TestDeleteTopicByID(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr)
	req := kmsg.NewPtrDeleteTopicsRequest()
	for _, id := range [][16]byte{topicID(t, cl, topic), {9, 9, 9}} {
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.TopicID = id
		req.Topics = append(req.Topics, rt)
	}
	for _, got := range ask[*kmsg.DeleteTopicsResponse](t, cl, req).Topics {
		var want error
		if got.TopicID == [16]byte{9, 9, 9} {
			want = kerr.UnknownTopicID
		}
		if err := kerr.ErrorForCode(got.ErrorCode); err != want {
			t.Errorf("topic id %x: %v, want %v", got.TopicID, err, want)
		}
	}
	awaitGone(t, harness.Admin(t, broker.Addr), topic)
}

func TestCreateTopicsRefusals(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	for _, c := range []struct {
		name, topic string
		partitions  int32
		replication int16
		config      [2]string
		want        error
	}{
		{name: "no partitions", topic: "refused", partitions: 0, replication: 1, want: kerr.InvalidPartitions},
		{name: "-2 partitions", topic: "refused", partitions: -2, replication: 1, want: kerr.InvalidPartitions},
		{name: "more replicas than brokers", topic: "refused", partitions: 1, replication: int16(harness.Brokers() + 1), want: kerr.InvalidReplicationFactor},
		{name: "no replicas", topic: "refused", partitions: 1, replication: 0, want: kerr.InvalidReplicationFactor},
		{name: "empty name", topic: "", partitions: 1, replication: 1, want: kerr.InvalidTopicException},
		{name: "a dot", topic: ".", partitions: 1, replication: 1, want: kerr.InvalidTopicException},
		{name: "a letter that is not allowed", topic: "a/b", partitions: 1, replication: 1, want: kerr.InvalidTopicException},
		{name: "250 letters", topic: strings.Repeat("x", 250), partitions: 1, replication: 1, want: kerr.InvalidTopicException},
		{name: "unknown configuration", topic: "refused", partitions: 1, replication: 1, config: [2]string{"no.such.config", "1"}, want: kerr.InvalidConfig},
		{name: "a value that does not parse", topic: "refused", partitions: 1, replication: 1, config: [2]string{"retention.ms", "a week"}, want: kerr.InvalidConfig},
		{name: "a value out of range", topic: "refused", partitions: 1, replication: 1, config: [2]string{"min.insync.replicas", "0"}, want: kerr.InvalidConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			var configs map[string]*string
			if c.config[0] != "" {
				configs = map[string]*string{c.config[0]: kadm.StringPtr(c.config[1])}
			}
			got, err := adm.CreateTopics(ctx, c.partitions, c.replication, configs, c.topic)
			if err != nil {
				t.Fatal(err)
			}
			if !errors.Is(got[c.topic].Err, c.want) || got[c.topic].ErrMessage == "" {
				t.Errorf("%v (%q), want %v and a message", got[c.topic].Err, got[c.topic].ErrMessage, c.want)
			}
		})
	}
	m, err := adm.Metadata(ctx)
	if err != nil || m.Topics.Has("refused") {
		t.Errorf("%v; a refused topic exists: %t", err, m.Topics.Has("refused"))
	}
}

func TestTopicNamesThatCollideInMetrics(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	if err := harness.OnAllBrokers(func() error { _, err := adm.CreateTopic(ctx, 1, -1, nil, "collides.here_once"); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, "collides_here.once"); !errors.Is(err, kerr.InvalidTopicException) {
		t.Errorf("%v, want INVALID_TOPIC_EXCEPTION", err)
	}
}

func TestCreateTopicsOnlyValidated(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	name := harness.Name(t)
	got, err := adm.ValidateCreateTopics(ctx, 2, 1, nil, name, "not/valid")
	if err != nil {
		t.Fatal(err)
	}
	if got[name].Err != nil || got[name].NumPartitions != 2 {
		t.Errorf("%v, %d partitions; want 2", got[name].Err, got[name].NumPartitions)
	}
	if !errors.Is(got["not/valid"].Err, kerr.InvalidTopicException) {
		t.Errorf("the other topic of the request: %v, want INVALID_TOPIC_EXCEPTION", got["not/valid"].Err)
	}
	m, err := adm.Metadata(ctx)
	if err != nil || m.Topics.Has(name) {
		t.Errorf("%v; a topic that was only validated exists: %t", err, m.Topics.Has(name))
	}
}

func TestCreateTopicsWithDefaultsAndAssignments(t *testing.T) {
	cl := harness.Client(t, broker.Addr)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	topic := func(suffix string, partitions int32, replication int16, replicas ...[]int32) {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.Name()+suffix, partitions, replication
		for i, r := range replicas {
			ra := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			ra.Partition, ra.Replicas = int32(i), r
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, ra)
		}
		req.Topics = append(req.Topics, rt)
	}
	topic("-defaults", -1, -1)
	id := broker.IDs()[0]
	topic("-assigned", -1, -1, []int32{id}, []int32{id}, []int32{id})
	topic("-both", 3, -1, []int32{id})
	topic("-twice-the-same-broker", -1, -1, []int32{id, id})
	want := map[string]error{
		"-both": kerr.InvalidRequest, "-twice-the-same-broker": kerr.InvalidReplicaAssignment,
	}
	for _, got := range ask[*kmsg.CreateTopicsResponse](t, cl, req).Topics {
		suffix := strings.TrimPrefix(got.Topic, t.Name())
		if err := kerr.ErrorForCode(got.ErrorCode); err != want[suffix] {
			t.Errorf("%s: %v, want %v", suffix, err, want[suffix])
		}
		if suffix == "-assigned" && got.NumPartitions != 3 {
			t.Errorf("%s: %d partitions, 3 were assigned", suffix, got.NumPartitions)
		}
	}
	harness.AwaitTopic(t, broker.Addr, t.Name()+"-assigned", 3)
	harness.AwaitTopic(t, broker.Addr, t.Name()+"-defaults", 1)
}

func TestPartitionsAreAdded(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := harness.Topic(t, broker.Addr, 2)
	check := func(what string, got kadm.CreatePartitionsResponses, err error, want error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			if !errors.Is(r.Err, want) {
				t.Errorf("%s: %v, want %v", what, r.Err, want)
			}
		}
	}
	grow := func(ask func(context.Context, int, ...string) (kadm.CreatePartitionsResponses, error)) error {
		return harness.OnAllBrokers(func() error {
			got, err := ask(ctx, 5, topic)
			return errors.Join(err, got.Error())
		})
	}
	if err := grow(adm.ValidateUpdatePartitions); err != nil {
		t.Errorf("only validated: %v", err)
	}
	got, err := adm.UpdatePartitions(ctx, 2, topic)
	check("to the same number", got, err, kerr.InvalidPartitions)
	got, err = adm.UpdatePartitions(ctx, 1, topic)
	check("to less", got, err, kerr.InvalidPartitions)
	harness.AwaitTopic(t, broker.Addr, topic, 2)
	// Where brokers restart, it may be the second time that the client asks.
	if err := grow(adm.UpdatePartitions); err != nil && !(harness.Rolling() && errors.Is(err, kerr.InvalidPartitions)) {
		t.Errorf("to 5: %v", err)
	}
	harness.AwaitTopic(t, broker.Addr, topic, 5)
	got, err = adm.UpdatePartitions(ctx, 5, "no-such-topic-at-all")
	check("of a topic that is not", got, err, kerr.UnknownTopicOrPartition)
}

func TestDescribeCluster(t *testing.T) {
	cl := harness.Client(t, broker.Addr)
	got := ask[*kmsg.DescribeClusterResponse](t, cl, kmsg.NewPtrDescribeClusterRequest())
	if got.ErrorCode != 0 || got.ClusterID == "" || !slices.Contains(broker.IDs(), got.ControllerID) || len(got.Brokers) != len(broker.IDs()) {
		t.Fatalf("%+v", got)
	}
	m, err := harness.Admin(t, broker.Addr).BrokerMetadata(harness.Context(t))
	if err != nil || m.Cluster != got.ClusterID || m.Controller != got.ControllerID {
		t.Errorf("%v: metadata has cluster %q and controller %d, DescribeCluster %q", err, m.Cluster, m.Controller, got.ClusterID)
	}
	if len(got.ClusterID) != 22 {
		t.Errorf("cluster id %q is not a UUID in base64", got.ClusterID)
	}
}

func TestNewerRequestsWhereAdvertised(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 3)
	cl := harness.Client(t, broker.Addr)
	have := advertised(t, cl)
	for _, key := range []int16{74, 75} {
		if _, ok := have[key]; !ok && !harness.Reference() {
			t.Errorf("%s is not served", kmsg.NameForKey(key))
		}
	}
	if _, ok := have[75]; ok {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
		rt.Topic = topic
		req.Topics = append(req.Topics, rt)
		req.ResponsePartitionLimit = 2
		got := ask[*kmsg.DescribeTopicPartitionsResponse](t, cl, req)
		if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 2 || got.NextCursor == nil || got.NextCursor.Partition != 2 {
			t.Errorf("2 of 3 partitions asked for: %+v, cursor %+v", got.Topics, got.NextCursor)
		}
	}
	if _, ok := have[74]; ok {
		if _, err := harness.Admin(t, broker.Addr).ListConfigResources(harness.Context(t)); err != nil {
			t.Errorf("ListConfigResources: %v", err)
		}
	}
}

// TestCoordinatorOfAGroupIsFound: a group's coordinator is found as soon as
// __consumer_offsets exists, and the first FindCoordinator has the topic created.
func TestCoordinatorOfAGroupIsFound(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	name := harness.Name(t)
	found := adm.FindGroupCoordinators(ctx, name)
	for errors.Is(found.Error(), kerr.CoordinatorNotAvailable) {
		found = adm.FindGroupCoordinators(ctx, name)
	}
	if err := found.Error(); err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if addr := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))); !slices.Contains(broker.IDs(), c.NodeID) || !slices.Contains(strings.Split(broker.Addr, ","), addr) {
			t.Errorf("the coordinator is %d at %s:%d", c.NodeID, c.Host, c.Port)
		}
	}
	harness.AwaitTopic(t, broker.Addr, "__consumer_offsets", 50)
	m, err := adm.Metadata(ctx, "__consumer_offsets")
	if err != nil {
		t.Fatal(err)
	}
	if topic := m.Topics["__consumer_offsets"]; !topic.IsInternal || len(topic.Partitions) != 50 {
		t.Errorf("__consumer_offsets: internal %t, %d partitions", topic.IsInternal, len(topic.Partitions))
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "__consumer_offsets")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, c := range configs[0].Configs {
		if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
			set[c.Key] = c.MaybeValue()
		}
	}
	want := map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}
	if !maps.Equal(set, want) {
		t.Errorf("__consumer_offsets has %v, want %v", set, want)
	}
}
