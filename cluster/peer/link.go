package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/protocol"
)

// The waits before a request is sent to the controller again. A change of the controller ends a wait.
const (
	firstAskPause = 20 * time.Millisecond
	mostAskPause  = 500 * time.Millisecond
)

// link is one connection to the controller, whoever that is.
type link struct {
	o       *ControllerOptions
	inquire bool // ask the controller which versions it serves, before all else

	quit context.Context // ends with close
	stop context.CancelFunc

	turn   chan struct{} // holds one element while a request is under way
	health health        // whoever has the turn uses it

	mu       sync.Mutex
	conn     Conn            // guarded by mu; nil while there is none
	to       target          // guarded by mu; who conn leads to
	versions map[int16]int16 // guarded by mu; the highest version of each API that the controller serves
	changed  chan struct{}   // guarded by mu; closed by the next lookAgain
	giveUp   func()          // guarded by mu; ends the attempt to connect to to; nil while there is none
}

// target is a broker, at the address that it has.
type target struct {
	id int32
	at order.Endpoint
}

func newLink(o *ControllerOptions, inquire bool) *link {
	l := &link{o: o, inquire: inquire, turn: make(chan struct{}, 1), changed: make(chan struct{}), health: health{logger: o.Logger, what: "the controller"}}
	l.quit, l.stop = context.WithCancel(context.Background())
	return l
}

// via is how one attempt reaches the controller: in this process, or over a connection.
type via struct {
	self     Controller
	conn     Conn
	versions map[int16]int16
}

// highest gives the highest version of an API that the controller serves.
func (v *via) highest(key int16) (int16, error) {
	most, served := v.versions[key]
	if !served {
		return 0, fmt.Errorf("the controller does not serve %s", kmsg.NameForKey(key))
	}
	return most, nil
}

// request sends a request. Its error is an *unreachableError.
func (v *via) request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	resp, err := v.conn.Request(ctx, req)
	if err != nil {
		return nil, &unreachableError{err}
	}
	return resp, nil
}

// unreachableError is a failure on the way to the controller, and no answer of it.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

var errNoController = &unreachableError{errors.New("the metadata name no controller yet")}

// ask has try reach the controller until it succeeds, or until the context ends. An answer that is an error is asked for again if
// again says so, and is the error of ask otherwise. name is that of the request.
func (l *link) ask(ctx context.Context, name string, again func(error) bool, try func(context.Context, via) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.quit, cancel)()
	wait := pause{first: firstAskPause, most: mostAskPause, after: l.o.After}
	refused := false
	var last error // of the attempts before the context ended
	for {
		changed := l.nextChange() // before the look at the metadata, so that no change is missed
		err := l.attempt(ctx, try)
		if err == nil {
			return nil
		}
		unreachable := errors.As(err, new(*unreachableError))
		if l.quit.Err() != nil {
			return ErrClosed
		}
		if ctx.Err() != nil {
			if last != nil {
				err = last
			}
			return fmt.Errorf("%w: %s of the controller: %w", ctx.Err(), name, err)
		}
		last = err
		if !unreachable && !again(err) {
			return err
		}
		if !unreachable && !refused && !errors.Is(err, order.ErrNotController) {
			refused = true
			l.o.Logger.Warn("the controller refuses a request, asking again until it does not", "request", name, "error", err)
		}
		select {
		case <-wait.begin():
		case <-changed:
			wait.reset()
		case <-ctx.Done():
		}
	}
}

// attempt has try reach the controller once.
func (l *link) attempt(ctx context.Context, try func(context.Context, via) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id, at, known := l.o.Find()
	if !known {
		return errNoController
	}
	if id == l.o.BrokerID {
		return try(ctx, via{self: l.o.Self})
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	v, err := l.connect(ctx, target{id, at})
	if err == nil {
		err = try(ctx, v)
		if errors.As(err, new(*unreachableError)) {
			l.end(v.conn)
		}
	}
	switch {
	case !errors.As(err, new(*unreachableError)):
		l.health.success(at)
	case ctx.Err() == nil:
		l.health.failure(at, err)
	}
	return err
}

// connect gives the connection to a broker, a new one if there is none. The caller has the turn.
func (l *link) connect(ctx context.Context, to target) (via, error) {
	l.mu.Lock()
	if l.conn != nil && l.to != to {
		l.dropLocked()
	}
	v := via{conn: l.conn, versions: l.versions}
	l.mu.Unlock()
	if v.conn != nil {
		return v, nil
	}
	dialing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	l.mu.Lock()
	l.to, l.giveUp = to, giveUp
	l.mu.Unlock()
	// From here on lookAgain ends the attempt when another broker is the controller. It may have been called just before.
	if id, at, known := l.o.Find(); known && to != (target{id, at}) {
		giveUp()
	}
	conn, versions, err := l.dial(dialing, to)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveUp = nil
	switch {
	case err != nil:
		return via{}, err
	case l.quit.Err() != nil:
		conn.Close()
		return via{}, ErrClosed
	case dialing.Err() != nil:
		conn.Close()
		return via{}, &unreachableError{dialing.Err()}
	}
	l.conn, l.versions = conn, versions
	return via{conn: conn, versions: versions}, nil
}

// dial makes a connection.
func (l *link) dial(ctx context.Context, to target) (Conn, map[int16]int16, error) {
	conn, err := l.o.Dial(ctx, to.at)
	if err != nil {
		return nil, nil, &unreachableError{err}
	}
	if !l.inquire {
		return conn, nil, nil
	}
	versions, err := l.inquireVersions(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, versions, nil
}

// firstInquiry is the version of ApiVersions that tells the software's name.
const firstInquiry = 3

// inquireVersions asks which versions a broker serves.
func (l *link) inquireVersions(ctx context.Context, conn Conn) (map[int16]int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(firstInquiry)
	req.ClientSoftwareName, req.ClientSoftwareVersion = "klamm", l.o.SoftwareVersion
	for {
		resp, err := conn.Request(ctx, req)
		if err != nil {
			return nil, &unreachableError{err}
		}
		answer := resp.(*kmsg.ApiVersionsResponse)
		if answer.ErrorCode == kerr.UnsupportedVersion.Code && req.Version > 0 {
			req.SetVersion(0) // which every broker serves
			continue
		}
		if err := order.ErrorOf(answer.ErrorCode); err != nil {
			return nil, &unreachableError{fmt.Errorf("ApiVersions: %w", err)}
		}
		versions := make(map[int16]int16)
		for _, k := range answer.ApiKeys {
			if k.ApiKey == protocol.KeyAlterPartition || k.ApiKey == protocol.KeyAllocateProducerIDs {
				versions[k.ApiKey] = k.MaxVersion
			}
		}
		return versions, nil
	}
}

// end closes a connection that failed.
func (l *link) end(conn Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == conn {
		l.dropLocked()
	}
}

func (l *link) dropLocked() {
	if l.conn != nil {
		l.conn.Close()
		l.conn, l.versions = nil, nil
	}
}

// nextChange gives a channel that the next lookAgain closes.
func (l *link) nextChange() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// lookAgain has the requests that wait look at the metadata, and closes a connection to who is not the controller any more.
func (l *link) lookAgain() {
	id, at, known := l.o.Find()
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	if known && l.to != (target{id, at}) {
		l.dropLocked()
		if l.giveUp != nil {
			l.giveUp()
		}
	}
}

// close ends the link.
func (l *link) close() {
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked()
}
