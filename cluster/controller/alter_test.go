package controller

import (
	"errors"
	"testing"

	"klamm/cluster/order"
	"klamm/protocol"
)

// A leader takes the ISR back that it asked for when it is told that nothing was attempted. While the controller does not know a
// partition's state, an earlier request of the leader may have been carried out: the tree may have a replica in the ISR that the leader waits for no
// more.
func TestUnknownStateIsNoPromiseThatNothingChanged(t *testing.T) {
	for _, c := range []struct {
		what    string
		unknown func(*partition) *bool
		err     error
	}{
		{"another change is under way", func(p *partition) *bool { return &p.busy }, order.ErrTimedOut},
		{"the state has to be read", func(p *partition) *bool { return &p.unread }, order.ErrTimedOut},
		{"the state cannot be read", func(p *partition) *bool { return &p.broken }, order.ErrInvalidUpdateVersion},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			w.register(1, nil)
			w.register(2, nil)
			w.elect(1)
			w.handle(&CreateTopics{Topics: []NewTopic{newTopicOf(t, "t assign=0:1,2")}})
			p := w.ctl.partition(protocol.TopicPartition{Topic: "t"})
			*c.unknown(p) = true
			e := &AlterPartition{Request: order.AlterPartitionRequest{BrokerID: 1, BrokerEpoch: w.brokers[1].epoch, Partitions: []order.AlterPartition{{
				TopicPartition: p.tp(), TopicID: p.topic.id, LeaderEpoch: p.State.LeaderEpoch, PartitionEpoch: p.version, ISR: []int32{1}}}}}
			w.handle(e)
			if e.Err != nil || len(e.Results) != 1 || !errors.Is(e.Results[0].Err, c.err) {
				t.Fatalf("the leader is answered %v, %+v, and not %v", e.Err, e.Results, c.err)
			}
		})
	}
}
