package cluster

import (
	"log/slog"
	"testing"

	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/protocol"
)

// TestPartitionsHearOfLiveBrokersWhenTheseChange: each UpdateMetadata, such as that for one ISR, had every partition that this broker
// leads look at its followers, and every fetcher woken.
func TestPartitionsHearOfLiveBrokersWhenTheseChange(t *testing.T) {
	conn := connect(t, mem.New(mem.Options{}))
	defer conn.Close()
	replicas := newFakeReplicas()
	b := New(Options{Connection: conn, BrokerID: 1, Replicas: replicas, Logger: slog.New(slog.DiscardHandler)})
	defer b.Close()
	rack := func(name string) *string { return &name }
	live := func(id int32, port int32, rack *string) order.LiveBroker {
		return order.LiveBroker{ID: id, Epoch: -1, Rack: rack, Endpoints: []Endpoint{{Listener: "A", SecurityProtocol: "PLAINTEXT", Host: "h", Port: port}}}
	}
	for _, step := range []struct {
		what    string
		brokers []order.LiveBroker
		told    bool
	}{
		{"the first brokers", []order.LiveBroker{live(1, 1, nil), live(2, 2, rack("r"))}, true},
		{"the same", []order.LiveBroker{live(2, 2, rack("r")), live(1, 1, nil)}, false},
		{"one more", []order.LiveBroker{live(1, 1, nil), live(2, 2, rack("r")), live(3, 3, nil)}, true},
		{"another address", []order.LiveBroker{live(1, 1, nil), live(2, 2, rack("r")), live(3, 4, nil)}, true},
		{"another rack", []order.LiveBroker{live(1, 1, nil), live(2, 2, rack("s")), live(3, 4, nil)}, true},
		{"no rack", []order.LiveBroker{live(1, 1, nil), live(2, 2, nil), live(3, 4, nil)}, true},
		{"one less", []order.LiveBroker{live(1, 1, nil), live(3, 4, nil)}, true},
		{"another in its place", []order.LiveBroker{live(1, 1, nil), live(4, 4, nil)}, true},
	} {
		before := replicas.brokers
		req := &order.UpdateMetadataRequest{Brokers: step.brokers, Topics: []order.TopicMetadata{{Name: "orders", ID: protocol.UUID{1},
			Partitions: []order.PartitionMetadata{{Leader: 1, Replicas: []int32{1, 2}, ISR: []int32{1}}}}}}
		req.BrokerEpoch = -1
		if err := b.UpdateMetadata(req); err != nil {
			t.Fatal(err)
		}
		if told := replicas.brokers > before; told != step.told {
			t.Errorf("%s: the partitions were told: %t", step.what, told)
		}
	}
}
