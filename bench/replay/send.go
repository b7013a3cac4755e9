package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Done is what a run did: how many requests were answered, and how long that took.
type Done struct {
	Requests int64
	Bytes    int64 // of record batches, as they went over the wire
	Took     time.Duration
	// Latencies are from before a request was written to after its answer was read,
	// in nanoseconds, in no order.
	Latencies []int64
}

// Sending says what Send sends: the Frames, over Connections connections to the broker at Addr. Every field is
// required but During, and BatchBytes where nothing is produced.
type Sending struct {
	Addr        string
	Frames      *Frames
	BatchBytes  int // of the batch in each frame
	Connections int
	InFlight    int           // requests of a connection that are not answered yet, at most
	Requests    int           // of all connections together
	During      time.Duration // 0: until all are answered
}

// Send sends the frames round and round over all connections at once. It ends
// when all requests are answered; once During is over, no more are sent.
func Send(ctx context.Context, p Sending) (Done, error) {
	conns := make([]*sender, p.Connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	for i := range conns {
		conn, err := dial(ctx, p.Addr)
		if err != nil {
			return Done{}, err
		}
		quota := p.Requests / p.Connections
		if i < p.Requests%p.Connections {
			quota++
		}
		conns[i] = &sender{Sending: p, conn: conn, answers: bufio.NewReaderSize(conn, 16<<10), quota: quota,
			first: i * p.Frames.Len() / p.Connections, sentAt: make([]time.Time, p.InFlight), latencies: make([]int64, 0, min(quota, 1<<16))}
	}
	begun := time.Now()
	until := begun.Add(p.During)
	if err := all(ctx, p.Connections, func(ctx context.Context, i int) error { return conns[i].run(ctx, until) }); err != nil {
		return Done{}, err
	}
	done := Done{Took: time.Since(begun)}
	for _, c := range conns {
		done.Requests += int64(c.answered)
		done.Latencies = append(done.Latencies, c.latencies...)
	}
	done.Bytes = done.Requests * int64(p.BatchBytes)
	return done, nil
}

// dial connects to a broker.
func dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// all runs n workers; the first error ends the others.
func all(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := range n {
		workers.Go(func() {
			if err := work(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// sender is one connection. A single goroutine writes and reads, so that answers that
// came together let as many requests go together, with one system call each way. It
// cannot deadlock: the answers to what is in flight fit into the socket's buffers.
type sender struct {
	Sending
	conn    *net.TCPConn
	answers *bufio.Reader
	quota   int
	first   int // the frame to begin with

	sent, answered int
	sentAt         []time.Time // of request n at n mod InFlight
	latencies      []int64
}

func (c *sender) run(ctx context.Context, until time.Time) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		if err := c.send(until); err != nil {
			return fmt.Errorf("replay: writing request %d: %w", c.sent, err)
		}
		if c.answered == c.sent {
			return nil
		}
		if err := c.receive(); err != nil {
			return fmt.Errorf("replay: reading the answer to request %d: %w", c.answered, err)
		}
	}
}

// send fills what may be in flight, unless the time is up; one request is always sent.
func (c *sender) send(until time.Time) error {
	now := time.Now()
	n := min(c.InFlight-(c.sent-c.answered), c.quota-c.sent)
	if c.During > 0 && c.sent > 0 && !now.Before(until) {
		n = 0
	}
	for n > 0 {
		span, frames := c.Frames.span(c.index(c.sent), n)
		for i := range frames {
			c.sentAt[(c.sent+i)%c.InFlight] = now
		}
		if _, err := c.conn.Write(span); err != nil {
			return err
		}
		c.sent += frames
		n -= frames
	}
	return nil
}

// index is the frame that request n sends.
func (c *sender) index(n int) int { return (c.first + n) % c.Frames.Len() }

// receive reads one answer, and those that have come with it.
func (c *sender) receive() error {
	for first := true; first || c.buffered(); first = false {
		head, err := c.answers.Peek(4)
		if err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head))
		if n < 4 || n > c.answers.Size()-4 {
			return fmt.Errorf("an answer of %d bytes", n)
		}
		answer, err := c.answers.Peek(4 + n)
		if err != nil {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if c.answered == c.sent {
			return errors.New("an answer that nothing was asked for")
		}
		if err := c.Frames.check(answer[4:], int32(c.index(c.answered))); err != nil {
			return err
		}
		_, _ = c.answers.Discard(4 + n) // it is buffered
		c.latencies = append(c.latencies, int64(time.Since(c.sentAt[c.answered%c.InFlight])))
		c.answered++
	}
	return nil
}

// buffered says whether a whole answer has been read already.
func (c *sender) buffered() bool {
	if c.answers.Buffered() < 4 {
		return false
	}
	head, _ := c.answers.Peek(4)
	return c.answers.Buffered() >= 4+int(binary.BigEndian.Uint32(head))
}
