package peer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
)

// Conn is a connection to a broker, as package transport makes it. It has one request under way at a time. After a request
// that failed it is of no use any more.
type Conn interface {
	// Request sends a request and gives its answer. What its errors wrap tells what happened to the connection.
	Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
	// Close closes the connection. A request that is under way fails.
	Close()
}

// Dial connects to a listener of a broker.
type Dial func(ctx context.Context, to order.Endpoint) (Conn, error)

// ErrClosed says that a channel was closed while a request waited for its answer, or before.
var ErrClosed = errors.New("the channel is closed")

// pause is the wait before a request is sent again: short at first, and twice as long after each failure.
type pause struct {
	first, most time.Duration
	after       func(time.Duration) <-chan time.Time
	next        time.Duration
}

// begin gives a channel that tells when the wait is over.
func (p *pause) begin() <-chan time.Time {
	p.next = min(max(2*p.next, p.first), p.most)
	return p.after(p.next)
}

// reset makes the next wait the first one again.
func (p *pause) reset() { p.next = 0 }

// health logs when a peer stops and when it begins again to answer, and nothing in between.
type health struct {
	logger *slog.Logger
	what   string // who is asked, such as "the controller"
	failed bool
}

func (h *health) failure(to order.Endpoint, err error) {
	if !h.failed {
		h.failed = true
		h.logger.Warn("a broker or the controller does not answer, trying again until it does", "peer", h.what, "address", to.String(), "error", err)
	}
}

func (h *health) success(to order.Endpoint) {
	if h.failed {
		h.failed = false
		h.logger.Info("a broker or the controller answers again", "peer", h.what, "address", to.String())
	}
}
