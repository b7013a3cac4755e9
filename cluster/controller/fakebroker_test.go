package controller

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/protocol"
)

// fakeBroker does what it is told, by the rules of ReplicaManager: an older controller, an earlier registration of its own and a leader epoch that
// is not higher change nothing.
type fakeBroker struct {
	id    int32
	tree  meta.Tree // nil while it is dead
	epoch int64

	controllerEpoch int32
	roles           map[protocol.TopicPartition]order.LeaderAndISR
	known           map[string]*shownTopic
	live            []int32
	logs            map[protocol.TopicPartition]protocol.UUID
	fail            map[protocol.TopicPartition]error // orders for these fail so
	trouble         []string                          // what no controller may order

	bornUnder int32 // the controller's epoch when the broker registered
	told      map[protocol.TopicPartition]bool
}

func (b *fakeBroker) admit(h order.Header) error {
	switch {
	case h.BrokerEpoch < b.epoch:
		return order.ErrStaleBrokerEpoch
	case h.ControllerEpoch < b.controllerEpoch:
		return order.ErrStaleControllerEpoch
	}
	b.controllerEpoch = h.ControllerEpoch
	return nil
}

func (b *fakeBroker) leaderAndISR(req *order.LeaderAndISRRequest) (a order.Answer) {
	if a.Err = b.admit(req.Header); a.Err != nil {
		return a
	}
	for _, o := range req.Partitions {
		a.Partitions = append(a.Partitions, b.take(&o))
	}
	return a
}

func (b *fakeBroker) take(o *order.LeaderAndISR) error {
	tp := o.TopicPartition
	if !slices.Contains(o.Replicas, b.id) {
		b.trouble = append(b.trouble, fmt.Sprintf("broker %d is told to hold %s, whose replicas are %v", b.id, tp, o.Replicas))
	}
	if o.Leader >= 0 && !slices.Contains(o.ISR, o.Leader) {
		b.trouble = append(b.trouble, fmt.Sprintf("%s has leader %d and ISR %v", tp, o.Leader, o.ISR))
	}
	if !b.told[tp] && !o.IsNew && o.Leader != b.id && slices.Contains(o.ISR, b.id) && b.controllerEpoch == b.bornUnder {
		// The controller saw it come, and what it had not flushed may be lost.
		b.trouble = append(b.trouble, fmt.Sprintf("broker %d has just started, and is told that it is in sync with %s", b.id, tp))
	}
	b.told[tp] = true
	if o.Leader >= 0 && !slices.Contains(b.live, o.Leader) {
		b.trouble = append(b.trouble, fmt.Sprintf("broker %d is to follow %d in %s, and knows only %v", b.id, o.Leader, tp, b.live))
	}
	if err := b.fail[tp]; err != nil {
		return err
	}
	if known, is := b.roles[tp]; is && known.TopicID == o.TopicID && o.LeaderEpoch <= known.LeaderEpoch {
		return order.ErrStaleControllerEpoch
	}
	if id, has := b.logs[tp]; has && id != o.TopicID {
		return order.ErrInconsistentTopicID
	}
	b.logs[tp] = o.TopicID
	b.roles[tp] = *o
	return nil
}

func (b *fakeBroker) stopReplica(req *order.StopReplicaRequest) (a order.Answer) {
	if a.Err = b.admit(req.Header); a.Err != nil {
		return a
	}
	for _, o := range req.Partitions {
		tp := o.TopicPartition
		if known, is := b.roles[tp]; is && o.LeaderEpoch >= 0 && o.LeaderEpoch < known.LeaderEpoch {
			a.Partitions = append(a.Partitions, order.ErrFencedLeaderEpoch)
			continue
		}
		err := b.fail[tp]
		if err == nil {
			delete(b.roles, tp)
			if o.Delete {
				delete(b.logs, tp)
			}
		}
		a.Partitions = append(a.Partitions, err)
	}
	return a
}

func (b *fakeBroker) updateMetadata(req *order.UpdateMetadataRequest) {
	if b.admit(req.Header) != nil {
		return
	}
	b.live = nil
	for _, l := range req.Brokers {
		b.live = append(b.live, l.ID)
	}
	for _, t := range req.Topics {
		known := b.known[t.Name]
		if known == nil || known.id != t.ID {
			known = &shownTopic{t.ID, map[int32]order.PartitionMetadata{}}
			b.known[t.Name] = known
		}
		for _, p := range t.Partitions {
			if known.partitions[p.Partition] = p; p.Leader == order.LeaderDuringDelete {
				delete(known.partitions, p.Partition)
			}
		}
		if len(known.partitions) == 0 {
			delete(b.known, t.Name)
		}
	}
}

// shownTopic is what a broker knows of a topic.
type shownTopic struct {
	id         protocol.UUID
	partitions map[int32]order.PartitionMetadata
}

// shown gives what the broker knows of a partition, false if nothing.
func (b *fakeBroker) shown(tp protocol.TopicPartition) (order.PartitionMetadata, bool) {
	t := b.known[tp.Topic]
	if t == nil {
		return order.PartitionMetadata{}, false
	}
	p, known := t.partitions[tp.Partition]
	return p, known
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func clock(nowMs *int64) func() time.Time { return func() time.Time { return time.UnixMilli(*nowMs) } }

func newFakeBroker(id int32) *fakeBroker {
	return &fakeBroker{id: id, told: map[protocol.TopicPartition]bool{}, roles: map[protocol.TopicPartition]order.LeaderAndISR{}, known: map[string]*shownTopic{},
		logs: map[protocol.TopicPartition]protocol.UUID{}, fail: map[protocol.TopicPartition]error{}}
}
