package server

import (
	"fmt"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/transport"
)

// call is one request on its way through the server.
type call struct {
	conn    *transport.Conn
	server  *Server
	api     *protocol.API
	header  protocol.RequestHeader
	body    []byte           // what follows the header; nil once forgetBody was called
	large   bool             // it has many elements and holds a place, see places
	answer  transport.Answer // the place in the order of the connection's answers
	replied bool             // the answer was filled, or is left to whoever completes it
}

// handler serves one API. A request is answered by reply, replyParts or
// noReply, or by conn.Complete later on; the error that it returns instead
// closes the connection, as the reference broker does with what it cannot read.
type handler func(*Server, *call) error

// maxTypedBytes bounds the body of a request whose message is kmsg's, together
// with maxElements: in memory it can take a hundred times what it takes on the
// wire, as a list of empty names does. What an administrator asks for is far
// below. Produce and Fetch are not bound by it.
const maxTypedBytes = 8 << 20

// typed makes a handler of a function from a request to its response, for the
// APIs whose messages are kmsg's.
func typed[Req kmsg.Request](newRequest func() Req, serve func(*Server, *call, Req) kmsg.Response) handler {
	return func(s *Server, c *call) error {
		req := newRequest()
		done, err := s.decode(c, req)
		if err != nil {
			return err
		}
		defer done()
		c.forgetBody()
		c.reply(serve(s, c, req))
		return nil
	}
}

// decode reads a request's body. done is to be called when the request has been served: one of many elements keeps
// others of that kind waiting, see places.
func (s *Server) decode(c *call, req kmsg.Request) (done func(), err error) {
	if len(c.body) > maxTypedBytes {
		return nil, fmt.Errorf("the body has %d bytes, more than the %d that are read", len(c.body), maxTypedBytes)
	}
	elements, err := checkShape(c.api, c.header.Version, c.body)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	done = func() {}
	if elements > manyElementsOf(c.api.Key) {
		if done, err = s.many.take(waitOf(c.api.Key), c.conn.Quit()); err != nil {
			return nil, err
		}
		c.large = true
	}
	req.SetVersion(c.header.Version)
	if err := req.ReadFrom(c.body); err != nil {
		done()
		return nil, fmt.Errorf("the body cannot be decoded: %w", err)
	}
	return done, nil
}

// typedLater makes a handler of a function that may answer when it has returned, on any goroutine, but
// answers once. The connection's next request is handled after that, as by the reference.
func typedLater[Req kmsg.Request](newRequest func() Req, serve func(s *Server, c *call, req Req, answer func(kmsg.Response))) handler {
	return func(s *Server, c *call) error {
		req := newRequest()
		done, err := s.decode(c, req)
		if err != nil {
			return err
		}
		defer done()
		c.replied = true
		c.conn.HoldNext()
		var left atomic.Bool // by the handler, or by the answer: whoever comes second
		serve(s, c, req, func(resp kmsg.Response) {
			if !left.Swap(true) {
				c.reply(resp)
				return
			}
			c.replyBy(transport.Aside, resp)
			c.conn.ServeNext()
		})
		if left.Swap(true) { // it is answered
			c.conn.ServeNext()
		}
		return nil
	}
}

// dispatch finds the request's handler and calls it. The error, if any, closes
// the connection.
func (s *Server) dispatch(c *transport.Conn, header protocol.RequestHeader, body []byte) error {
	api, _ := protocol.Lookup(header.Key) // the header was read, so it is there
	k := &call{conn: c, server: s, api: api, header: header, body: body}
	if !api.Serves(header.Version) {
		if header.Key == protocol.KeyAPIVersions {
			if !c.Expect(&k.answer) {
				return net.ErrClosed
			}
			refuseApiVersions(k)
			return nil
		}
		return fmt.Errorf("API key %d version %d is not served", header.Key, header.Version)
	}
	if header.Key != protocol.KeyProduce {
		c.MayWait()
	}
	if !c.Expect(&k.answer) {
		return net.ErrClosed
	}
	if err := handlers[header.Key](s, k); err != nil {
		if !k.replied {
			k.noReply()
		}
		return &RequestError{API: api.Name, Version: header.Version, Err: err}
	}
	return nil
}

// forgetBody gives the request's bytes back, with what they took of queued.max.request.bytes. A handler that may wait does so
// first: what it waits for may be a request that waits for these bytes.
func (c *call) forgetBody() {
	c.body = nil
	c.conn.ForgetRequest()
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

// begin starts the answer's bytes: room for the size, then the response header.
func (c *call) begin() []byte {
	return protocol.BeginResponse(c.conn.Buffer(answerBytes), c.api, c.header.Version, c.header.CorrelationID)
}

// reply answers with a message.
func (c *call) reply(resp kmsg.Response) { c.replyBy(transport.Own, resp) }

func (c *call) replyBy(by transport.Completer, resp kmsg.Response) {
	resp.SetVersion(c.header.Version)
	c.fill(resp.AppendTo(c.begin()))
	c.conn.Complete(&c.answer, by)
}

// fill makes buf, which begin started, the whole answer. buf goes back to its
// pool once it is sent.
func (c *call) fill(buf []byte) {
	protocol.FinishResponse(buf, 0)
	c.answer.Fill(buf)
	c.replied = true
}

// noReply keeps the request's place in the order and sends nothing there.
func (c *call) noReply() {
	c.replied = true
	c.conn.Complete(&c.answer, transport.Own)
}

// clientID is the name that the client gave itself; empty when none.
func (c *call) clientID() string {
	if c.header.ClientID == nil {
		return ""
	}
	return *c.header.ClientID
}
