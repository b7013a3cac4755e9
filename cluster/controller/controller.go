package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/observe"
)

// Channel is the way to one broker in one registration of it: the connection to another broker, or a direct call of this
// process's own. Each call waits until the broker has answered, however often it has to be sent, or until the context or the channel
// ends. They come one at a time.
type Channel interface {
	LeaderAndISR(context.Context, *order.LeaderAndISRRequest) (order.Answer, error)
	UpdateMetadata(context.Context, *order.UpdateMetadataRequest) (order.Answer, error)
	StopReplica(context.Context, *order.StopReplicaRequest) (order.Answer, error)
	// Close ends the channel; it may be called while another call waits.
	Close()
}

// Options are what a controller needs.
type Options struct {
	// Tree is the session. Its end ends the controller: whoever opened it says so by closing the [Elector].
	Tree     meta.Tree
	BrokerID int32
	Rules    Rules
	// Dial makes the channel to a broker. It must not wait: the channel connects when it is used.
	Dial func(order.LiveBroker) Channel
	// Listener is the listener that brokers use among each other, for the addresses of leaders in orders (inter.broker.listener.name).
	Listener string
	// BalanceEvery is how often brokers that lead too little of what they are preferred for get it back
	// (leader.imbalance.check.interval.seconds); 0 for never (auto.leader.rebalance.enable).
	BalanceEvery time.Duration
	// ConfigLock is held while the nodes of topics are removed from the tree.
	ConfigLock sync.Locker
	// Observer is told of events; nil: nobody observes.
	Observer *observe.Observer
	Logger   *slog.Logger
	Clock    func() time.Time
	// After has f called once, on any goroutine, when some time has passed; the function that it gives prevents that.
	After func(d time.Duration, f func()) (stop func() bool)
}

// Controller is the one broker that decides, while it holds /controller. Its methods may be called by several goroutines.
type Controller struct {
	o       Options
	begun   time.Time
	epoch   int32
	version int32 // of /controller_epoch
	events  *eventQueue
	ctx     context.Context // of all that it does with the tree and with brokers
	cancel  context.CancelFunc
	done    chan struct{}  // closed when no event is taken any more
	working sync.WaitGroup // the goroutine that uses the tree

	// What follows belongs to the goroutine that runs.

	state     *State
	brokers   map[int32]*brokerQueue
	waiting   []*task // those that are not answered yet
	resigned  error   // why the controller does not go on
	timer     func() bool
	timerMs   int64 // when the timer is due
	balanceMs int64 // when the balance is looked at next, 0 for never
}

// firstBalance is how long after an election the balance is looked at first.
const firstBalance = 5 * time.Second

// newController makes the controller of an epoch that was won.
func newController(o Options, epoch, epochVersion int32) *Controller {
	c := &Controller{o: o, begun: o.Clock(), epoch: epoch, version: epochVersion, events: newEventQueue(), done: make(chan struct{}), brokers: map[int32]*brokerQueue{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.state = NewState(o.BrokerID, epoch, epochVersion, &c.o.Rules)
	if o.BalanceEvery > 0 {
		c.balanceMs = c.now() + min(firstBalance, o.BalanceEvery).Milliseconds()
	}
	return c
}

// Do hands in an event and waits until it is decided, written and carried out, or the context ends. An event that has begun by then goes on
// without the caller, who must not look at it again; one that has not never begins. The error is about the whole event; what
// is about one topic or partition stands in the event's results.
func (c *Controller) Do(ctx context.Context, e Event) error {
	t := c.hand(e)
	err := c.await(ctx, t)
	if ctx.Err() != nil {
		c.events.withdraw(t)
	}
	return err
}

// hand puts an event into the queue.
func (c *Controller) hand(e Event) *task {
	t := newTask(e)
	c.events.put(queued{event: e, task: t})
	return t
}

// await waits for the answer to an event.
func (c *Controller) await(ctx context.Context, t *task) error {
	select {
	case err := <-t.done:
		return err
	case <-c.done:
		select {
		case err := <-t.done: // it was answered before the end
			return err
		default:
			return order.ErrNotController
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tell hands in an event that nobody waits for. It does not wait.
func (c *Controller) Tell(e Event) { c.hand(e) }

// Epoch is the controller's epoch.
func (c *Controller) Epoch() int32 { return c.epoch }

// Done is closed when the controller does not decide any more.
func (c *Controller) Done() <-chan struct{} { return c.done }

// Close stops deciding and sending, and waits until the tree is not used any more. Who waits for an answer gets order.ErrNotController.
// An order that is under way may end later: this broker's own is a call, which a disk that hangs holds up. /controller stays as it is.
func (c *Controller) Close() {
	c.cancel()
	<-c.done
	c.working.Wait()
}

// now gives the milliseconds since the controller began, and one more: 0 is never. They go on as they do when somebody sets the clock.
func (c *Controller) now() int64 { return c.o.Clock().Sub(c.begun).Milliseconds() + 1 }

// run takes events until the controller resigns or is closed.
func (c *Controller) run() {
	defer close(c.done)
	for c.resigned == nil {
		q, ok := c.events.next(c.ctx)
		if !ok {
			break
		}
		c.handle(q)
	}
	if c.timer != nil {
		c.timer()
	}
	c.cancel()
	for _, q := range c.brokers {
		q.close()
	}
}

// handle takes an event, and answers the tasks that are done with it.
func (c *Controller) handle(q queued) {
	switch q.event.(type) {
	case nil:
	case *RetryDue:
		c.timer = nil
		c.process(q.event, q.task)
		if c.balanceMs > 0 && c.balanceMs <= c.now() && c.resigned == nil {
			c.balanceMs = c.now() + c.o.BalanceEvery.Milliseconds()
			c.process(&BalanceDue{}, q.task)
		}
	default:
		c.process(q.event, q.task)
	}
	if c.resigned != nil {
		return
	}
	if q.answers != nil {
		q.task.unanswered--
		if q.answers.isOwn() {
			q.task.untold--
		}
	}
	c.answerTasks()
	c.setTimer()
}

// process decides an event, with all that the tree is read and written for it.
func (c *Controller) process(e Event, t *task) {
	if e == t.event {
		t.deadlineMs = c.now() + t.timeoutMs()
		c.waiting = append(c.waiting, t)
	}
	d := c.state.Decide(e, c.now())
	for {
		c.act(d, t)
		if d.Resign != nil {
			c.resign(d.Resign)
			return
		}
		if len(d.Reads)+len(d.Txs) == 0 {
			break
		}
		performed := c.perform(d)
		if performed == nil {
			c.resign(order.ErrNotController)
			return
		}
		d = c.state.Decide(performed, c.now())
	}
	if e == t.event {
		t.handled = true
		c.state.complete(e)
	}
}

// act logs and sends what was decided.
func (c *Controller) act(d *Decision, t *task) {
	for _, n := range d.Notes {
		c.o.Logger.Log(c.ctx, n.Level, n.Message, n.Args...)
	}
	for _, e := range d.Events {
		c.o.Observer.Tell(c.o.Logger, e)
	}
	if d.Live != nil {
		c.reach(d.Live)
	}
	for i := range d.Batches {
		c.send(&d.Batches[i], t)
	}
}

// resign ends the controller after the event in hand.
func (c *Controller) resign(why error) {
	if !errors.Is(why, order.ErrNotController) {
		c.o.Logger.Error("the controller resigns", "controller_epoch", c.epoch, "error", why)
	} else {
		c.o.Logger.Info("the controller resigns", "controller_epoch", c.epoch)
	}
	c.resigned = why
}

// answerTasks answers whoever asked for what is done now, or whose time is up.
func (c *Controller) answerTasks() {
	left := c.waiting[:0]
	for _, t := range c.waiting {
		if !c.state.isDone(t) && t.deadlineMs > c.now() {
			left = append(left, t)
			continue
		}
		c.state.close(t)
		c.logTopics(t.event)
		t.finished = true
		t.done <- nil
	}
	clear(c.waiting[len(left):])
	c.waiting = left
}

// setTimer has a RetryDue come when something is to be done again, or somebody's time is up.
func (c *Controller) setTimer() {
	dueMs := c.state.NextMs()
	sooner := func(ms int64) {
		if ms > 0 && (dueMs == 0 || ms < dueMs) {
			dueMs = ms
		}
	}
	sooner(c.balanceMs)
	for _, t := range c.waiting {
		sooner(t.deadlineMs)
	}
	if dueMs == 0 && c.timer != nil {
		c.timer()
		c.timer = nil
	}
	if dueMs == 0 || c.timer != nil && c.timerMs <= dueMs {
		return
	}
	if c.timer != nil {
		c.timer()
	}
	c.timerMs = dueMs
	c.timer = c.o.After(time.Duration(max(0, dueMs-c.now()))*time.Millisecond, func() { c.Tell(&RetryDue{}) })
}
