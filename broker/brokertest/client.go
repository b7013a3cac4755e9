package brokertest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/internal/await"
	"klamm/protocol"
)

// Client is a connection on which a test sends and receives bytes without a client library.
type Client struct {
	T           testing.TB
	Conn        net.Conn
	Reader      *bufio.Reader
	correlation int32 // of the last request
	answered    int32 // of the last answer
	Format      *kmsg.RequestFormatter
}

// Dial connects to the broker.
func (b *Broker) Dial() *Client { return DialTo(b.T, b.Addr()) }

// DialTo connects to a TCP address.
func DialTo(t testing.TB, addr string) *Client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewClient(t, nc)
}

// NewClient makes a client of a connection, which it closes at the end of the test.
func NewClient(t testing.TB, nc net.Conn) *Client {
	t.Cleanup(func() { _ = nc.Close() })
	return &Client{T: t, Conn: nc, Reader: bufio.NewReader(nc), Format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))}
}

// Frame is a request's bytes, with the next correlation id.
func (c *Client) Frame(req kmsg.Request) []byte {
	c.correlation++
	return c.Format.AppendRequest(nil, req, c.correlation)
}

// Send writes requests, in one piece.
func (c *Client) Send(reqs ...kmsg.Request) {
	c.T.Helper()
	var all []byte
	for _, r := range reqs {
		all = append(all, c.Frame(r)...)
	}
	c.Write(all)
}

// Write writes bytes as they are.
func (c *Client) Write(b []byte) {
	c.T.Helper()
	if _, err := c.Conn.Write(b); err != nil {
		c.T.Fatal(err)
	}
}

// ReadFrame reads one answer without its length prefix.
func (c *Client) ReadFrame() ([]byte, error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(await.Patience))
	var size [4]byte
	if _, err := io.ReadFull(c.Reader, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c.Reader, b)
	return b, err
}

// Read reads the answer to req, which must be the next one. skipped says how
// many requests before it get no answer.
func (c *Client) Read(req kmsg.Request, skipped int32) (kmsg.Response, error) {
	c.answered += 1 + skipped
	body, err := c.ReadFrame()
	if err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(body)); got != c.answered {
		return nil, fmt.Errorf("an answer to request %d, where that to %d is due", got, c.answered)
	}
	body = body[4:]
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != protocol.KeyAPIVersions {
		body = body[1:]
	}
	return resp, resp.ReadFrom(body)
}

// Receive reads the answer to req. The test fails if it does not come.
func (c *Client) Receive(req kmsg.Request) kmsg.Response {
	c.T.Helper()
	resp, err := c.Read(req, 0)
	if err != nil {
		c.T.Fatal(err)
	}
	return resp
}

// Ask sends a request and returns its answer.
func (c *Client) Ask(req kmsg.Request) kmsg.Response {
	c.T.Helper()
	c.Send(req)
	return c.Receive(req)
}

// Closed waits until the broker closes the connection. The test fails if the broker sends
// bytes before.
func (c *Client) Closed() {
	c.T.Helper()
	_ = c.Conn.SetReadDeadline(time.Now().Add(await.Patience))
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.T.Fatalf("the broker sent %#x instead of closing the connection", b)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		c.T.Fatal("the connection is still open")
	}
}

// Alive checks that the connection is served.
func (c *Client) Alive() {
	c.T.Helper()
	c.Ask(APIVersions())
}
