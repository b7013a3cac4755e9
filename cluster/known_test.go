package cluster

import (
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// TestStartedBrokerWaitsToBeToldOfTheTopics: a controller that has just been elected tells of the live brokers first.
func TestStartedBrokerWaitsToBeToldOfTheTopics(t *testing.T) {
	var waited func()
	begin := func() *Broker {
		store := mem.New(mem.Options{})
		other, conn := connect(t, store), connect(t, store)
		tree := other.Tree()
		if err := EnsurePaths(t.Context(), tree); err != nil {
			t.Fatal(err)
		}
		for path, body := range map[string]string{
			znode.Controller:          `{"version":2,"brokerid":2,"timestamp":"1","kraftControllerEpoch":-1}`,
			znode.TopicPath("orders"): "{}", znode.TopicPath("leaving"): "{}", znode.DeleteTopics + "/leaving": "",
		} {
			if _, err := tree.Create(t.Context(), path, []byte(body), meta.Persistent); err != nil {
				t.Fatal(err)
			}
		}
		b, err := start(t.Context(), Options{Connection: conn, Replicas: newFakeReplicas(), BrokerID: 1,
			After: func(d time.Duration, f func()) func() bool {
				if d == knownWithin {
					waited = f
				}
				return func() bool { return true }
			}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(); _, _, _ = conn.Close(), other.Close(), store.Close() })
		return b
	}
	knows := func(b *Broker, want bool, when string) {
		t.Helper()
		select {
		case <-b.Known():
			if !want {
				t.Fatalf("%s the broker knows the topics", when)
			}
		default:
			if want {
				t.Fatalf("%s the broker does not know the topics", when)
			}
		}
	}
	tell := func(b *Broker, topics ...order.TopicMetadata) {
		t.Helper()
		err := b.UpdateMetadata(&order.UpdateMetadataRequest{Header: order.Header{ControllerID: 2, ControllerEpoch: 1, BrokerEpoch: -1}, Topics: topics})
		if err != nil {
			t.Fatal(err)
		}
	}
	b := begin()
	tell(b)
	knows(b, false, "told of brokers alone,")
	tell(b, order.TopicMetadata{Name: "orders", ID: protocol.UUID{1}, Partitions: []order.PartitionMetadata{{}}})
	knows(b, true, "told of its topics,")

	b = begin()
	knows(b, false, "told of nothing,")
	waited()
	knows(b, true, "told of nothing for long,")
}
