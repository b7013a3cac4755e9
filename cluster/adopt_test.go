package cluster

import (
	"fmt"
	"path/filepath"
	"testing"

	"klamm/cluster/meta/local"
	"klamm/protocol"
)

func logOf(topic string, partition int32, id protocol.UUID, epoch int32) LocalLog {
	return LocalLog{protocol.TopicPartition{Topic: topic, Partition: partition}, id, epoch}
}

func TestAdopt(t *testing.T) {
	store, err := local.Open(local.Options{Path: filepath.Join(t.TempDir(), local.FileName)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tree, err := store.Session()
	if err != nil {
		t.Fatal(err)
	}
	a, b := protocol.UUID{1}, protocol.UUID{2}
	logs := []LocalLog{
		logOf("orders", 0, a, 4), logOf("orders", 3, a, -1), logOf("orders", 1, b, 7),
		logOf("old", 0, protocol.UUID{}, 0),
		logOf("__consumer_offsets", 0, b, 1),
		logOf("not a topic", 0, a, 0),
	}
	done, err := Adopt(tree, 7, logs)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(done), "{[__consumer_offsets old orders] [orders-2] [not a topic-0 orders-1]}"; got != want {
		t.Errorf("adopted %s, want %s", got, want)
	}
	if _, err := EnsureClusterID(tree, "from-meta-properties"); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: store, tree: tree, replicas: newFakeReplicas()}
	h.broker, err = Start(t.Context(), Options{Tree: tree, Replicas: h.replicas, BrokerID: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer h.broker.Close()
	m := h.broker.Metadata()
	topic := m.Topic("orders")
	if m.NumTopics() != 3 || topic.ID != a || len(topic.Partitions) != 4 {
		t.Fatalf("topics %v, orders %+v", m.TopicNames(), topic)
	}
	if got, want := fmt.Sprintf("%+v", topic.Partitions[0]), "{Index:0 Leader:7 LeaderEpoch:5 Replicas:[7] ISR:[7] Offline:[]}"; got != want {
		t.Errorf("partition %s, want %s", got, want)
	}
	if m.Topic("old").ID.IsZero() {
		t.Error("a topic of before there were ids has none")
	}
	if got := fmt.Sprint(h.replicas.configs["orders"], h.replicas.configs["__consumer_offsets"]["cleanup.policy"]); got != "map[retention.bytes:-1 retention.ms:-1]compact" {
		t.Errorf("configurations %s", got)
	}
	if got := fmt.Sprint(m.Strays(logs)); got != "[orders-1 not a topic-0]" {
		t.Errorf("strays %s", got)
	}
	if again, err := Adopt(tree, 7, []LocalLog{logOf("late", 0, a, 0)}); err != nil || len(again.Topics) != 0 {
		t.Errorf("a tree that has topics adopted %v (%v)", again, err)
	}
}
