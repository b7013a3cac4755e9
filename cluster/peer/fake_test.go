package peer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
)

// fakeBroker answers requests by a function, and counts what happens to it.
type fakeBroker struct {
	t     *testing.T
	serve func(ctx context.Context, req kmsg.Request) (kmsg.Response, error)

	mu     sync.Mutex
	refuse error    // guarded by mu; why nobody can connect
	conns  int      // guarded by mu; how many were dialled
	got    [][]byte // guarded by mu; the requests, with their key and version before them
}

type fakeConn struct {
	b    *fakeBroker
	gone context.Context // ends with the connection
	end  context.CancelFunc
}

// dial implements Dial.
func (b *fakeBroker) dial(context.Context, order.Endpoint) (Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return nil, b.refuse
	}
	c := &fakeConn{b: b}
	c.gone, c.end = context.WithCancel(context.Background())
	b.conns++
	return c, nil
}

func (c *fakeConn) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	if c.gone.Err() != nil {
		return nil, net.ErrClosed
	}
	c.b.mu.Lock()
	c.b.got = append(c.b.got, req.AppendTo([]byte{byte(req.Key()), byte(req.GetVersion())}))
	c.b.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.gone, cancel)()
	resp, err := c.b.serve(ctx, req)
	if err != nil {
		c.end()
		return nil, err
	}
	resp.SetVersion(req.GetVersion())
	arrived := req.ResponseKind()
	if err := arrived.ReadFrom(resp.AppendTo(nil)); err != nil {
		c.b.t.Errorf("the answer cannot be read: %v", err)
	}
	return arrived, nil
}

func (c *fakeConn) Close() { c.end() }

// dialled counts the connections.
func (b *fakeBroker) dialled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns
}

// requests gives the requests that came, without ApiVersions.
func (b *fakeBroker) requests() (list [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.got {
		if r[0] != 18 {
			list = append(list, r)
		}
	}
	return list
}

func (b *fakeBroker) setRefuse(err error) {
	b.mu.Lock()
	b.refuse = err
	b.mu.Unlock()
}

// log collects the lines of a logger.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// atOnce is a timer that does not wait.
func atOnce(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

// never is a timer that does not end.
func never(time.Duration) <-chan time.Time { return nil }

var errCut = errors.New("connection reset by peer")
