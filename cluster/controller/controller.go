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

// Sender brings what was decided to the brokers, after the tree has the decision.
type Sender interface {
	// Configure tells the properties of a topic that was just created. It comes before the orders for its partitions. Like Remove and
	// Publish it is called by the controller's goroutine, and must not wait.
	Configure(topic string, config map[string]string)
	// Remove tells all brokers that clients see these topics no more. It comes before the replicas are stopped.
	Remove(topics []string)
	// Publish tells all brokers how clients see topics now; nil stands for all topics. It comes after the leaders were told
	// that they are. The state may be read until Publish returns; a topic that is not in it any more was removed meanwhile.
	Publish(s *State, changed []Change)
	// Send tells a broker its orders and waits until they are carried out. The errors are one for each order, nil for what went
	// well; nil stands for all. An error that an *order.TransientError wraps passes by itself. Of one broker Send is called one
	// at a time, in the order of the decisions, by a goroutine of its own.
	Send(broker int32, lead []order.LeaderAndISR, stop []order.StopReplica) (leadErrs, stopErrs []error)
}

// Options are what a controller needs.
type Options struct {
	Tree     meta.Tree
	BrokerID int32
	Rules    Rules
	Sender   Sender
	// ConfigLock is held while the nodes of topics are removed from the tree.
	ConfigLock sync.Locker
	Logger     *slog.Logger
	Clock      func() time.Time
	// After has f called once, on any goroutine, when some time has passed; the function that it gives prevents that.
	After func(d time.Duration, f func()) (stop func() bool)
	// NewID draws a topic's id.
	NewID func() protocol.UUID
}

// Controller is the one broker that decides, while it holds /controller. Its methods may be called by several goroutines.
type Controller struct {
	o       Options
	queue   chan queued
	stop    chan struct{}
	once    sync.Once
	done    chan struct{}
	sending sync.WaitGroup // the goroutines of brokers' queues

	// What follows belongs to the goroutine that runs.

	// state is nil after a write failed, until it is read again; failures are then what it knew besides the tree.
	state    *State
	failures *Failures
	// stale says that the state was read again, and clients do not see it yet.
	stale               bool
	epoch, epochVersion int32
	brokers             map[int32]*brokerQueue
	timer               func() bool // stops the timer that is set, nil when none is
	timerMs             int64       // when that timer is due
}

// queued is an event on its way to the controller's goroutine.
type queued struct {
	event Event
	task  *task
}

// task is an event from outside with all that follows from it. Once it is queued it belongs to the controller's
// goroutine, but for done.
type task struct {
	event      Event
	unanswered int      // messages to brokers that were sent for it and are not answered yet
	changed    []Change // what clients see otherwise once those are answered
	err        error    // of the event itself
	done       chan error
}

func newTask(e Event) *task { return &task{event: e, done: make(chan error, 1)} }

// Elect tries to become the controller, and if it does (the error is nil) decides what is left to decide since the
// last one, and serves events from then on. ErrNotController if another broker is the controller.
func Elect(o Options) (*Controller, error) {
	c := &Controller{
		o: o, queue: make(chan queued, 64), stop: make(chan struct{}), done: make(chan struct{}),
		brokers: map[int32]*brokerQueue{},
	}
	if err := c.claim(); err != nil {
		return nil, err
	}
	go c.run()
	if err := c.Do(context.Background(), &Started{}); err != nil {
		c.Close()
		return nil, err
	}
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
	t := newTask(e)
	select {
	case c.queue <- queued{e, t}:
	case <-c.done:
		return order.ErrNotController
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-t.done:
		return err
	case <-c.done:
		return order.ErrNotController
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Epoch is the controller's epoch.
func (c *Controller) Epoch() int32 { return c.epoch }

// Close stops deciding after the event in hand, and sending after the messages in hand. /controller goes with the tree's session.
func (c *Controller) Close() {
	c.once.Do(func() { close(c.stop) })
	<-c.done
	c.sending.Wait()
}

func (c *Controller) stopping() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

func (c *Controller) run() {
	defer close(c.done)
	for {
		select {
		case q := <-c.queue:
			c.handle(q)
		case <-c.stop:
			if c.timer != nil {
				c.timer()
			}
			return
		}
	}
}

// handle takes an event, and finishes its task when no broker's answer is waited for.
func (c *Controller) handle(q queued) {
	t := q.task
	if _, ok := q.event.(*RetryDue); ok {
		c.timer = nil
	}
	err := c.decide(q.event, t)
	if q.event == t.event {
		t.err = err
	}
	if _, ok := q.event.(*OrdersAnswered); ok {
		t.unanswered--
	}
	if t.unanswered == 0 {
		c.finish(t)
	}
	c.setTimer()
}

// decide takes an event and those that follow from it at once.
func (c *Controller) decide(e Event, t *task) error {
	if err := c.load(); err != nil {
		return err
	}
	c.prepare(e)
	if e, ok := e.(*OrdersAnswered); ok {
		c.logAnswers(e)
	}
	before := c.state.Failures.clone()
	d := Decide(c.state, &c.o.Rules, e)
	if err := c.write(&d); err != nil {
		c.o.Logger.Error("a decision of the controller could not be written", "error", err)
		c.state, c.failures = nil, before
		return err
	}
	if len(d.Removed) > 0 {
		c.o.Sender.Remove(d.Removed)
	}
	for topic, config := range d.Configured {
		c.o.Sender.Configure(topic, config)
	}
	t.changed = append(t.changed, d.Changed...)
	c.send(&d, t)
	for _, next := range d.Next {
		if next, ok := next.(*ReplicasNotMade); ok {
			next.answer(t.event)
		}
		// An error here is not the task's: what went well stays, and is shown.
		_ = c.decide(next, t)
	}
	return nil
}

// load reads the state from the tree if it is not known.
func (c *Controller) load() error {
	if c.state != nil {
		return nil
	}
	s := NewState(c.o.BrokerID)
	s.Epoch, s.EpochVersion = c.epoch, c.epochVersion
	if err := Load(c.o.Tree, s, c.o.Logger); err != nil {
		return err
	}
	if c.failures != nil {
		s.Failures = *c.failures
		s.resumeDeletions(c.o.Clock().UnixMilli())
		c.stale = true
	}
	c.state, c.failures = s, nil
	return nil
}

// finish shows clients what a task changed, and tells who asked for it.
func (c *Controller) finish(t *task) {
	if err := c.load(); err != nil {
		c.o.Logger.Error("the controller cannot read the metadata tree", "error", err)
	}
	_, first := t.event.(*Started)
	switch {
	case c.state == nil: // shown once it can be read
	case c.stale || first:
		c.o.Sender.Publish(c.state, nil)
		c.stale = false
	case len(t.changed) > 0:
		c.o.Sender.Publish(c.state, t.changed)
	}
	if t.err == nil {
		c.logTopics(t.event)
	}
	t.done <- t.err
}

// prepare puts into an event what is drawn at random, and the time.
func (c *Controller) prepare(e Event) {
	switch e := e.(type) {
	case *CreateTopics:
		for i := range e.Topics {
			e.Topics[i].ID = c.o.NewID()
		}
	case *OrdersAnswered:
		e.NowMs = c.o.Clock().UnixMilli()
	case *RetryDue:
		e.NowMs = c.o.Clock().UnixMilli()
	}
}

// setTimer has a RetryDue come when the first order that failed is to be sent again.
func (c *Controller) setTimer() {
	var dueMs int64
	if c.state == nil {
		dueMs = c.o.Clock().UnixMilli() + lastRetryMs // the tree could not be read
	} else {
		dueMs = c.state.Failures.nextMs()
	}
	if dueMs == 0 || c.timer != nil && c.timerMs <= dueMs {
		return
	}
	if c.timer != nil {
		c.timer()
	}
	wait := time.Duration(max(0, dueMs-c.o.Clock().UnixMilli())) * time.Millisecond
	c.timerMs = dueMs
	c.timer = c.o.After(wait, func() {
		e := &RetryDue{}
		select {
		case c.queue <- queued{e, newTask(e)}:
		case <-c.stop:
		}
	})
}
