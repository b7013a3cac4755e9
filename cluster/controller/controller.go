package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// Sender brings what was decided to the brokers. Its methods are called by the controller's
// goroutine only, one at a time, after the tree has the decision.
type Sender interface {
	// Configure tells the properties of a topic that was just made. It comes before the orders for its partitions.
	Configure(topic string, config map[string]string)
	// Send tells a broker its orders and gives what follows from them at once, if anything does.
	Send(broker int32, lead []order.LeaderAndISR, stop []order.StopReplica) []Event
	// Remove tells all brokers that clients see these topics no more. It comes before the replicas are stopped.
	Remove(topics []string)
	// Publish tells all brokers how clients see these topics now. It comes after the leaders were told that they are. The
	// state may be read until Publish returns; a topic that is not in it any more was removed meanwhile.
	Publish(s *State, topics []string)
}

// Options are what a controller needs.
type Options struct {
	Tree     meta.Tree
	BrokerID int32
	Rules    Rules
	Sender   Sender
	Logger   *slog.Logger
	Clock    func() time.Time
	// NewID draws a topic's id.
	NewID func() protocol.UUID
}

// Controller is the one broker that decides, while it holds /controller. Its methods may be called by several goroutines.
type Controller struct {
	o     Options
	queue chan queued
	stop  chan struct{}
	once  sync.Once
	done  chan struct{}

	// state belongs to the goroutine that runs; nil after a write failed, until it is read again.
	state               *State
	epoch, epochVersion int32
}

type queued struct {
	event Event
	done  chan error // has room for one
}

// Elect tries to become the controller, and if it does (the error is nil) decides what is left to decide since the
// last one, and serves events from then on. ErrNotController if another broker is the controller.
func Elect(o Options) (*Controller, error) {
	c := &Controller{o: o, queue: make(chan queued, 64), stop: make(chan struct{}), done: make(chan struct{})}
	if err := c.claim(); err != nil {
		return nil, err
	}
	if err := c.handle(&Started{}); err != nil {
		return nil, err
	}
	go c.run()
	return c, nil
}

// claim makes /controller and counts /controller_epoch up, both or neither.
func (c *Controller) claim() error {
	tree := c.o.Tree
	data, stat, err := tree.Get(znode.ControllerEpoch)
	if errors.Is(err, meta.ErrNoNode) {
		data = znode.EncodeControllerEpoch(znode.InitialControllerEpoch)
		_, stat, err = tree.Create(znode.ControllerEpoch, data, meta.Persistent)
	}
	if err != nil {
		return fmt.Errorf("controller election: %w", err)
	}
	epoch, err := znode.DecodeControllerEpoch(data)
	if err != nil {
		return fmt.Errorf("controller election: %w", err)
	}
	ops := []meta.Op{
		meta.CreateOp(znode.Controller, znode.EncodeController(c.o.BrokerID, c.o.Clock().UnixMilli()), meta.Ephemeral),
		meta.SetOp(znode.ControllerEpoch, znode.EncodeControllerEpoch(epoch+1), stat.Version),
	}
	if there, _, err := tree.Exists(znode.Feature); err == nil && !there {
		ops = append(ops, meta.CreateOp(znode.Feature, znode.EncodeFeature(), meta.Persistent))
	}
	results, err := tree.Multi(ops...)
	if errors.Is(err, meta.ErrNodeExists) || errors.Is(err, meta.ErrBadVersion) {
		return fmt.Errorf("controller election: %w", order.ErrNotController)
	}
	if err != nil {
		return fmt.Errorf("controller election: %w", err)
	}
	c.epoch, c.epochVersion = epoch+1, results[1].Stat.Version
	return nil
}

// Do hands in an event and waits until it is decided, written and carried out, or the context ends: then it happens or not
// without the caller, who must not look at the event again. The error is about the whole event; what
// is about one topic stands in the event's results.
func (c *Controller) Do(ctx context.Context, e Event) error {
	q := queued{e, make(chan error, 1)}
	select {
	case c.queue <- q:
	case <-c.done:
		return order.ErrNotController
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-q.done:
		return err
	case <-c.done:
		return order.ErrNotController
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Epoch is the controller's epoch.
func (c *Controller) Epoch() int32 { return c.epoch }

// Close stops deciding after the event in hand. /controller goes with the tree's session.
func (c *Controller) Close() {
	c.once.Do(func() { close(c.stop) })
	<-c.done
}

func (c *Controller) run() {
	defer close(c.done)
	for {
		select {
		case q := <-c.queue:
			q.done <- c.handle(q.event)
		case <-c.stop:
			return
		}
	}
}

// handle takes an event, and those that follow from it at once.
func (c *Controller) handle(e Event) error {
	if c.state == nil {
		s := NewState(c.o.BrokerID)
		s.Epoch, s.EpochVersion = c.epoch, c.epochVersion
		if err := Load(c.o.Tree, s, c.o.Logger); err != nil {
			return err
		}
		c.state = s
	}
	c.prepare(e)
	d := Decide(c.state, &c.o.Rules, e)
	if err := c.write(&d); err != nil {
		c.o.Logger.Error("a decision could not be written", "error", err)
		c.state = nil
		return err
	}
	if len(d.Removed) > 0 {
		c.o.Sender.Remove(d.Removed)
	}
	for topic, config := range d.Configured {
		c.o.Sender.Configure(topic, config)
	}
	if err := c.send(&d, e); err != nil {
		return err
	}
	if _, first := e.(*Started); first || len(d.Changed) > 0 {
		c.o.Sender.Publish(c.state, d.Changed)
	}
	if e, ok := e.(*DeleteTopics); ok {
		c.unfinished(e)
	}
	return nil
}

// unfinished logs which deletions wait for a broker. To the client they are done: the topics are not shown any more.
func (c *Controller) unfinished(e *DeleteTopics) {
	for i := range e.Results {
		if res := &e.Results[i]; res.Err == nil && c.state.Topics[res.Name] != nil {
			c.o.Logger.Warn("topic deletion waits for its replicas", "topic", res.Name, "brokers", c.state.waitingFor(res.Name))
		}
	}
}

// prepare puts what is drawn at random into an event.
func (c *Controller) prepare(e Event) {
	if e, ok := e.(*CreateTopics); ok {
		for i := range e.Topics {
			e.Topics[i].ID = c.o.NewID()
		}
	}
}

func (c *Controller) write(d *Decision) error {
	ops, err := puts(c.o.Tree, d.Puts)
	if err != nil {
		return err
	}
	ops = append(d.Writes, ops...)
	for _, path := range d.Remove {
		below, err := removal(c.o.Tree, path)
		if err != nil {
			return err
		}
		ops = append(ops, below...)
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = c.o.Tree.Multi(ops...)
	return err
}

// puts makes of each a creation or a set.
func puts(tree meta.Tree, list []Put) ([]meta.Op, error) {
	if len(list) == 0 {
		return nil, nil
	}
	paths := make([]string, len(list))
	for i, p := range list {
		paths[i] = p.Path
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return nil, err
	}
	ops := make([]meta.Op, len(list))
	for i, p := range list {
		if nodes[i].Err == nil {
			ops[i] = meta.SetOp(p.Path, p.Data, meta.AnyVersion)
		} else {
			ops[i] = meta.CreateOp(p.Path, p.Data, meta.Persistent)
		}
	}
	return ops, nil
}

// removal lists what deletes a node and all below it, children first; nothing if it is not there.
func removal(tree meta.Tree, path string) ([]meta.Op, error) {
	names, _, err := tree.Children(path)
	if errors.Is(err, meta.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ops []meta.Op
	for _, name := range names {
		below, err := removal(tree, path+"/"+name)
		if err != nil {
			return nil, err
		}
		ops = append(ops, below...)
	}
	return append(ops, meta.DeleteOp(path, meta.AnyVersion)), nil
}

// send brings the orders of an event to the brokers, and then takes what followed.
func (c *Controller) send(d *Decision, cause Event) error {
	var follow []Event
	for _, id := range c.state.liveIDs() {
		if len(d.LeaderAndISR[id])+len(d.Stop[id]) > 0 {
			follow = append(follow, c.o.Sender.Send(id, d.LeaderAndISR[id], d.Stop[id])...)
		}
	}
	for _, e := range follow {
		if e, ok := e.(*ReplicasNotMade); ok {
			e.answer(cause)
		}
		if err := c.handle(e); err != nil {
			return err
		}
	}
	return nil
}
