package request

import (
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/transport"
)

// Call is one request on its way through the server.
type Call struct {
	Conn    *transport.Conn
	API     *protocol.API
	Header  protocol.RequestHeader
	Body    []byte           // what follows the header; nil once forgetBody was called
	Answer  transport.Answer // the place in the order of the connection's answers
	Places  *Places          // of requests of many elements
	large   bool             // it has many elements and holds a place, see Places
	replied bool             // the answer was filled, or is left to whoever completes it
}

// Handler serves one API. A request is answered by Reply or NoReply, or by Later and
// then Complete; the error that it returns instead closes the connection, as the
// reference broker does with what it cannot read.
type Handler func(*Call) error

// maxTypedBytes bounds the body of a request whose message is kmsg's, together
// with maxElements: in memory it can take a hundred times what it takes on the
// wire, as a list of empty names does. What an administrator asks for is far
// below. Produce and Fetch are not bound by it.
const maxTypedBytes = 8 << 20

// Typed makes a handler of a function from a request to its response, for the
// APIs whose messages are kmsg's.
func Typed[Req kmsg.Request](newRequest func() Req, serve func(*Call, Req) kmsg.Response) Handler {
	return TypedOrClosed(newRequest, func(c *Call, req Req) (kmsg.Response, error) { return serve(c, req), nil })
}

// TypedOrClosed is Typed for a function that may find that a request cannot be read. Its error closes the
// connection.
func TypedOrClosed[Req kmsg.Request](newRequest func() Req, serve func(*Call, Req) (kmsg.Response, error)) Handler {
	known := newShapes(func() kmsg.Request { return newRequest() })
	return func(c *Call) error {
		req := newRequest()
		done, err := c.decode(req, known)
		if err != nil {
			return err
		}
		defer done()
		c.forgetBody()
		resp, err := serve(c, req)
		if err != nil {
			return err
		}
		c.Reply(resp)
		return nil
	}
}

// decode reads a request's body. done is to be called when the request has been served: one of many elements keeps
// others of that kind waiting, see Places.
func (c *Call) decode(req kmsg.Request, known *shapes) (done func(), err error) {
	if len(c.Body) > maxTypedBytes {
		return nil, fmt.Errorf("the body has %d bytes, more than the %d that are read", len(c.Body), maxTypedBytes)
	}
	elements, err := known.check(c.API, c.Header.Version, c.Body)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	done = func() {}
	if elements > manyElementsOf(c.API.Key) {
		if done, err = c.Places.Take(WaitOf(c.API.Key), c.Conn.Quit()); err != nil {
			return nil, err
		}
		c.large = true
	}
	req.SetVersion(c.Header.Version)
	if err := req.ReadFrom(c.Body); err != nil {
		done()
		return nil, fmt.Errorf("the body cannot be decoded: %w", err)
	}
	return done, nil
}

// TypedLater makes a handler of a function that may answer when it has returned, on any goroutine, but
// answers once. The connection's next request is handled after that, as by the reference.
func TypedLater[Req kmsg.Request](newRequest func() Req, serve func(c *Call, req Req, answer func(kmsg.Response))) Handler {
	known := newShapes(func() kmsg.Request { return newRequest() })
	return func(c *Call) error {
		req := newRequest()
		done, err := c.decode(req, known)
		if err != nil {
			return err
		}
		defer done()
		c.replied = true
		c.Conn.HoldNext()
		// left is by the handler, or by the answer: whoever comes second has the next request served. An answer that comes first may
		// still be completed when the handler has returned: see transport.Conn.Complete.
		var left atomic.Bool
		serve(c, req, func(resp kmsg.Response) {
			if !left.Swap(true) {
				c.Reply(resp)
				return
			}
			c.replyBy(transport.Aside, resp)
			c.Conn.ServeNext()
		})
		if left.Swap(true) { // it is answered
			c.Conn.ServeNext()
		}
		return nil
	}
}

// Large says that the request has many elements and keeps others of its kind waiting, so that its handler is not to wait for
// what those of its API do not wait for, see Places.
func (c *Call) Large() bool { return c.large }

// forgetBody gives the request's bytes back, with what they took of queued.max.request.bytes. A handler that may wait does so
// first: what it waits for may be a request that waits for these bytes.
func (c *Call) forgetBody() {
	c.Body = nil
	c.Conn.ForgetRequest()
}

// RequestError says which request could not be served.
type RequestError struct {
	API     string
	Version int16
	Err     error
}

func (e *RequestError) Error() string { return fmt.Sprintf("%s v%d: %v", e.API, e.Version, e.Err) }
func (e *RequestError) Unwrap() error { return e.Err }

// answerBytes is the room that an answer's bytes begin with.
const answerBytes = 4 << 10

// Begin starts the answer's bytes: room for the size, then the response header.
func (c *Call) Begin() []byte {
	return protocol.BeginResponse(c.Conn.Buffer(answerBytes), c.API, c.Header.Version, c.Header.CorrelationID)
}

// Reply answers with a message.
func (c *Call) Reply(resp kmsg.Response) { c.replyBy(transport.Own, resp) }

func (c *Call) replyBy(by transport.Completer, resp kmsg.Response) {
	resp.SetVersion(c.Header.Version)
	c.Fill(resp.AppendTo(c.Begin()))
	c.Complete(by)
}

// Complete sends the answer in its turn. It is called once, by whoever has answered the
// request.
func (c *Call) Complete(by transport.Completer) { c.Conn.Complete(&c.Answer, by) }

// Later leaves the answer to whoever calls Complete, also after the handler has returned.
func (c *Call) Later() { c.replied = true }

// Replied says that the request is answered, or will be.
func (c *Call) Replied() bool { return c.replied }

// Fill makes buf, which Begin started, the whole answer. buf goes back to its
// pool once it is sent.
func (c *Call) Fill(buf []byte) {
	protocol.FinishResponse(buf, 0)
	c.Answer.Fill(buf)
	c.replied = true
}

// NoReply keeps the request's place in the order and sends nothing there.
func (c *Call) NoReply() {
	c.replied = true
	c.Complete(transport.Own)
}

// ClientID is the name that the client gave itself; empty when none.
func (c *Call) ClientID() string {
	if c.Header.ClientID == nil {
		return ""
	}
	return *c.Header.ClientID
}

// Who names the client, by its address and client id, if it has one; "" where no client asks. The id is as the client sent
// it.
func (c *Call) Who() string {
	if c == nil {
		return ""
	}
	at := c.Conn.RemoteAddr().String()
	if id := c.ClientID(); id != "" {
		return at + " " + id
	}
	return at
}

// ClientHost is where the client came from, as groups have it.
func (c *Call) ClientHost() string { return "/" + c.Conn.RemoteIP().String() }

// MaxNamed is how often one request may name a resource or a partition: that takes ten
// bytes, and what is answered a hundred thousand.
const MaxNamed = 4
