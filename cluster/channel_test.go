package cluster

import (
	"log/slog"
	"sync"
	"testing"

	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/protocol"
)

// TestDirectoryThatFailsWhileTopicsAreShown: a directory that failed between the moment when a topic was made as clients see it
// and the next snapshot was shown as working until the topic changed again.
func TestDirectoryThatFailsWhileTopicsAreShown(t *testing.T) {
	conn := connect(t, mem.New(mem.Options{}))
	defer conn.Close()
	b := New(Options{Connection: conn, BrokerID: 1, Replicas: newFakeReplicas(), Logger: slog.New(slog.DiscardHandler)})
	defer b.Close()
	large := &order.UpdateMetadataRequest{Topics: []order.TopicMetadata{{Name: "large", ID: protocol.UUID{1}}}}
	for n := range int32(10_000) { // the mutex is held for long, so that it is handed on in turn
		large.Topics[0].Partitions = append(large.Topics[0].Partitions, order.PartitionMetadata{Partition: n, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
	}
	show := func() {
		if err := b.UpdateMetadata(large); err != nil {
			t.Error(err)
		}
	}
	for i := range 20 {
		show()
		var all sync.WaitGroup
		for n := range int32(16) {
			all.Go(func() {
				if n%4 == 0 {
					show()
				} else {
					b.SetOffline([]protocol.TopicPartition{{Topic: "large", Partition: n}})
				}
			})
		}
		all.Wait()
		for n := range 16 {
			if p := b.Metadata().Topic("large").Partitions.At(n); n%4 != 0 && p.Leader != NoLeader {
				t.Fatalf("the partition of a directory that failed is shown as %+v (attempt %d)", *p, i)
			}
		}
		clear(b.offline)
	}
	if p := large.Topics[0].Partitions[1]; p.Leader != 1 || len(p.Offline) > 0 {
		t.Errorf("the request, which other brokers get as well, became %+v", p)
	}
}
