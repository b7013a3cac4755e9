package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// Elector has this broker become the controller whenever there is none, for the life of one session (kafka.controller.KafkaController). Its
// methods may be called by several goroutines.
type Elector struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	looks  chan struct{} // has an element when /controller is to be looked at
	// takeovers has an element when the controller seems to be dead.
	takeovers chan attempt
	taken     takeover // the last one that succeeded; belongs to the goroutine

	mu     sync.Mutex
	active *Controller // guarded by mu; nil while another broker is the controller
	begun  bool        // guarded by mu; Start or Stand was called before Close, and done is closed in the end
}

// electionRetry is how long after a failed election the next one is tried.
const electionRetry = time.Second

// NewElector makes an elector that does nothing until Start or Stand, of which one is called, once.
func NewElector(o Options) *Elector {
	e := &Elector{o: o, done: make(chan struct{}), looks: make(chan struct{}, 1), takeovers: make(chan attempt, 1)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Start is Stand, but if this broker is elected at once it waits until it has decided what was left to decide and this broker has carried
// that out. The error is the tree's, or the context's.
func (e *Elector) Start(ctx context.Context) error {
	stop := context.AfterFunc(ctx, e.cancel) // a start that is given up is closed afterwards
	defer stop()
	c, started, err := e.stand()
	if c == nil || err != nil {
		return err
	}
	err = c.await(ctx, started)
	if errors.Is(err, order.ErrNotController) {
		<-c.Done()
		if err = c.resigned; errors.Is(err, order.ErrNotController) {
			return nil // another broker was elected since
		}
	}
	if err != nil {
		return fmt.Errorf("controller election: %w", err)
	}
	return nil
}

// Stand tries to become the controller, and goes on to try whenever there is none. The error is the tree's, or the context's. Stand waits
// for no order: a disk that hangs may hold this broker's own up.
func (e *Elector) Stand(ctx context.Context) error {
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	_, _, err := e.stand()
	return err
}

// stand is Stand. It gives the controller if this broker was elected at once, and its first event.
func (e *Elector) stand() (c *Controller, started *task, err error) {
	e.mu.Lock()
	err = e.ctx.Err()
	e.begun = err == nil
	e.mu.Unlock()
	if err == nil {
		if c, err = e.elect(e.ctx); err != nil {
			close(e.done)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("controller election: %w", err)
	}
	if c != nil {
		started = e.begin(c)
	}
	go e.run()
	return c, started, nil
}

// Event is told of watches of the session that fired. It does not wait.
func (e *Elector) Event(ev meta.Event) {
	if ev.Path == znode.Controller {
		e.look()
		return
	}
	e.Tell(&NodeChanged{Paths: []string{ev.Path}})
}

// Controller is this broker's controller, nil while another broker is the controller, or none.
func (e *Elector) Controller() *Controller {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active
}

// IsActive says whether this broker is the controller.
func (e *Elector) IsActive() bool { return e.Controller() != nil }

// Do hands an event to the controller, as [Controller.Do]. The error is order.ErrNotController if this broker is not it.
func (e *Elector) Do(ctx context.Context, ev Event) error {
	c := e.Controller()
	if c == nil {
		return order.ErrNotController
	}
	return c.Do(ctx, ev)
}

// Tell hands an event that nobody waits for to the controller, if this broker is it. It does not wait.
func (e *Elector) Tell(ev Event) {
	if c := e.Controller(); c != nil {
		c.Tell(ev)
	}
}

// Close resigns and elects no more, as at the end of the session. When it returns this broker decides nothing, and whoever waited for the
// controller has order.ErrNotController. Close does not write to the tree: /controller goes with the session.
func (e *Elector) Close() {
	e.cancel()
	e.mu.Lock()
	begun := e.begun
	e.mu.Unlock()
	if begun {
		<-e.done
	}
	e.end()
}

func (e *Elector) look() {
	select {
	case e.looks <- struct{}{}:
	default:
	}
}

// begin makes a controller the active one. Whatever anybody asks it comes after its first event, the returned one: before that it knows nothing.
// The goroutine of the elector calls begin, or what comes before that goroutine, so that Close ends the controller after it.
func (e *Elector) begin(c *Controller) *task {
	started := c.hand(&Started{})
	go c.run()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active = c
	return started
}

// end resigns.
func (e *Elector) end() {
	e.mu.Lock()
	c := e.active
	e.active = nil
	e.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// run elects whenever /controller is gone.
func (e *Elector) run() {
	defer close(e.done)
	for {
		var resigned <-chan struct{}
		if c := e.Controller(); c != nil {
			resigned = c.Done()
		}
		select {
		case <-e.ctx.Done():
			return
		case <-resigned:
			// It found that another broker is the controller, or could not go on: then it makes room.
			c := e.Controller()
			e.end()
			if !e.withdraw(c) {
				return
			}
		case t := <-e.takeovers:
			if c := e.takenOver(t); c != nil {
				e.begin(c)
			}
		case <-e.looks:
		}
		if !e.reelect() {
			return
		}
	}
}

// reelect looks at /controller, and tries until it could. It gives false when the elector is closed.
func (e *Elector) reelect() bool {
	for {
		c, err := e.elect(e.ctx)
		if e.ctx.Err() != nil || errors.Is(err, meta.ErrSessionExpired) {
			return e.ctx.Err() == nil && e.untilClosed()
		}
		if err == nil {
			if c != nil {
				e.begin(c)
			}
			return true
		}
		e.o.Logger.Error("the election of a controller failed, and is tried again", "error", err)
		if !e.pause(electionRetry) {
			return false
		}
	}
}

// untilClosed waits for the end of a session that is over.
func (e *Elector) untilClosed() bool {
	e.end()
	<-e.ctx.Done()
	return false
}

// pause waits. It gives false when the elector is closed.
func (e *Elector) pause(d time.Duration) bool {
	over := make(chan struct{})
	defer e.o.After(d, func() { close(over) })()
	select {
	case <-over:
		return true
	case <-e.ctx.Done():
		return false
	}
}
