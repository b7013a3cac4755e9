package metadata

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"klamm/cluster/order"
	"klamm/protocol"
)

// told is a request of controller 1 in an epoch, with one topic whose partitions are given.
func told(epoch int32, topic string, id byte, partitions ...order.PartitionMetadata) *order.UpdateMetadataRequest {
	req := &order.UpdateMetadataRequest{Brokers: []order.LiveBroker{{ID: 2, Epoch: -1}, {ID: 1, Epoch: 7}}}
	req.ControllerID, req.ControllerEpoch = 1, epoch
	if topic != "" {
		req.Topics = []order.TopicMetadata{{Name: topic, ID: protocol.UUID{15: id}, Partitions: partitions}}
	}
	return req
}

func led(n, epoch int32) order.PartitionMetadata {
	return order.PartitionMetadata{Partition: n, Leader: 1, LeaderEpoch: epoch, Replicas: []int32{1}, ISR: []int32{1}}
}

func deleted(n int32) order.PartitionMetadata {
	return order.PartitionMetadata{Partition: n, Leader: order.LeaderDuringDelete}
}

func apply(t *testing.T, c *Cache, req *order.UpdateMetadataRequest) []Deleted {
	t.Helper()
	gone, err := c.Apply(req)
	if err != nil {
		t.Fatal(err)
	}
	return gone
}

// shown gives the known partitions of a topic as number:epoch.
func shown(c *Cache, topic string) (list []string) {
	known := c.Snapshot().Topic(topic)
	if known == nil {
		return nil
	}
	for p := range known.Partitions.All() {
		list = append(list, fmt.Sprintf("%d:%d", p.Index, p.LeaderEpoch))
	}
	return list
}

func expect(t *testing.T, got any, want string) {
	t.Helper()
	if fmt.Sprint(got) != want {
		t.Fatalf("got %v, want %s", got, want)
	}
}

func TestPartitionsAreMergedAndBrokersReplaced(t *testing.T) {
	c := NewCache("id")
	expect(t, c.Snapshot().ControllerID, "-1")
	apply(t, c, told(1, "t", 1, led(0, 0), led(2, 0)))
	expect(t, shown(c, "t"), "[0:0 2:0]")
	s := c.Snapshot()
	if s.Topic("t").Partitions.Has(1) || s.Partition(protocol.TopicPartition{Topic: "t", Partition: 1}) != nil {
		t.Fatal("a partition is known of which nothing was told")
	}
	if s.TopicByID(protocol.UUID{15: 1}) == nil {
		t.Fatal("the topic is not found by its id")
	}
	expect(t, []int32{s.Brokers[0].ID, s.Brokers[1].ID}, "[1 2]")
	apply(t, c, told(1, "t", 1, led(2, 5)))
	expect(t, shown(c, "t"), "[0:0 2:5]")
	expect(t, s.Topic("t").Partitions.At(2).LeaderEpoch, "0") // the snapshot from before
	req := told(2, "", 0)
	req.Brokers = req.Brokers[:1]
	apply(t, c, req)
	expect(t, len(c.Snapshot().Brokers), "1")
	expect(t, shown(c, "t"), "[0:0 2:5]")
}

// TestRequestOfAnOlderControllerIsRefused: it would show leaders from before the election (I8).
func TestRequestOfAnOlderControllerIsRefused(t *testing.T) {
	c := NewCache("id")
	apply(t, c, told(3, "t", 1, led(0, 4)))
	if _, err := c.Apply(told(2, "t", 1, led(0, 9))); !errors.Is(err, order.ErrStaleControllerEpoch) {
		t.Fatalf("got %v", err)
	}
	expect(t, shown(c, "t"), "[0:4]")
	apply(t, c, told(3, "t", 1, led(0, 5)))
	expect(t, shown(c, "t"), "[0:5]")
}

func TestDeletedPartitionsAreForgotten(t *testing.T) {
	c := NewCache("id")
	apply(t, c, told(1, "t", 1, led(0, 0), led(1, 0), led(300, 0)))
	expect(t, apply(t, c, told(1, "t", 1, deleted(300), deleted(7), deleted(1))), "[{t [300 1]}]")
	expect(t, shown(c, "t"), "[0:0]")
	expect(t, c.Snapshot().Topic("t").Partitions.Len(), "1")
	expect(t, apply(t, c, told(1, "t", 1, deleted(0))), "[{t [0]}]")
	s := c.Snapshot()
	if s.Topic("t") != nil || s.TopicByID(protocol.UUID{15: 1}) != nil || s.NumTopics() != 0 {
		t.Fatal("a topic without partitions is still known")
	}
	expect(t, apply(t, c, told(1, "t", 1, deleted(0))), "[]")
}

// TestTopicMadeAgainHasOnlyItsOwnPartitions: this broker missed the deletion, and the new topic has fewer partitions.
func TestTopicMadeAgainHasOnlyItsOwnPartitions(t *testing.T) {
	c := NewCache("id")
	apply(t, c, told(1, "t", 1, led(0, 3), led(1, 3)))
	expect(t, apply(t, c, told(1, "t", 2, led(0, 0))), "[{t [0 1]}]")
	expect(t, shown(c, "t"), "[0:0]")
	s := c.Snapshot()
	if s.TopicByID(protocol.UUID{15: 1}) != nil || s.TopicByID(protocol.UUID{15: 2}) == nil {
		t.Fatal("the topic is found by its old id")
	}
}

// TestEpochsOfBrokersSurviveRequestsWithoutThem: requests that came over the wire have none.
func TestEpochsOfBrokersSurviveRequestsWithoutThem(t *testing.T) {
	c := NewCache("id")
	apply(t, c, told(1, "", 0))
	req := told(1, "", 0)
	req.Brokers[1].Epoch = -1
	apply(t, c, req)
	expect(t, []int64{c.Snapshot().Brokers[0].Epoch, c.Snapshot().Brokers[1].Epoch}, "[7 -1]")
}

func TestHugePartitionNumberIsRefused(t *testing.T) {
	c := NewCache("id")
	for _, n := range []int32{-1, maxPartition, 1<<31 - 1} {
		_, err := c.Apply(told(1, "t", 1, led(0, 0), led(n, 0)))
		if refused := new(InvalidPartitionError); !errors.As(err, &refused) || refused.Partition != n || refused.Topic != "t" {
			t.Fatalf("partition %d: %v", n, err)
		}
	}
	expect(t, shown(c, "t"), "[]")
}

// A high number of one partition costs no memory for those below it.
func TestHighPartitionNumberCostsLittle(t *testing.T) {
	var p Partitions
	p, _ = p.with([]order.PartitionMetadata{led(0, 0), led(maxPartition-1, 0)})
	chunks := map[*Partition]bool{}
	for _, chunk := range p.chunks {
		chunks[&chunk[0]] = true
	}
	if len(chunks) > 3 || p.known != 2 || p.Has(1) || !p.Has(maxPartition-1) {
		t.Errorf("%d chunks for 2 partitions, %d known", len(chunks), p.known)
	}
}

// TestPartitionsReadAsAMap holds Partitions against a map over random changes around the ends of chunks.
func TestPartitionsReadAsAMap(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var p Partitions
	model := map[int32]int32{}
	for step := range int32(2000) {
		var changes []order.PartitionMetadata
		for range r.IntN(4) {
			n := r.Int32N(3*chunkPartitions + 2)
			if r.IntN(2) == 0 && step%100 > 30 {
				changes = append(changes, deleted(n))
				delete(model, n)
			} else {
				changes = append(changes, led(n, step))
				model[n] = step
			}
		}
		before, was := p, fmt.Sprint(slices.Collect(values(&p)))
		p, _ = p.with(changes)
		if now := fmt.Sprint(slices.Collect(values(&before))); now != was {
			t.Fatalf("seed %d, step %d: what was before changed from %s to %s", seed, step, was, now)
		}
		last, n := int32(-1), 0
		for partition := range p.All() {
			if epoch, known := model[partition.Index]; !known || partition.Index <= last || partition.LeaderEpoch != epoch {
				t.Fatalf("seed %d, step %d: partition %+v after %d, want epoch %d", seed, step, *partition, last, epoch)
			}
			last = partition.Index
			n++
		}
		if n != len(model) || p.known != n || p.Len() != int(last)+1 {
			t.Fatalf("seed %d, step %d: %d partitions, %d counted, length %d; want %d", seed, step, n, p.known, p.Len(), len(model))
		}
	}
}

func values(p *Partitions) func(func(Partition) bool) {
	return func(yield func(Partition) bool) {
		for v := range p.All() {
			if !yield(*v) {
				return
			}
		}
	}
}

// large is a cache with a topic of 100,000 partitions.
func large(tb testing.TB) *Cache {
	all := make([]order.PartitionMetadata, 100_000)
	for i := range all {
		all[i] = led(int32(i), 0)
	}
	c := NewCache("id")
	if _, err := c.Apply(told(1, "t", 1, all...)); err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestOneChangeOfALargeTopicCopiesOneChunk: before, all 100,000 partitions were copied for each change of an ISR.
func TestOneChangeOfALargeTopicCopiesOneChunk(t *testing.T) {
	c := large(t)
	for _, changes := range [][]order.PartitionMetadata{{led(77_777, 5)}, {led(3, 1), led(4, 1)}, {led(100_000, 0)}} {
		before := c.Snapshot().Topic("t").Partitions
		apply(t, c, told(1, "t", 1, changes...))
		after := c.Snapshot().Topic("t").Partitions
		copied := 0
		for i := range after.chunks {
			if i >= len(before.chunks) || &after.chunks[i][0] != &before.chunks[i][0] {
				copied++
			}
		}
		if copied != 1 {
			t.Errorf("%d changes copied %d chunks", len(changes), copied)
		}
	}
}

// BenchmarkOneChangeOfALargeTopic changes one of 100,000 partitions.
func BenchmarkOneChangeOfALargeTopic(b *testing.B) {
	c := large(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = c.Apply(told(1, "t", 1, led(int32(i%100_000), int32(i))))
	}
}
