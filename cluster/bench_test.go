package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"klamm/cluster/meta/local"
)

// BenchmarkCreatePartitions creates one topic of 1,000 partitions.
func BenchmarkCreatePartitions(b *testing.B) {
	broker, _ := benchBroker(b, filepath.Join(b.TempDir(), local.FileName))
	for i := 0; b.Loop(); i++ {
		benchCreate(b, broker, fmt.Sprintf("t%d", i), 1000)
	}
}

// BenchmarkCreateTopics creates 1,000 topics of one partition, one request each.
func BenchmarkCreateTopics(b *testing.B) {
	broker, _ := benchBroker(b, filepath.Join(b.TempDir(), local.FileName))
	for n := 0; b.Loop(); n++ {
		for i := range 1000 {
			benchCreate(b, broker, fmt.Sprintf("t%d-%d", n, i), 1)
		}
	}
}

// BenchmarkStart starts on a tree of 2,000 partitions in 200 topics.
func BenchmarkStart(b *testing.B) {
	path := filepath.Join(b.TempDir(), local.FileName)
	broker, stop := benchBroker(b, path)
	for i := range 200 {
		benchCreate(b, broker, fmt.Sprintf("t%d", i), 10)
	}
	stop()
	for b.Loop() {
		_, stop := benchBroker(b, path)
		stop()
	}
}

func benchBroker(b *testing.B, path string) (*Broker, func()) {
	store, err := local.Open(local.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	conn := connect(b, store)
	broker, err := start(context.Background(), Options{Connection: conn, Replicas: newFakeReplicas(), BrokerID: 1})
	if err != nil {
		b.Fatal(err)
	}
	stop := func() {
		broker.Close()
		conn.Close()
		store.Close()
	}
	b.Cleanup(stop)
	return broker, stop
}

func benchCreate(b *testing.B, broker *Broker, name string, partitions int32) {
	res := broker.CreateTopics(context.Background(), []NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: 1}}, false)[0]
	if res.Err != nil {
		b.Fatal(res.Err)
	}
}
