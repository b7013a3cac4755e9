package controller

import (
	"sync"

	"klamm/cluster/order"
)

// brokerQueue sends one broker its messages, one after the other, on a goroutine of its own: a broker that is slow, or
// a disk that is, holds up nobody else, and the controller's goroutine never. What the broker answers comes back to the
// controller as an event.
type brokerQueue struct {
	controller *Controller
	broker     int32

	mu       sync.Mutex
	messages []message // guarded by mu; those that are not sent yet
	running  bool      // guarded by mu; a goroutine sends
}

// message is what a broker is told at a time.
type message struct {
	lead []order.LeaderAndISR
	stop []order.StopReplica
	task *task
}

// add takes a message. It does not wait for anything.
func (q *brokerQueue) add(m message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, m)
	if !q.running {
		q.running = true
		q.controller.sending.Go(q.run)
	}
}

// run sends until nothing is left, or the controller stops.
func (q *brokerQueue) run() {
	c := q.controller
	for {
		q.mu.Lock()
		if len(q.messages) == 0 || c.stopping() {
			q.running = false
			q.mu.Unlock()
			return
		}
		m := q.messages[0]
		q.messages = q.messages[1:]
		q.mu.Unlock()
		answer := &OrdersAnswered{Broker: q.broker, Lead: m.lead, Stop: m.stop}
		answer.LeadErrs, answer.StopErrs = c.o.Sender.Send(q.broker, m.lead, m.stop)
		select {
		case c.queue <- queued{answer, m.task}:
		case <-c.stop:
		}
	}
}

// send puts the orders of a decision into the queues of their brokers. Every broker that lives gets a message when topics
// were removed, since Remove may have left work for it.
func (c *Controller) send(d *Decision, t *task) {
	for _, id := range c.state.liveIDs() {
		lead, stop := d.LeaderAndISR[id], d.Stop[id]
		if len(lead)+len(stop)+len(d.Removed) == 0 {
			continue
		}
		q := c.brokers[id]
		if q == nil {
			q = &brokerQueue{controller: c, broker: id}
			c.brokers[id] = q
		}
		t.unanswered++
		q.add(message{lead, stop, t})
	}
}
