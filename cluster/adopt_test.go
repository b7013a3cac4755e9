package cluster

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klamm/cluster/meta/local"
	"klamm/protocol"
)

func logOf(topic string, partition int32, id protocol.UUID, epoch int32) LocalLog {
	return LocalLog{TopicPartition: protocol.TopicPartition{Topic: topic, Partition: partition}, TopicID: id, LatestEpoch: epoch}
}

func TestAdopt(t *testing.T) {
	store, err := local.Open(local.Options{Path: filepath.Join(t.TempDir(), local.FileName)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	conn, err := Connect(t.Context(), store, slog.Default(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tree := conn.Tree()
	a, b := protocol.UUID{1}, protocol.UUID{2}
	logs := []LocalLog{
		logOf("orders", 0, a, 4), logOf("orders", 3, a, -1), logOf("orders", 1, b, 7),
		logOf("old", 0, protocol.UUID{}, 0),
		logOf("__consumer_offsets", 0, b, 1),
		logOf("not a topic", 0, a, 0),
	}
	for i := range logs { // an other's id; a log of before there were ids; one that goes on being compacted
		logs[i].Compacted = i >= 2
	}
	done, err := Adopt(t.Context(), tree, 7, logs)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(done), "{[__consumer_offsets old orders] [orders-2] [not a topic-0 orders-1] [old]}"; got != want {
		t.Errorf("adopted %s, want %s", got, want)
	}
	if _, err := EnsureClusterID(t.Context(), tree, "from-meta-properties"); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: store, conn: conn, replicas: newFakeReplicas()}
	h.broker, err = start(t.Context(), Options{Connection: conn, Replicas: h.replicas, BrokerID: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer h.broker.Close()
	m := h.broker.Metadata()
	topic := m.Topic("orders")
	if m.NumTopics() != 3 || topic.ID != a || topic.Partitions.Len() != 4 {
		t.Fatalf("topics %v, orders %+v", m.TopicNames(), topic)
	}
	if got, want := fmt.Sprintf("%+v", *topic.Partitions.At(0)), "{Index:0 Leader:7 LeaderEpoch:4 Replicas:[7] ISR:[7] Offline:[]}"; got != want {
		t.Errorf("partition %s, want %s", got, want)
	}
	if m.Topic("old").ID.IsZero() {
		t.Error("a topic of before there were ids has none")
	}
	if got := fmt.Sprint(h.replicas.configs["orders"], h.replicas.configs["__consumer_offsets"]["cleanup.policy"]); got != "map[cleanup.policy:delete retention.bytes:-1 retention.ms:-1]compact" {
		t.Errorf("configurations %s", got)
	}
}

// TestAdoptCatchesUp has another broker work on the directories after this one.
func TestAdoptCatchesUp(t *testing.T) {
	store, err := local.Open(local.Options{Path: filepath.Join(t.TempDir(), local.FileName)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a, b, c := protocol.UUID{1}, protocol.UUID{2}, protocol.UUID{3}
	used := logOf("kept", 0, a, 4)
	used.ProducerIDs = 5
	compacted := logOf("anew", 0, c, 2)
	compacted.Compacted = true
	for round, step := range []struct {
		logs []LocalLog
		want string
		// Of each partition the leader epoch.
		topics string
		// The first producer id that is given out after it.
		producer int64
	}{
		{[]LocalLog{used, logOf("kept", 1, a, 0), logOf("anew", 0, b, 9)}, "{[anew kept] [] [] []}", "anew-0:9 kept-0:4 kept-1:0", 1 << 32},
		{[]LocalLog{used, logOf("kept", 1, a, 0), logOf("anew", 0, b, 9)}, "{[] [] [] []}", "anew-0:9 kept-0:4 kept-1:0", 1<<32 + 1000},
		{[]LocalLog{ // led elsewhere; deleted and made anew; grown; new
			used, logOf("kept", 1, a, 20), logOf("kept", 3, a, 1), compacted, logOf("new", 0, b, 0),
		}, "{[anew kept new] [kept-2] [] [anew]}", "anew-0:9 kept-0:4 kept-1:20 kept-2:0 kept-3:1 new-0:0", 1<<32 + 2000},
		{[]LocalLog{{TopicPartition: used.TopicPartition, TopicID: a, ProducerIDs: 1 << 33}}, "{[] [] [] []}",
			"anew-0:9 kept-0:4 kept-1:20 kept-2:0 kept-3:1 new-0:0", 3 << 32},
	} {
		conn := connect(t, store)
		tree := conn.Tree()
		done, err := Adopt(t.Context(), tree, 7, step.logs)
		if got := fmt.Sprint(done); err != nil || got != step.want {
			t.Errorf("round %d: %s (%v), want %s", round, got, err, step.want)
		}
		broker, err := start(t.Context(), Options{Connection: conn, Replicas: newFakeReplicas(), BrokerID: 7})
		if err != nil {
			t.Fatal(err)
		}
		var topics []string
		m := broker.Metadata()
		for _, name := range m.TopicNames() {
			for p := range m.Topic(name).Partitions.All() {
				topics = append(topics, fmt.Sprintf("%s-%d:%d", name, p.Index, p.LeaderEpoch))
			}
		}
		slices.Sort(topics)
		if got := strings.Join(topics, " "); got != step.topics {
			t.Errorf("round %d: %s, want %s", round, got, step.topics)
		}
		if first, _, err := broker.NextProducerIDs(t.Context()); err != nil || first != step.producer {
			t.Errorf("round %d: the next producer id is %d (%v), want %d", round, first, err, step.producer)
		}
		if round == 2 && m.Topic("anew").ID != c {
			t.Errorf("anew has id %s", m.Topic("anew").ID)
		}
		broker.Close()
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
