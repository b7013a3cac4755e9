package controller

import (
	"context"
	"slices"
	"sync"
	"time"

	"klamm/cluster/order"
)

// brokerQueue sends one broker its messages, one after the other, on a goroutine of its own: a broker that is slow, or
// a disk that is, holds up nobody else, and the controller's goroutine never. A broker that registers again gets another queue: what
// was left for its earlier life is dropped.
type brokerQueue struct {
	controller *Controller
	id         int32
	epoch      int64
	endpoints  []order.Endpoint // belongs to the controller's goroutine; where channel leads
	ctx        context.Context
	cancel     context.CancelFunc

	mu       sync.Mutex
	channel  Channel            // guarded by mu
	way      context.Context    // guarded by mu; ends when another channel replaces this one
	leave    context.CancelFunc // guarded by mu; ends way
	messages []*message         // guarded by mu; those that are not sent yet
	running  bool               // guarded by mu; a goroutine sends
	more     chan struct{}      // has an element when a message came
}

// message is one request to a broker.
type message struct {
	lead     *order.LeaderAndISRRequest
	metadata *order.UpdateMetadataRequest
	stop     *order.StopReplicaRequest
	leads    bool // lead makes the broker the leader of its partitions
	task     *task
	counts   bool // the task waits for the answer
	// before holds the message up for a moment, until the new leaders of its partitions know that they are: a follower that
	// asks a leader before that is turned away, and an Apache broker then rests for a second. Nil: nothing does.
	before *gate
	// opens is told when the message was answered, nil if nobody waits for that.
	opens *gate
}

// gate is open when as many messages as it was made for are answered, or after gateTime.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	left int         // guarded by mu; 0 when it is open
	stop func() bool // guarded by mu; stops the timer, nil while there is none
}

// gateTime is how long messages to followers wait for the answers of new leaders.
const gateTime = 50 * time.Millisecond

// count takes in answers.
func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left == 0 {
		return
	}
	if g.left = max(0, g.left-n); g.left > 0 {
		return
	}
	close(g.open)
	if g.stop != nil {
		g.stop()
	}
}

// limit opens the gate after gateTime.
func (g *gate) limit(after func(time.Duration, func()) func() bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left > 0 {
		n := g.left
		g.stop = after(gateTime, func() { g.count(n) })
	}
}

// reach makes the queues of brokers that registered, and drops those of brokers that are gone. One whose listeners changed keeps its
// queue and gets another channel. Apache's controller goes on to use the old address until the broker registers again, and so gives no
// orders to a broker that listens there no more.
func (c *Controller) reach(live []order.LiveBroker) {
	now := map[int32]order.LiveBroker{}
	for _, b := range live {
		now[b.ID] = b
	}
	for id, q := range c.brokers {
		if b, there := now[id]; !there || b.Epoch != q.epoch {
			q.close()
			delete(c.brokers, id)
		} else if !slices.Equal(b.Endpoints, q.endpoints) {
			q.move(b)
		}
	}
	for id, b := range now {
		if c.brokers[id] == nil {
			q := &brokerQueue{controller: c, id: b.ID, epoch: b.Epoch, more: make(chan struct{}, 1)}
			q.ctx, q.cancel = context.WithCancel(c.ctx)
			q.move(b)
			c.brokers[id] = q
		}
	}
}

// move makes the channel to where the broker listens now. What is under way on the one before is sent again.
func (q *brokerQueue) move(b order.LiveBroker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.channel != nil {
		q.leave()
		q.channel.Close()
	}
	q.endpoints, q.channel = b.Endpoints, q.controller.o.Dial(b)
	q.way, q.leave = context.WithCancel(q.ctx)
}

// isOwn says whether the broker is this one.
func (q *brokerQueue) isOwn() bool { return q.id == q.controller.o.BrokerID }

func (q *brokerQueue) close() {
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.channel.Close()
	q.wakeLocked()
}

// add takes a message. It does not wait for anything.
func (q *brokerQueue) add(m *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, m)
	q.wakeLocked()
	if !q.running {
		q.running = true
		go q.run()
	}
}

func (q *brokerQueue) wakeLocked() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// run sends until nothing is left.
func (q *brokerQueue) run() {
	for {
		q.mu.Lock()
		if len(q.messages) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		m := q.messages[0]
		q.messages = q.messages[1:]
		q.mu.Unlock()
		q.pass(m)
		q.deliver(m)
	}
}

// pass waits for a message's gate, unless another message is behind it: then it goes at once, since the other must not wait.
func (q *brokerQueue) pass(m *message) {
	for m.before != nil {
		q.mu.Lock()
		behind := len(q.messages)
		q.mu.Unlock()
		if behind > 0 {
			return
		}
		select {
		case <-m.before.open:
			return
		case <-q.ctx.Done():
			return
		case <-q.more:
		}
	}
}

// deliver sends a message and hands in the answer.
func (q *brokerQueue) deliver(m *message) {
	answer := &OrdersAnswered{Broker: q.id, BrokerEpoch: q.epoch}
	err := q.ctx.Err()
	for again := err == nil; again; {
		q.mu.Lock()
		to, ctx := q.channel, q.way
		q.mu.Unlock()
		switch {
		case m.lead != nil:
			answer.Lead = m.lead.Partitions
			answer.Answer, err = to.LeaderAndISR(ctx, m.lead)
		case m.stop != nil:
			answer.Stop = m.stop.Partitions
			answer.Answer, err = to.StopReplica(ctx, m.stop)
		default:
			answer.Answer, err = to.UpdateMetadata(ctx, m.metadata)
		}
		again = err != nil && ctx.Err() != nil && q.ctx.Err() == nil // the broker has moved
	}
	if m.opens != nil {
		m.opens.count(1)
	}
	e := queued{event: answer, task: m.task}
	if m.counts {
		e.answers = q
	}
	if err != nil || answer.Lead == nil && answer.Stop == nil && answer.Err == nil {
		e.event = nil
	}
	if e.event != nil || m.counts {
		q.controller.events.put(e)
	}
}

// send puts a batch into the queues of its brokers: new leaders first.
func (c *Controller) send(b *Batch, t *task) {
	nodes := c.nodes(b.Live)
	leads := map[int32]*message{}
	followers := map[int32][]order.LeaderAndISR{}
	for _, live := range b.Live {
		lead, follow := split(b.LeaderAndISR[live.ID], live.ID)
		followers[live.ID] = follow
		if len(lead) > 0 {
			leads[live.ID] = &message{lead: c.leadRequest(live, lead, nodes), leads: true}
		}
	}
	g := &gate{open: make(chan struct{}), left: len(leads)}
	for id, m := range leads {
		m.opens = g
		c.enqueue(id, m, t)
	}
	metadata, encoded := map[int32]bool{}, new(order.EncodedTopics)
	for _, id := range b.MetadataTo {
		metadata[id] = true
	}
	for _, live := range b.Live {
		var before *gate
		if others := len(leads); others > 1 || others == 1 && leads[live.ID] == nil {
			before = g
		}
		if metadata[live.ID] {
			req := &order.UpdateMetadataRequest{Header: c.header(live), Topics: b.Metadata, Brokers: b.ShownTo(live.ID), Encoded: encoded}
			c.enqueue(live.ID, &message{metadata: req, before: before}, t)
		}
		if follow := followers[live.ID]; len(follow) > 0 {
			c.enqueue(live.ID, &message{lead: c.leadRequest(live, follow, nodes), before: before}, t)
		}
		if stop := b.Stop[live.ID]; len(stop) > 0 {
			c.enqueue(live.ID, &message{stop: &order.StopReplicaRequest{Header: c.header(live), Partitions: stop}, before: before}, t)
		}
	}
	if len(leads) > 0 && len(b.Live) > 1 {
		g.limit(c.o.After)
	}
}

func (c *Controller) enqueue(id int32, m *message, t *task) {
	q := c.brokers[id]
	if q == nil {
		if m.opens != nil {
			m.opens.count(1)
		}
		return // the broker is gone, as the next event says
	}
	m.task = t
	b := c.state.brokers[id]
	suspect := b != nil && b.suspect // nobody waits for its answer
	if m.counts = !suspect && !t.finished && t.waitsFor(m, q.isOwn()); m.counts {
		t.unanswered++
		if q.isOwn() {
			t.untold++
		}
	}
	q.add(m)
}

func (c *Controller) header(b order.LiveBroker) order.Header {
	return order.Header{ControllerID: c.o.BrokerID, ControllerEpoch: c.epoch, BrokerEpoch: b.Epoch}
}

// leadRequest is a LeaderAndIsr with the addresses of the leaders.
func (c *Controller) leadRequest(b order.LiveBroker, list []order.LeaderAndISR, nodes map[int32]order.Node) *order.LeaderAndISRRequest {
	req := &order.LeaderAndISRRequest{Header: c.header(b), Partitions: list}
	named := map[int32]bool{}
	for i := range list {
		if n, there := nodes[list[i].Leader]; there && !named[n.ID] {
			named[n.ID] = true
			req.LiveLeaders = append(req.LiveLeaders, n)
		}
	}
	return req
}

// nodes are the brokers' addresses among each other.
func (c *Controller) nodes(live []order.LiveBroker) map[int32]order.Node {
	nodes := map[int32]order.Node{}
	for _, b := range live {
		for _, e := range b.Endpoints {
			if e.Listener == c.o.Listener {
				nodes[b.ID] = order.Node{ID: b.ID, Host: e.Host, Port: e.Port}
			}
		}
	}
	return nodes
}

// split parts the orders that make a broker a leader from the others.
func split(list []order.LeaderAndISR, id int32) (lead, follow []order.LeaderAndISR) {
	leads := 0
	for i := range list {
		if list[i].Leader == id {
			leads++
		}
	}
	lead, follow = make([]order.LeaderAndISR, 0, leads), make([]order.LeaderAndISR, 0, len(list)-leads)
	for i := range list {
		if list[i].Leader == id {
			lead = append(lead, list[i])
		} else {
			follow = append(follow, list[i])
		}
	}
	return lead, follow
}
