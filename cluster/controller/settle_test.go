package controller

import (
	"context"
	"fmt"
	"slices"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// alter has some leader ask for an ISR, from what it was told last: with one more or one less of the replicas.
func (r *random) alter() {
	live := r.alive()
	b := r.brokers[live[r.IntN(len(live))]]
	for _, tp := range b.led() {
		if r.IntN(3) == 0 {
			continue
		}
		role := b.roles[tp]
		isr := slices.Clone(role.ISR)
		if id := role.Replicas[r.IntN(len(role.Replicas))]; !slices.Contains(isr, id) {
			isr = append(isr, id)
		} else if id != b.id {
			isr = without(isr, []int32{id})
		}
		r.askISR(b, role, isr)
		return
	}
}

// led are the partitions that a broker leads, in order.
func (b *fakeBroker) led() []protocol.TopicPartition {
	var list []protocol.TopicPartition
	for tp, role := range b.roles {
		if role.Leader == b.id {
			list = append(list, tp)
		}
	}
	slices.SortFunc(list, compare)
	return list
}

// askISR asks as a leader does, and takes over what is granted.
func (r *random) askISR(b *fakeBroker, role order.LeaderAndISR, isr []int32) {
	e := &AlterPartition{Request: order.AlterPartitionRequest{BrokerID: b.id, BrokerEpoch: b.epoch, Partitions: []order.AlterPartition{{
		TopicPartition: role.TopicPartition, TopicID: role.TopicID, LeaderEpoch: role.LeaderEpoch, PartitionEpoch: role.PartitionEpoch, ISR: isr}}}}
	r.handle(e)
	if e.Err != nil || len(e.Results) == 0 || e.Results[0].Err != nil || r.IntN(10) == 0 { // or the answer is lost
		return
	}
	res := e.Results[0]
	if now := b.roles[role.TopicPartition]; now.TopicID == role.TopicID && now.LeaderEpoch == res.LeaderEpoch && res.PartitionEpoch > now.PartitionEpoch {
		now.ISR, now.PartitionEpoch = res.ISR, res.PartitionEpoch
		b.roles[role.TopicPartition] = now
	}
}

// settle lets everything become quiet: all brokers live and work, everything is delivered, leaders take everybody in. Then every
// broker knows what the tree says.
func (r *random) settle() {
	r.stepText = "settle"
	r.manual = false
	for id := range int32(randomBrokers) {
		b := r.brokers[id+1]
		clear(b.fail)
		if b.tree != nil {
			r.kill(id + 1) // with what it had of failures and shutdowns
		}
		r.register(id+1, nil)
	}
	if r.ctl == nil {
		r.takeOffice(1)
	}
	for range 20 {
		if r.ctl == nil {
			r.takeOffice(1)
		}
		r.notice()
		r.deliverAll()
		r.nowMs += 60_000
		r.handle(&RetryDue{})
		r.deliverAll()
		for id := range int32(randomBrokers) {
			b := r.brokers[id+1]
			for _, tp := range b.led() {
				if role := b.roles[tp]; len(without(role.Replicas, role.ISR)) > 0 {
					r.askISR(b, role, append(slices.Clone(role.ISR), without(role.Replicas, role.ISR)...))
				}
			}
		}
	}
	if r.t.Failed() {
		return
	}
	r.compareAll()
}

// compareAll holds what brokers know and do against the tree.
func (r *random) compareAll() {
	ctx := context.Background()
	if marks, _, _ := r.admin.Children(ctx, znode.DeleteTopics); len(marks) > 0 {
		r.t.Errorf("topics are not deleted: %v", marks)
	}
	names, _, _ := r.admin.Children(ctx, znode.BrokerTopics)
	configs, _, _ := r.admin.Children(ctx, znode.ConfigTopics)
	if left := slices.DeleteFunc(configs, func(c string) bool { return slices.Contains(names, c) }); len(left) > 0 {
		r.t.Errorf("configurations are left over: %v", left)
	}
	for id := range int32(randomBrokers) {
		if b := r.brokers[id+1]; len(b.live) != randomBrokers || len(b.known) != len(names) {
			r.t.Errorf("broker %d knows %d brokers and %d topics, of %d", b.id, len(b.live), len(b.known), len(names))
		}
	}
	for _, name := range names {
		data, _, _ := r.admin.Get(ctx, znode.TopicPath(name))
		topic, err := znode.DecodeTopic(name, data)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range topic.Partitions {
			r.comparePartition(name, topic, &topic.Partitions[i])
		}
	}
}

func (r *random) comparePartition(name string, topic *znode.Topic, p *znode.Replicas) {
	tp := protocol.TopicPartition{Topic: name, Partition: p.Partition}
	data, stat, err := r.admin.Get(context.Background(), znode.PartitionStatePath(tp))
	if err != nil {
		r.t.Errorf("%s has no state: %v", tp, err)
		return
	}
	state, err := znode.DecodePartitionState(tp, data)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(p.Adding)+len(p.Removing) > 0 {
		r.t.Errorf("%s is still being reassigned: %+v, %+v", tp, *p, state)
	}
	if state.Leader == znode.NoLeader {
		r.t.Errorf("%s has no leader: %+v", tp, state)
	}
	if len(without(p.Replicas, state.ISR))+len(without(state.ISR, p.Replicas)) > 0 {
		r.t.Errorf("%s has replicas %v and ISR %v", tp, p.Replicas, state.ISR)
	}
	want := fmt.Sprint(state.Leader, state.LeaderEpoch, state.ISR, stat.Version, p.Replicas, []int32(nil))
	for id := range int32(randomBrokers) {
		b := r.brokers[id+1]
		shown, _ := b.shown(tp)
		if got := fmt.Sprint(shown.Leader, shown.LeaderEpoch, shown.ISR, shown.PartitionEpoch, shown.Replicas, shown.Offline); got != want {
			r.t.Errorf("broker %d knows %s as %s, want %s", b.id, tp, got, want)
		}
		role, has := b.roles[tp]
		if slices.Contains(p.Replicas, b.id) && (!has || role.TopicID != topic.ID || role.Leader != state.Leader || role.LeaderEpoch != state.LeaderEpoch) {
			r.t.Errorf("broker %d has role %+v in %s, want that of %+v", b.id, role, tp, state)
		}
		if role.Leader == b.id && state.Leader != b.id {
			r.t.Errorf("broker %d takes itself for the leader of %s", b.id, tp)
		}
	}
}

var _ meta.Tree = (*observedTree)(nil)
