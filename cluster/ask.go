package cluster

import (
	"context"

	"klamm/cluster/controller"
	"klamm/cluster/order"
	"klamm/cluster/peer"
	"klamm/protocol"
)

// newChannel makes this broker's way to the controller, whoever that is.
func (b *Broker) newChannel() *peer.ControllerChannel {
	return peer.NewControllerChannel(peer.ControllerOptions{
		BrokerID: b.o.BrokerID, BrokerEpoch: b.Epoch, Find: b.findController, Self: b,
		Dial: b.o.Dial, SoftwareVersion: b.o.SoftwareVersion, Logger: b.o.Logger.With("logger", "cluster.peer"),
	})
}

// newBrokerChannel makes the controller's connection to another broker, if this one is the controller.
func (b *Broker) newBrokerChannel(live order.LiveBroker) controller.Channel {
	info := BrokerInfo(live)
	e, has := info.Endpoint(b.o.ControlPlaneListener)
	if !has {
		b.o.Logger.Error("a broker has no listener that this one could reach it by", "broker_id", live.ID, "listener", b.o.ControlPlaneListener)
	}
	return peer.NewBrokerChannel(peer.BrokerOptions{BrokerID: live.ID, Endpoint: e, Dial: b.o.Dial, Logger: b.o.Logger.With("logger", "cluster.peer")})
}

// findController gives the controller that the metadata name, and its listener for what is asked of it.
func (b *Broker) findController() (id int32, at order.Endpoint, known bool) {
	m := b.Metadata()
	if m.ControllerID == b.o.BrokerID {
		return m.ControllerID, at, true
	}
	info := m.Broker(m.ControllerID)
	if info == nil {
		return 0, at, false
	}
	at, known = info.Endpoint(b.o.ControlPlaneListener)
	return info.ID, at, known
}

// ChangeISRs asks the controller for changes of the ISRs of partitions that this broker leads, and gives one result for each. It asks
// until the controller has answered; the error is that of ctx, or peer.ErrClosed.
func (b *Broker) ChangeISRs(ctx context.Context, changes []order.AlterPartition) ([]order.AlterPartitionResult, error) {
	return b.channel.AlterPartition(ctx, changes)
}

// NextProducerIDs takes the next block of producer ids: count of them from first, which nobody else has or will get. It asks the
// controller until ctx ends.
func (b *Broker) NextProducerIDs(ctx context.Context) (first int64, count int32, err error) {
	block, err := b.channel.AllocateProducerIDs(ctx)
	return block.First, block.Count, err
}

// LeaveLeaderships asks the controller to move this broker's leaderships away before it stops, and gives the partitions of which it
// is still the leader (KafkaServer.controlledShutdown).
func (b *Broker) LeaveLeaderships(ctx context.Context) ([]protocol.TopicPartition, error) {
	return b.channel.ControlledShutdown(ctx)
}

// AlterPartition answers, as the controller, a leader that asks for changes of ISRs. ErrNotController where this broker is not it.
func (b *Broker) AlterPartition(ctx context.Context, req *order.AlterPartitionRequest) ([]order.AlterPartitionResult, error) {
	e := &controller.AlterPartition{Request: *req}
	if err := b.ask(ctx, e); err != nil {
		return nil, err
	}
	return e.Results, e.Err
}

// ControlledShutdown answers, as the controller, a broker that is about to stop: with the partitions that it leads still.
func (b *Broker) ControlledShutdown(ctx context.Context, req order.ControlledShutdownRequest) ([]protocol.TopicPartition, error) {
	e := &controller.ControlledShutdown{Request: req}
	if err := b.ask(ctx, e); err != nil {
		return nil, err
	}
	return e.Remaining, e.Err
}

// AllocateProducerIDs answers, as the controller, a broker that asks for a block of producer ids.
func (b *Broker) AllocateProducerIDs(ctx context.Context, brokerID int32, brokerEpoch int64) (order.ProducerIDs, error) {
	e := &controller.AllocateProducerIDs{BrokerID: brokerID, BrokerEpoch: brokerEpoch}
	if err := b.ask(ctx, e); err != nil {
		return order.ProducerIDs{}, err
	}
	return e.IDs, e.Err
}
