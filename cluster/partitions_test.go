package cluster

import (
	"fmt"
	"sync"
	"testing"

	"klamm/cluster/controller"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// largeTopic is a topic as the controller knows it, with this broker as the only replica of each partition.
func largeTopic(s *controller.State, name string, partitions int) *controller.Topic {
	t := &controller.Topic{Name: name, ID: protocol.UUID{1}, Partitions: make([]controller.Partition, partitions)}
	for i := range t.Partitions {
		t.Partitions[i] = controller.Partition{
			Replicas: znode.Replicas{Partition: int32(i), Replicas: []int32{1}},
			State:    znode.PartitionState{Leader: 1, ISR: []int32{1}},
		}
	}
	s.PutTopic(t)
	return t
}

func publishing() (*Broker, *controller.State) {
	b := &Broker{o: Options{BrokerID: 1}, offline: map[protocol.TopicPartition]bool{}}
	b.metadata.Store(&Metadata{topics: newTopicTable()})
	s := controller.NewState(1)
	s.Live[1] = &controller.LiveBroker{}
	return b, s
}

// TestOneChangeOfALargeTopicCopiesOneChunk: before, all 100,000 partitions were copied for each change of an ISR.
func TestOneChangeOfALargeTopicCopiesOneChunk(t *testing.T) {
	b, s := publishing()
	topic := largeTopic(s, "t", 100_000)
	(*sender)(b).Publish(s, []controller.Change{{Topic: "t"}})
	copied := func(change func()) int {
		before := b.Metadata().Topic("t")
		was := fmt.Sprint(*before.Partitions.At(77_777), *before.Partitions.At(99_999))
		change()
		after := b.Metadata().Topic("t")
		n := 0
		for i := range after.Partitions.chunks {
			if i >= len(before.Partitions.chunks) || &after.Partitions.chunks[i][0] != &before.Partitions.chunks[i][0] {
				n++
			}
		}
		if got := fmt.Sprint(*before.Partitions.At(77_777), *before.Partitions.At(99_999)); got != was {
			t.Errorf("a snapshot changed from %s to %s", was, got)
		}
		return n
	}
	if n := copied(func() {
		topic.Partitions[77_777].State.LeaderEpoch = 5
		(*sender)(b).Publish(s, []controller.Change{{Topic: "t", Partitions: []int32{77_777}}})
	}); n != 1 {
		t.Errorf("a change of one partition copied %d chunks", n)
	}
	if p := b.Metadata().Topic("t").Partitions.At(77_777); p.LeaderEpoch != 5 {
		t.Errorf("the partition is shown as %+v", p)
	}
	if n := copied(func() {
		b.SetOffline([]protocol.TopicPartition{{Topic: "t", Partition: 3}, {Topic: "t", Partition: 4}})
	}); n != 1 {
		t.Errorf("two partitions of a chunk that went offline copied %d chunks", n)
	}
	if n := copied(func() {
		largeTopic(s, "t", 100_001)
		(*sender)(b).Publish(s, []controller.Change{{Topic: "t", Partitions: []int32{100_000}}})
	}); n != 1 {
		t.Errorf("one partition more copied %d chunks", n)
	}
}

// TestDirectoryThatFailsWhileTopicsAreShown: a directory that failed between the moment when a topic was made as clients see it
// and the next snapshot was shown as working until the topic changed again.
func TestDirectoryThatFailsWhileTopicsAreShown(t *testing.T) {
	b, s := publishing()
	large := largeTopic(s, "large", 10_000) // the mutex is held for long, so that it is handed on in turn
	for i := range 20 {
		s.PutTopic(large)
		(*sender)(b).Publish(s, nil)
		var all sync.WaitGroup
		for n := range int32(16) {
			all.Go(func() {
				if n%4 == 0 {
					(*sender)(b).Publish(s, []controller.Change{{Topic: "large"}})
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
}

// TestPartitionsReadAsAList holds Partitions against a plain list over changes and sizes around the ends of chunks.
func TestPartitionsReadAsAList(t *testing.T) {
	var p Partitions
	var model []int32
	epoch := int32(0)
	for _, count := range []int{1, 127, 128, 129, 128, 5, 300, 300, 256, 257, 0, 3} {
		epoch++
		var changed []int32
		for n := 0; n < min(count, len(model)); n += 7 {
			changed = append(changed, int32(n))
			model[n] = epoch
		}
		for len(model) < count {
			model = append(model, epoch)
		}
		model = model[:count]
		p = p.with(count, changed, func(n int, partition *Partition) { *partition = Partition{Index: int32(n), LeaderEpoch: epoch} })
		n := 0
		for partition := range p.All() {
			if partition.Index != int32(n) || partition.LeaderEpoch != model[n] || partition != p.At(n) {
				t.Fatalf("of %d partitions, number %d is %+v, want epoch %d", count, n, partition, model[n])
			}
			n++
		}
		if n != count || p.Len() != count {
			t.Fatalf("%d partitions and %d counted, want %d", n, p.Len(), count)
		}
	}
}

// BenchmarkOneChangeOfALargeTopic changes one of 100,000 partitions.
func BenchmarkOneChangeOfALargeTopic(b *testing.B) {
	broker, s := publishing()
	topic := largeTopic(s, "t", 100_000)
	(*sender)(broker).Publish(s, []controller.Change{{Topic: "t"}})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := int32(i % 100_000)
		topic.Partitions[n].State.LeaderEpoch++
		(*sender)(broker).Publish(s, []controller.Change{{Topic: "t", Partitions: []int32{n}}})
	}
}
