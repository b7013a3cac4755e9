package cluster

import (
	"context"
	"maps"
	"slices"

	"klamm/cluster/controller"
	"klamm/cluster/order"
	"klamm/protocol"
)

// dial gives the controller, if this broker is it, its way to a broker. To this one that is a call.
func (b *Broker) dial(live order.LiveBroker) controller.Channel {
	if live.ID == b.o.BrokerID {
		return (*ownChannel)(b)
	}
	return b.suspects.order(live, b.o.BrokerChannel(live))
}

// ownChannel carries out the controller's orders on this broker.
type ownChannel Broker

func (c *ownChannel) LeaderAndISR(_ context.Context, req *order.LeaderAndISRRequest) (order.Answer, error) {
	return (*Broker)(c).LeaderAndISR(req), nil
}

func (c *ownChannel) StopReplica(_ context.Context, req *order.StopReplicaRequest) (order.Answer, error) {
	return (*Broker)(c).StopReplica(req), nil
}

func (c *ownChannel) UpdateMetadata(_ context.Context, req *order.UpdateMetadataRequest) (order.Answer, error) {
	return order.Answer{Err: (*Broker)(c).UpdateMetadata(req)}, nil
}

func (c *ownChannel) Close() {}

// lone is the channel to a broker that a broker alone cannot have: orders for it wait until it is gone.
type lone struct{}

func (lone) LeaderAndISR(ctx context.Context, _ *order.LeaderAndISRRequest) (order.Answer, error) {
	<-ctx.Done()
	return order.Answer{}, ctx.Err()
}

func (lone) StopReplica(ctx context.Context, _ *order.StopReplicaRequest) (order.Answer, error) {
	<-ctx.Done()
	return order.Answer{}, ctx.Err()
}

func (lone) UpdateMetadata(ctx context.Context, _ *order.UpdateMetadataRequest) (order.Answer, error) {
	<-ctx.Done()
	return order.Answer{}, ctx.Err()
}

func (lone) Close() {}

// withOfflineLocked shows the partitions of a request whose log directory failed here as offline, whatever the controller knows by now.
func (b *Broker) withOfflineLocked(req *order.UpdateMetadataRequest) *order.UpdateMetadataRequest {
	if len(b.offline) == 0 {
		return req
	}
	shown := *req
	shown.Topics = slices.Clone(req.Topics)
	for i := range shown.Topics {
		t := &shown.Topics[i]
		own := false // the partitions are the request's, which other brokers get as well
		for j := range t.Partitions {
			tp := protocol.TopicPartition{Topic: t.Name, Partition: t.Partitions[j].Partition}
			if !b.offline[tp] || t.Partitions[j].Leader == order.LeaderDuringDelete {
				continue
			}
			if !own {
				t.Partitions, own = slices.Clone(t.Partitions), true
			}
			takeOffline(&t.Partitions[j], b.o.BrokerID)
		}
	}
	return &shown
}

// forgetOfflineLocked forgets what failed of partitions that are no more.
func (b *Broker) forgetOfflineLocked(deleted []DeletedPartitions) {
	for _, d := range deleted {
		maps.DeleteFunc(b.offline, func(tp protocol.TopicPartition, _ bool) bool {
			return tp.Topic == d.Topic && slices.Contains(d.Partitions, tp.Partition)
		})
	}
}

// updateOf gives an update of what is known that changes nothing yet.
func (b *Broker) updateOf(known *Metadata) *order.UpdateMetadataRequest {
	req := &order.UpdateMetadataRequest{}
	req.ControllerID, req.ControllerEpoch = known.ControllerID, b.controllerEpoch.Load()
	for _, info := range known.Brokers {
		req.Brokers = append(req.Brokers, order.LiveBroker(info))
	}
	return req
}

// showOfflineLocked shows partitions as offline that are known already.
func (b *Broker) showOfflineLocked(partitions []protocol.TopicPartition) {
	known := b.Metadata()
	req := b.updateOf(known)
	topics := map[string]*order.TopicMetadata{}
	for _, tp := range partitions {
		p := known.Partition(tp)
		if p == nil {
			continue
		}
		t := topics[tp.Topic]
		if t == nil {
			t = &order.TopicMetadata{Name: tp.Topic, ID: known.Topic(tp.Topic).ID}
			topics[tp.Topic] = t
		}
		t.Partitions = append(t.Partitions, order.PartitionMetadata{
			Partition: tp.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR, Replicas: p.Replicas, Offline: p.Offline,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		req.Topics = append(req.Topics, *topics[name])
	}
	if _, err := b.metadata.Apply(b.withOfflineLocked(req)); err != nil {
		b.o.Logger.Error("an update of the metadata was refused", "error", err)
	}
}
