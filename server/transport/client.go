package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// ClientOptions are the options of a connection to another broker. The zero value is good.
type ClientOptions struct {
	// ClientID goes with each request; "" sends none.
	ClientID string
	// Dial opens the connection and gives it when requests may be sent: for a listener with TLS, after the handshake.
	// When it is nil, the connection is plain TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Timeout bounds Dial, and each request from its first byte to the last one of its answer: for replication
	// replica.socket.timeout.ms, for the controller controller.socket.timeout.ms. 0 is 30 seconds.
	Timeout time.Duration
	// ReceiveBufferBytes and SendBufferBytes are the sizes of the socket's buffers; with 0 or less the operating system chooses.
	ReceiveBufferBytes, SendBufferBytes int
	// MaxFetchBytes bounds the answer to a Fetch. A leader sends a whole batch, however few bytes were asked for, and a batch may
	// be as large as a request of a producer. 0 is 256 MiB.
	MaxFetchBytes int32
}

// The defaults of ClientOptions.
const (
	clientTimeout  = 30 * time.Second
	clientMaxFetch = 256 << 20
)

// Client is a connection to another broker, over which this broker sends requests. It has one request under way at a time; a
// second one waits for the first. Any goroutine may use it.
//
// A Client does not heal. After a request that failed on the way (not sent, cut off, answered too late or with nonsense),
// nobody can tell which answer the next bytes belong to. So the connection is closed then, and every later request fails:
// the owner dials again. All errors are [*PeerError]; what they wrap tells the reason, such as syscall.ECONNREFUSED,
// io.EOF (the peer closed the connection), os.ErrDeadlineExceeded or the error of the context.
type Client struct {
	o    ClientOptions
	addr string
	nc   net.Conn

	turn      chan struct{} // holds one element while a request is under way
	broken    atomic.Bool   // the connection is closed
	answering atomic.Bool   // the answer to the request under way has begun to come

	// Whoever has the turn uses these:
	correlation int32
	reader      smallReader
	br          *bufio.Reader
	proven      int // the size of the largest answer that has come whole, see room
	formatter   *kmsg.RequestFormatter
	fetched     kmsg.FetchResponse // the latest answer to a Fetch, whose memory the next one uses
}

// PeerError says which request to which broker failed, and why.
type PeerError struct {
	Addr    string
	Request string // the API and version, such as Fetch v17; "" for the connection itself
	Err     error
}

// Error names the broker's address and the request.
func (e *PeerError) Error() string {
	if e.Request == "" {
		return fmt.Sprintf("cannot connect to broker %s: %v", e.Addr, e.Err)
	}
	return fmt.Sprintf("%s to broker %s failed: %v", e.Request, e.Addr, e.Err)
}

// Unwrap gives the reason.
func (e *PeerError) Unwrap() error { return e.Err }

// AnswerError says that what a broker sent is not the answer to the request.
type AnswerError struct{ Reason string }

// Error gives the reason.
func (e *AnswerError) Error() string { return "the answer cannot be read: " + e.Reason }

// errUsedUp is the reason after a request has failed on the way, or Close was called.
var errUsedUp = fmt.Errorf("the connection is closed: %w", net.ErrClosed)

// Dial connects to a broker at addr, host:port.
func Dial(ctx context.Context, addr string, o ClientOptions) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = clientTimeout
	}
	if o.MaxFetchBytes <= 0 {
		o.MaxFetchBytes = clientMaxFetch
	}
	dial := o.Dial
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	in, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	nc, err := dial(in, addr)
	if err != nil {
		return nil, &PeerError{Addr: addr, Err: err}
	}
	if err := o.configure(nc); err != nil {
		return nil, errors.Join(&PeerError{Addr: addr, Err: err}, nc.Close())
	}
	c := &Client{o: o, addr: addr, nc: nc, turn: make(chan struct{}, 1)}
	c.reader.open(nc)
	c.br = bufio.NewReaderSize(&c.reader, readBuffer)
	var opts []kmsg.RequestFormatterOpt
	if o.ClientID != "" {
		opts = append(opts, kmsg.FormatterClientID(o.ClientID))
	}
	c.formatter = kmsg.NewRequestFormatter(opts...)
	return c, nil
}

// configure sets the sizes of the socket's buffers.
func (o *ClientOptions) configure(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	var receive, send error
	if o.ReceiveBufferBytes > 0 {
		receive = tcp.SetReadBuffer(o.ReceiveBufferBytes)
	}
	if o.SendBufferBytes > 0 {
		send = tcp.SetWriteBuffer(o.SendBufferBytes)
	}
	return errors.Join(receive, send)
}

// Addr gives the address that the client was dialled with.
func (c *Client) Addr() string { return c.addr }

// Close closes the connection. A request that is under way fails.
func (c *Client) Close() {
	if !c.broken.Swap(true) {
		_ = c.nc.Close()
	}
}

// Answering says whether the answer to the request that is under way has begun to come.
func (c *Client) Answering() bool { return c.answering.Load() }

// Request sends a request in the version that it has, and gives the answer. The request is not changed.
func (c *Client) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	var resp kmsg.Response
	err := c.do(ctx, req, func(frame *protocol.Buffer, body []byte) error {
		defer frame.Release()
		resp = req.ResponseKind()
		return decodeAnswer(req.Key(), resp, body)
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Fetch sends a Fetch and gives the answer without a copy of the records: they stand in a buffer that the caller gives back
// by release, once. After that nobody may look at the records. The answer itself is good until the next Fetch.
func (c *Client) Fetch(ctx context.Context, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, release func(), err error) {
	err = c.do(ctx, req, func(frame *protocol.Buffer, body []byte) error {
		c.fetched = kmsg.FetchResponse{Version: req.Version, Topics: c.fetched.Topics[:0]}
		if err := decodeAnswer(req.Key(), &c.fetched, body); err != nil {
			frame.Release()
			return err
		}
		resp, release = &c.fetched, frame.Release
		return nil
	})
	return resp, release, err
}

// do takes its turn, sends a request, and has read decode the answer. read owns the frame.
func (c *Client) do(ctx context.Context, req kmsg.Request, read func(frame *protocol.Buffer, body []byte) error) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return c.failed(req, err) // nothing was sent: the connection is as good as before
	}
	if c.broken.Load() {
		return c.failed(req, errUsedUp)
	}
	if err := c.exchange(ctx, req, read); err != nil {
		c.Close()
		if cause := ctx.Err(); cause != nil {
			err = cause // the deadline that this context set may be what failed
		}
		return c.failed(req, err)
	}
	return nil
}

func (c *Client) failed(req kmsg.Request, err error) error {
	name := kmsg.NameForKey(req.Key())
	if api, ok := protocol.Lookup(req.Key()); ok {
		name = api.Name
	}
	return &PeerError{Addr: c.addr, Request: fmt.Sprintf("%s v%d", name, req.GetVersion()), Err: err}
}

// exchange sends a request and reads its answer.
func (c *Client) exchange(ctx context.Context, req kmsg.Request, read func(*protocol.Buffer, []byte) error) error {
	if err := c.nc.SetDeadline(time.Now().Add(c.o.Timeout)); err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(longAgo) })
		defer func() {
			if !stop() { // it may run after this, and would end the next request
				c.Close()
			}
		}()
	}
	c.correlation++
	if err := c.send(req); err != nil {
		return err
	}
	size, err := c.readSize(req)
	if err != nil {
		return err
	}
	c.answering.Store(true)
	defer c.answering.Store(false)
	frame, err := protocol.ReadFrameBody(c.br, size, c.room)
	if err != nil {
		return err
	}
	c.proven = max(c.proven, min(int(size), maxProven))
	body, err := answerBody(req, frame.B, c.correlation)
	if err != nil {
		frame.Release()
		return err
	}
	return read(frame, body)
}

// send writes a request with one call.
func (c *Client) send(req kmsg.Request) error {
	out := protocol.NewBuffer(readBuffer)
	defer out.Release()
	out.B = c.formatter.AppendRequest(out.B, req, c.correlation)
	_, err := c.nc.Write(out.B)
	return err
}

// readSize reads the length prefix of an answer.
func (c *Client) readSize(req kmsg.Request) (int32, error) {
	p, err := c.br.Peek(4)
	if err != nil {
		if err == io.EOF && len(p) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	size, most := binary.BigEndian.Uint32(p), c.maxAnswerBytes(req.Key())
	if size > uint32(most) {
		first, _ := c.br.Peek(c.br.Buffered()) // those are there
		if what := protocol.LooksLike(first); what != "" {
			return 0, &AnswerError{"it looks like " + what}
		}
		return 0, &AnswerError{fmt.Sprintf("%d bytes are announced, the limit is %d", size, most)}
	}
	_, err = c.br.Discard(4)
	return int32(min(size, math.MaxInt32)), err
}

// maxProven bounds how large an answer's buffer is before its bytes have come.
const maxProven = 16 << 20

// room says for how many bytes of an answer an empty buffer is made: for as many as an earlier answer had. So the answers of a
// leader that sends much go straight into a buffer that is large enough, and a broker that announces much and sends little
// costs little.
func (c *Client) room(want int) int { return min(want, c.proven) }
