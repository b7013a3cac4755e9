package peer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/protocol"
)

// Controller is what the elected controller does for brokers, over the wire or in this process. The errors are those of package
// order; order.ErrNotController where it is not elected.
type Controller interface {
	AlterPartition(ctx context.Context, req *order.AlterPartitionRequest) ([]order.AlterPartitionResult, error)
	AllocateProducerIDs(ctx context.Context, brokerID int32, brokerEpoch int64) (order.ProducerIDs, error)
	ControlledShutdown(ctx context.Context, req order.ControlledShutdownRequest) ([]protocol.TopicPartition, error)
}

// ControllerOptions are what a [ControllerChannel] is made of. All fields but After are required.
type ControllerOptions struct {
	BrokerID int32
	// BrokerEpoch is the epoch of this broker's registration. It is read for each attempt, since the broker may register again.
	BrokerEpoch func() int64
	// Find gives the controller that the metadata name, and its listener for other brokers. known is false while they name none.
	Find func() (id int32, at order.Endpoint, known bool)
	// Self is asked when this broker is the controller itself.
	Self Controller
	Dial Dial
	// SoftwareVersion is told to the controller, beside the software's name.
	SoftwareVersion string
	Logger          *slog.Logger
	// After makes the timers; time.After when nil.
	After func(time.Duration) <-chan time.Time
}

// ControllerChannel is a broker's connection to the controller, whoever that is: it follows the metadata. A request is sent again
// after a failure of the connection, and while whoever is asked is not the controller, until its context ends. Any goroutine may
// use it.
//
// ControlledShutdown has a connection of its own, since the controller takes its time for it while other requests go on.
type ControllerChannel struct {
	o              ControllerOptions
	main, shutdown *link
}

// NewControllerChannel makes a channel. It connects with the first request.
func NewControllerChannel(o ControllerOptions) *ControllerChannel {
	if o.After == nil {
		o.After = time.After
	}
	c := &ControllerChannel{o: o}
	c.main, c.shutdown = newLink(&c.o, true), newLink(&c.o, false)
	return c
}

// Changed says that the metadata may name another controller: a request that waits looks again, and one that is under way to a
// broker that is not the controller any more is sent to the new one.
func (c *ControllerChannel) Changed() {
	c.main.lookAgain()
	c.shutdown.lookAgain()
}

// Close ends the channel. Requests that are under way or come later end with ErrClosed.
func (c *ControllerChannel) Close() {
	c.main.close()
	c.shutdown.close()
}

// AlterPartition asks for changes of ISRs, and gives one result for each partition, in order. It asks until the controller has
// answered: the error is ErrClosed, or that of the context, with the last failure.
func (c *ControllerChannel) AlterPartition(ctx context.Context, partitions []order.AlterPartition) (results []order.AlterPartitionResult, err error) {
	req := &order.AlterPartitionRequest{BrokerID: c.o.BrokerID, Partitions: partitions}
	err = c.main.ask(ctx, "AlterPartition", always, func(ctx context.Context, v via) (err error) {
		req.BrokerEpoch = c.o.BrokerEpoch()
		if v.self != nil {
			results, err = v.self.AlterPartition(ctx, req)
			return err
		}
		most, err := v.highest(protocol.KeyAlterPartition)
		if err != nil {
			return err
		}
		resp, err := v.request(ctx, req.Wire(most))
		if err != nil {
			return err
		}
		results, err = req.ResultsFromWire(resp.(*kmsg.AlterPartitionResponse))
		return err
	})
	return results, err
}

// AllocateProducerIDs asks for a block of producer ids. It asks until the controller has given one: the error is ErrClosed, or that of
// the context, with the last failure.
func (c *ControllerChannel) AllocateProducerIDs(ctx context.Context) (block order.ProducerIDs, err error) {
	err = c.main.ask(ctx, "AllocateProducerIds", always, func(ctx context.Context, v via) (err error) {
		if v.self != nil {
			block, err = v.self.AllocateProducerIDs(ctx, c.o.BrokerID, c.o.BrokerEpoch())
			return err
		}
		if _, err := v.highest(protocol.KeyAllocateProducerIDs); err != nil {
			return err
		}
		resp, err := v.request(ctx, order.AllocateProducerIDs(c.o.BrokerID, c.o.BrokerEpoch()))
		if err != nil {
			return err
		}
		block, err = order.ProducerIDsFromWire(resp.(*kmsg.AllocateProducerIDsResponse))
		return err
	})
	return block, err
}

// ControlledShutdown asks the controller to move this broker's leaderships away, and gives the partitions that it leads still. A
// refusal, except by a broker that is not the controller, is the error: the caller decides whether it asks again.
func (c *ControllerChannel) ControlledShutdown(ctx context.Context) (remaining []protocol.TopicPartition, err error) {
	otherController := func(err error) bool { return errors.Is(err, order.ErrNotController) }
	err = c.shutdown.ask(ctx, "ControlledShutdown", otherController, func(ctx context.Context, v via) (err error) {
		req := order.ControlledShutdownRequest{BrokerID: c.o.BrokerID, BrokerEpoch: c.o.BrokerEpoch()}
		if v.self != nil {
			remaining, err = v.self.ControlledShutdown(ctx, req)
			return err
		}
		resp, err := v.request(ctx, req.Wire())
		if err != nil {
			return err
		}
		remaining, err = order.RemainingFromWire(resp.(*kmsg.ControlledShutdownResponse))
		return err
	})
	return remaining, err
}

func always(error) bool { return true }
