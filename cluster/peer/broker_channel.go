package peer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
)

// BrokerOptions are what a [BrokerChannel] is made of. All fields but After are required.
type BrokerOptions struct {
	BrokerID int32
	// Endpoint is the broker's listener for the controller, as the broker has registered it.
	Endpoint order.Endpoint
	Dial     Dial
	Logger   *slog.Logger
	// After makes the timers; time.After when nil.
	After func(time.Duration) <-chan time.Time
}

// The wait before an order is sent again: the first time at once, if the broker has answered over this connection before.
const (
	firstOrderPause = 20 * time.Millisecond
	mostOrderPause  = 100 * time.Millisecond // as kafka.controller.RequestSendThread
)

// BrokerChannel is the controller's connection to one broker in one life: a broker that registers again gets another channel. It
// sends one order at a time, in the order of the calls of one goroutine, and sends it again unchanged after a cut or a time-out
// until it is answered: the broker may have carried it out before. Any goroutine may call Close; the other methods are called by
// one at a time.
type BrokerChannel struct {
	o      BrokerOptions
	health health

	quit context.Context // ends with Close
	stop context.CancelFunc

	mu       sync.Mutex
	conn     Conn // guarded by mu; nil while there is none
	answered bool // guarded by mu; the broker has answered over conn
}

// NewBrokerChannel makes a channel. It connects with the first order.
func NewBrokerChannel(o BrokerOptions) *BrokerChannel {
	if o.After == nil {
		o.After = time.After
	}
	c := &BrokerChannel{o: o, health: health{logger: o.Logger, what: fmt.Sprintf("broker %d", o.BrokerID)}}
	c.quit, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends the channel. An order that waits for its answer ends with ErrClosed.
func (c *BrokerChannel) Close() {
	c.stop()
	c.drop(nil)
}

// LeaderAndISR sends the order and gives the broker's answer. The error is ErrClosed, or that of the context.
func (c *BrokerChannel) LeaderAndISR(ctx context.Context, r *order.LeaderAndISRRequest) (order.Answer, error) {
	resp, err := c.send(ctx, r.Wire())
	if err != nil {
		return order.Answer{}, err
	}
	return r.AnswerFromWire(resp.(*kmsg.LeaderAndISRResponse)), nil
}

// StopReplica sends the order and gives the broker's answer. The error is ErrClosed, or that of the context.
func (c *BrokerChannel) StopReplica(ctx context.Context, r *order.StopReplicaRequest) (order.Answer, error) {
	resp, err := c.send(ctx, r.Wire())
	if err != nil {
		return order.Answer{}, err
	}
	return r.AnswerFromWire(resp.(*kmsg.StopReplicaResponse)), nil
}

// UpdateMetadata sends the metadata and gives the broker's answer, which has no partitions. The error is ErrClosed, or that of the
// context.
func (c *BrokerChannel) UpdateMetadata(ctx context.Context, r *order.UpdateMetadataRequest) (order.Answer, error) {
	resp, err := c.send(ctx, r.Message())
	if err != nil {
		return order.Answer{}, err
	}
	return order.Answer{Err: order.ErrorOf(resp.(*kmsg.UpdateMetadataResponse).ErrorCode)}, nil
}

// send sends a request until it is answered.
func (c *BrokerChannel) send(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.quit, cancel)()
	wait := pause{first: firstOrderPause, most: mostOrderPause, after: c.o.After}
	for {
		resp, again, err := c.try(ctx, req)
		if err == nil {
			c.health.success(c.o.Endpoint)
			return resp, nil
		}
		if err := c.ended(ctx); err != nil {
			return nil, err
		}
		c.health.failure(c.o.Endpoint, err)
		if again {
			continue
		}
		select {
		case <-wait.begin():
		case <-ctx.Done():
			return nil, c.ended(ctx)
		}
	}
}

// ended gives why an order is not sent again, nil while it is.
func (c *BrokerChannel) ended(ctx context.Context) error {
	if c.quit.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// try sends a request once. again says that it failed on a connection that had been good, so that another one is worth trying at once.
func (c *BrokerChannel) try(ctx context.Context, req kmsg.Request) (resp kmsg.Response, again bool, err error) {
	conn, answered, err := c.connect(ctx)
	if err == nil {
		if resp, err = conn.Request(ctx, req); err != nil {
			c.drop(conn)
		}
	}
	if err != nil {
		return nil, answered, err
	}
	c.mu.Lock()
	c.answered = c.conn == conn
	c.mu.Unlock()
	return resp, false, nil
}

// connect gives the connection, a new one if there is none.
func (c *BrokerChannel) connect(ctx context.Context) (conn Conn, answered bool, err error) {
	c.mu.Lock()
	conn, answered = c.conn, c.answered
	c.mu.Unlock()
	if conn != nil {
		return conn, answered, nil
	}
	if conn, err = c.o.Dial(ctx, c.o.Endpoint); err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quit.Err() != nil {
		conn.Close()
		return nil, false, ErrClosed
	}
	c.conn, c.answered = conn, false
	return conn, false, nil
}

// drop closes a connection, nil for whichever there is.
func (c *BrokerChannel) drop(conn Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && (conn == nil || c.conn == conn) {
		c.conn.Close()
		c.conn = nil
	}
}
