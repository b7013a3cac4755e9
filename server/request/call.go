package request

import (
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/observe"
	"klamm/protocol"
	"klamm/protocol/shape"
	"klamm/server/transport"
)

// Call is one request on its way through the server.
type Call struct {
	Conn   *transport.Conn
	API    *protocol.API
	Header protocol.RequestHeader
	Body   []byte           // the bytes after the header; nil after forgetBody
	Peer   bool             // it came in on a listener that brokers use among themselves
	Answer transport.Answer // the answer's place in the order of the connection's answers
	Places *Places          // the places for requests of many elements
	// Stats counts the requests of the API; nil where nobody observes.
	Stats   *observe.Request
	codes   *codeFields // where the answer has error codes; nil where that is not known
	large   bool        // the request has many elements and holds a place, see Places
	replied bool        // the answer is filled, or somebody will call Complete later
}

// Handler serves one API. It answers a request by Reply or NoReply, or by Later and a
// call of Complete. If it returns an error instead, the server closes the connection, as
// the reference broker does with a request that it cannot read.
type Handler func(*Call) error

// Typed makes a Handler of a function that takes a request and returns its response. It
// is for the APIs whose messages are kmsg's.
func Typed[Req kmsg.Request](newRequest func() Req, serve func(*Call, Req) kmsg.Response) Handler {
	return TypedOrClosed(newRequest, func(c *Call, req Req) (kmsg.Response, error) { return serve(c, req), nil })
}

// TypedOrClosed is Typed for a function that can find a request unreadable. If the function returns an error, the
// server closes the connection.
func TypedOrClosed[Req kmsg.Request](newRequest func() Req, serve func(*Call, Req) (kmsg.Response, error)) Handler {
	known := shape.New(func() shape.Message { return newRequest() })
	codes := codeFieldsOf(newRequest().ResponseKind())
	return func(c *Call) error {
		req := newRequest()
		c.codes = codes
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

// decode reads a request's body into req. The caller calls done when the request has been served: a request of many
// elements holds a place until then, for which other such requests wait, see Places.
func (c *Call) decode(req kmsg.Request, known *shape.Shapes) (done func(), err error) {
	bytes, most := c.limits()
	if len(c.Body) > bytes {
		return nil, fmt.Errorf("the body has %d bytes, more than the %d that are read", len(c.Body), bytes)
	}
	elements, err := known.Check(c.Header.Version, c.Body, most)
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

// TypedLater makes a Handler of a function that may answer after it has returned, on any goroutine. The function
// calls answer exactly once. The connection handles its next request after the answer, as the reference does.
func TypedLater[Req kmsg.Request](newRequest func() Req, serve func(c *Call, req Req, answer func(kmsg.Response))) Handler {
	known := shape.New(func() shape.Message { return newRequest() })
	codes := codeFieldsOf(newRequest().ResponseKind())
	return func(c *Call) error {
		req := newRequest()
		c.codes = codes
		done, err := c.decode(req, known)
		if err != nil {
			return err
		}
		defer done()
		c.replied = true
		c.Conn.HoldNext()
		c.Waits()
		// Whoever comes second, the handler or the answer, has the next request served. The answer is complete by then: the handler
		// of the next request may wait for long, and the connection's goroutine looks at the queue of answers only after that.
		var second atomic.Bool
		serve(c, req, func(resp kmsg.Response) {
			c.Reply(resp)
			if second.Swap(true) {
				c.Conn.ServeNext()
			}
		})
		if second.Swap(true) {
			c.Conn.ServeNext()
		}
		return nil
	}
}

// Large reports whether the request has many elements and so keeps others of its kind waiting. The handler of a large
// request must wait for nothing but what WaitOf gives for its API, see Places.
func (c *Call) Large() bool { return c.large }

// forgetBody gives the request's bytes back, and their part of queued.max.request.bytes. A handler that may wait must call
// it before it waits: it may wait for another request, and that request may wait for these bytes.
func (c *Call) forgetBody() {
	c.Body = nil
	c.Conn.ForgetRequest()
}

// RequestError says which request a handler could not serve. Version is the request's.
type RequestError struct {
	API     string
	Version int16
	Err     error
}

func (e *RequestError) Error() string { return fmt.Sprintf("%s v%d: %v", e.API, e.Version, e.Err) }
func (e *RequestError) Unwrap() error { return e.Err }

// answerBytes is the size in bytes of the buffer that an answer begins with. It grows.
const answerBytes = 4 << 10

// Begin returns a buffer that holds the beginning of the answer: 4 bytes that Fill sets to
// the size, and the response header.
func (c *Call) Begin() []byte {
	return protocol.BeginResponse(c.Conn.Buffer(answerBytes), c.API, c.Header.Version, c.Header.CorrelationID)
}

// Reply answers the request with a message. The handler calls it before it returns, or whoever it left the answer to
// before the connection's next request is served.
func (c *Call) Reply(resp kmsg.Response) {
	resp.SetVersion(c.Header.Version)
	if c.Stats != nil {
		c.codes.count(resp, c.Stats)
	}
	if s, ok := resp.(Shared); ok {
		buf, at, shared := s.AppendAround(c.Begin())
		protocol.FinishResponse(buf, len(shared))
		c.Answer.FillAround(buf, at, shared)
		c.replied = true
	} else {
		c.Fill(resp.AppendTo(c.Begin()))
	}
	c.Complete(transport.Own)
}

// Shared is a message of which a part is encoded already and goes into the answers to many clients as it is. Each of these would otherwise
// hold a copy until its client has read it.
type Shared interface {
	// AppendAround appends what stands before and behind the shared bytes, and says where in dst they belong.
	AppendAround(dst []byte) (around []byte, at int, shared []byte)
}

// Complete sends the answer when the answers to the connection's earlier requests have
// been sent. Whoever answered the request calls it once. by says which goroutine that is.
func (c *Call) Complete(by transport.Completer) { c.Conn.Complete(&c.Answer, by) }

// Later says that somebody will call Complete, perhaps after the handler has returned.
func (c *Call) Later() {
	c.replied = true
	c.Waits()
}

// Waits says that the request waits from now on for something else than its handler, for who observes. Only the first call counts.
func (c *Call) Waits() { c.Conn.Waits(&c.Answer) }

// Replied reports whether the handler has answered the request, or called Later.
func (c *Call) Replied() bool { return c.replied }

// Fill makes buf the whole answer. buf begins with the bytes that Begin returned. It goes
// back to its pool after it was sent.
func (c *Call) Fill(buf []byte) {
	protocol.FinishResponse(buf, 0)
	c.Answer.Fill(buf)
	c.replied = true
}

// NoReply ends a request that gets no answer. The connection's later answers do not wait for
// one.
func (c *Call) NoReply() {
	c.replied = true
	c.Complete(transport.Own)
}

// ClientID returns the client id of the request, and "" if the request has none.
func (c *Call) ClientID() string {
	if c.Header.ClientID == nil {
		return ""
	}
	return *c.Header.ClientID
}

// Who returns the client's address and, if the request has one, its client id, exactly as the client sent it. It returns ""
// for a nil Call, where the broker acts for no client.
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

// ClientHost returns the client's IP address in the form in which groups hold it.
func (c *Call) ClientHost() string { return "/" + c.Conn.RemoteIP().String() }

// MaxNamed is how often one request may name the same resource or partition. To name one
// takes ten bytes of a request, and a hundred thousand bytes of its answer.
const MaxNamed = 4
