package controller

import (
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// large is a controller's knowledge of three brokers and a topic of 10,000 partitions with three replicas, of which broker 2 leads a third.
func large(tb testing.TB) *State {
	rules := &Rules{Intn: func(int) int { return 0 }, NewID: func() protocol.UUID { return protocol.UUID{1} }}
	s := NewState(1, 1, 1, rules)
	s.loaded = true
	for id := range int32(3) {
		s.brokers[id+1] = &broker{id: id + 1, epoch: int64(id)}
	}
	d := &Decision{}
	t := &topic{name: "large", id: protocol.UUID{1}, hasNode: true}
	for i := range int32(10_000) {
		replicas := []int32{1 + i%3, 1 + (i+1)%3, 1 + (i+2)%3}
		p := s.addPartition(d, t, znode.Replicas{Partition: i, Replicas: replicas})
		p.State = znode.PartitionState{ControllerEpoch: 1, Leader: replicas[0], ISR: replicas}
		p.version, p.hasNode, p.status = 0, true, partitionOnline
		for _, r := range p.replicas {
			r.status, r.untold = replicaOnline, false
		}
	}
	s.putTopic(t)
	if len(d.Notes) > 0 {
		tb.Fatal(d.Notes)
	}
	return s
}

// BenchmarkDeath decides for the death of a broker with 10,000 replicas, of which it leads a third: what to write, and when that is
// written whom to tell.
func BenchmarkDeath(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := large(b)
		there := []*broker{{id: 1, epoch: 0}, {id: 3, epoch: 2}}
		b.StartTimer()
		d := &Decision{}
		s.brokersChanged(d, there)
		s.planAll(d)
		d.deliver(s)
		d.seal(s)
		written := &Performed{Reads: make([]ReadResult, len(d.Reads)), Writes: make([]TxOutcome, len(d.Txs))}
		d = s.Decide(written, 0)
		if n := len(d.Batches[0].LeaderAndISR[1]); n != 10_000 {
			b.Fatalf("%d orders", n)
		}
	}
}

// BenchmarkISR decides for one AlterPartition.
func BenchmarkISR(b *testing.B) {
	s := large(b)
	id := protocol.UUID{1}
	isrs := [][]int32{{1, 2}, {1, 2, 3}}
	for i := 0; b.Loop(); i++ {
		e := &AlterPartition{Request: order.AlterPartitionRequest{BrokerID: 1, BrokerEpoch: 0, Partitions: []order.AlterPartition{{
			TopicPartition: protocol.TopicPartition{Topic: "large"}, TopicID: id, PartitionEpoch: int32(i), ISR: isrs[i%2]}}}}
		d := s.Decide(e, 0)
		if len(d.Txs) != 1 || meta.TransactionBytes(d.Txs[0].Ops) > 1000 {
			b.Fatalf("%d transactions, answer %+v", len(d.Txs), e.Results)
		}
		s.Decide(&Performed{Writes: make([]TxOutcome, 1)}, 0)
	}
}
