package data_test

import (
	"testing"

	"klamm/broker/brokertest"
	"klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// orderTo has the broker take a partition over in a role, as broker 0 of the replicas 0 and 9, of which only 0 lives.
func orderTo(b *brokertest.Broker, tp protocol.TopicPartition, leader, epoch int32) *replica.Partition {
	b.T.Helper()
	o := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{7}, Leader: leader, LeaderEpoch: epoch, ISR: []int32{0, 9}, Replicas: []int32{0, 9}}
	answer := b.Replicas().LeaderAndISR(&order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{o}}, func(string) map[string]string { return nil })
	p, err := b.Replicas().Partition(tp)
	if err != nil || answer.At(0) != nil {
		b.T.Fatal(err, answer.At(0))
	}
	return p
}

// TestFetchOfAnEarlierLeadershipDoesNotCount has this broker lose the leadership and get it back between the check of a
// follower's leader epoch and the reading. The follower's log may have diverged meanwhile.
func TestFetchOfAnEarlierLeadershipDoesNotCount(t *testing.T) {
	b := brokertest.Run(t)
	tp := protocol.TopicPartition{Topic: "t"}
	p := orderTo(b, tp, 0, 1)
	data := brokertest.BatchOf(t, 10)
	h, err := batch.ParseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Append([]logstore.Append{{Data: data, Header: h}}, 1, 1); err != nil {
		t.Fatal(err)
	}
	before := p.State()
	orderTo(b, tp, 9, 2)
	orderTo(b, tp, 0, 3)
	if code := b.Server().Data().ReadInAsReplica(before, p, 9, 1); code != 0 {
		t.Errorf("error %d", code)
	}
	if hw := p.HighWatermark(); hw != 0 {
		t.Errorf("the high watermark is %d, by a fetch in leader epoch %d", hw, before.LeaderEpoch)
	}
	if b.Server().Data().ReadInAsReplica(p.State(), p, 9, 1); p.HighWatermark() != 1 {
		t.Errorf("the high watermark is %d after a fetch in the present leader epoch", p.HighWatermark())
	}
}
