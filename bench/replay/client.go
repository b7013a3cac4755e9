package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is a connection that carries one request at a time, which is encoded when it is
// sent. A thousand clients cost little, since a client is no more than its connection.
// One goroutine at a time may use it. It is a kmsg.Requestor.
type Client struct {
	conn        *net.TCPConn
	in          *bufio.Reader
	correlation int32
	frame       []byte
}

// maxAnswer bounds what a Client takes.
const maxAnswer = 64 << 20

// Dial connects a Client.
func Dial(ctx context.Context, addr string) (*Client, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, in: bufio.NewReaderSize(conn, 1024)}, nil
}

// DialMany connects n clients, one after the other, since a broker's backlog is short. When
// it fails, the caller closes the clients that it gave.
func DialMany(ctx context.Context, addr string, n int) (clients []*Client, err error) {
	for range n {
		c, err := Dial(ctx, addr)
		if err != nil {
			return clients, fmt.Errorf("replay: connection %d: %w", len(clients), err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// CloseAll closes clients.
func CloseAll(clients []*Client) {
	for _, c := range clients {
		c.Close()
	}
}

// Close closes the connection.
func (c *Client) Close() { c.conn.Close() }

// Request implements kmsg.Requestor. The request's version is as the caller has set it. A ctx that ends ends the
// connection.
func (c *Client) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.correlation++
	c.frame = formatter.AppendRequest(c.frame[:0], req, c.correlation)
	if _, err := c.conn.Write(c.frame); err != nil {
		return nil, err
	}
	var word [4]byte
	if _, err := io.ReadFull(c.in, word[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(word[:])
	if n < 5 || n > maxAnswer {
		return nil, fmt.Errorf("replay: an answer of %d bytes", n)
	}
	answer := make([]byte, n) // what is decoded may keep it
	if _, err := io.ReadFull(c.in, answer); err != nil {
		return nil, err
	}
	if err := checkOrder(answer, c.correlation); err != nil {
		return nil, err
	}
	body := answer[4:]
	resp := req.ResponseKind()
	if resp.IsFlexible() {
		if body[0] != 0 {
			return nil, fmt.Errorf("replay: an answer whose header has %d tags", body[0])
		}
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("replay: the answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp, nil
}
