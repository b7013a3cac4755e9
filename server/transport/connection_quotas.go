package transport

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ConnectionLimits bound how many connections are open at a time, and how many clients
// open per second.
type ConnectionLimits struct {
	Broker    int                       // max.connections
	Rate      int                       // max.connection.creation.rate
	PerIP     int                       // max.connections.per.ip
	Overrides map[netip.Addr]int        // max.connections.per.ip.overrides, with host names resolved
	Listeners map[string]ListenerLimits // by the name of the listener
}

// ListenerLimits are the limits of one listener: those of the properties with the
// listener's prefix, or else the broker's.
type ListenerLimits struct {
	Connections int // max.connections
	Rate        int // max.connection.creation.rate
}

// connectionQuotas count connections against the limits, as Apache Kafka's
// ConnectionQuotas do. A connection that exceeds the broker's or its listener's limit, or
// comes too fast, waits, and all later connections of the listener wait behind it. A
// connection that exceeds the limit of its address is refused.
type connectionQuotas struct {
	// protected is the listener for other brokers, "" if clients use that listener too. Its
	// connections count, but do not wait for the broker's limits: the server closes another
	// connection instead, see SocketServer.closeExcess.
	protected string
	ticks     func() int64

	mu       sync.Mutex
	freed    sync.Cond                // signalled when a waiting connection may go on
	limits   ConnectionLimits         // guarded by mu
	total    int                      // guarded by mu
	perIP    map[netip.Addr]int       // guarded by mu
	listener map[string]int           // guarded by mu; open connections by listener
	rate     *creationRate            // guarded by mu; all listeners but the protected one
	rates    map[string]*creationRate // guarded by mu; by listener
	closed   bool                     // guarded by mu
}

func newConnectionQuotas(limits ConnectionLimits, protected string, ticks func() int64, newRate func() *creationRate) *connectionQuotas {
	q := &connectionQuotas{
		protected: protected, ticks: ticks, limits: limits, perIP: make(map[netip.Addr]int),
		listener: make(map[string]int), rate: newRate(), rates: make(map[string]*creationRate),
	}
	for name := range limits.Listeners {
		q.rates[name] = newRate()
	}
	q.freed.L = &q.mu
	return q
}

// errQuotasClosed says that the server stops.
var errQuotasClosed = errors.New("no connections are taken any more")

// tooManyConnectionsError says that a client's address already has as many connections
// as its limit allows.
type tooManyConnectionsError struct {
	addr netip.Addr
	max  int
}

func (e *tooManyConnectionsError) Error() string {
	return fmt.Sprintf("%s has the most connections that it may have (max.connections.per.ip): %d", e.addr, e.max)
}

// take waits until a connection may be served, and counts it. If the connection has to
// wait, take first calls held with the name of the limit. Unless take fails, the caller
// calls giveBack when the connection has ended.
func (q *connectionQuotas) take(listener string, addr netip.Addr, held func(limit string)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.awaitLocked(listener, held); err != nil {
		return err
	}
	limit, ok := q.limits.Overrides[addr]
	if !ok {
		limit = q.limits.PerIP
	}
	if q.perIP[addr] >= limit {
		return &tooManyConnectionsError{addr, limit}
	}
	q.perIP[addr]++
	q.total++
	q.listener[listener]++
	return nil
}

// awaitLocked waits until a connection may be served. It releases mu while it waits.
func (q *connectionQuotas) awaitLocked(listener string, held func(limit string)) error {
	delay, limit := q.delayLocked(listener), "max.connection.creation.rate"
	over := delay <= 0
	if over && !q.slotLocked(listener) {
		limit = "max.connections"
	}
	if !q.closed && (!over || !q.slotLocked(listener)) {
		q.mu.Unlock()
		held(limit)
		q.mu.Lock()
	}
	if !over {
		timer := time.AfterFunc(delay, func() {
			q.mu.Lock()
			over = true
			q.freed.Broadcast()
			q.mu.Unlock()
		})
		defer timer.Stop()
	}
	for !q.closed && (!over || !q.slotLocked(listener)) {
		q.freed.Wait()
	}
	if q.closed {
		return errQuotasClosed
	}
	return nil
}

// delayLocked adds a connection to the rates and gives how long it has to wait for them.
func (q *connectionQuotas) delayLocked(listener string) time.Duration {
	now, delay := q.ticks(), time.Duration(0)
	if listener != q.protected {
		delay = q.rate.record(now, q.limits.Rate)
	}
	if r := q.rates[listener]; r != nil {
		delay = max(delay, r.record(now, q.limits.Listeners[listener].Rate))
	}
	return delay
}

// slotLocked reports whether there is room for one more connection.
func (q *connectionQuotas) slotLocked(listener string) bool {
	if l, ok := q.limits.Listeners[listener]; ok && q.listener[listener] >= l.Connections {
		return false
	}
	return listener == q.protected || q.total < q.limits.Broker
}

// giveBack ends what take began.
func (q *connectionQuotas) giveBack(listener string, addr netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.perIP[addr]--; q.perIP[addr] == 0 {
		delete(q.perIP, addr)
	}
	q.total--
	q.listener[listener]--
	q.freed.Broadcast()
}

// setLimits changes the limits. Open connections stay open.
func (q *connectionQuotas) setLimits(l ConnectionLimits) {
	q.mu.Lock()
	q.limits = l
	q.freed.Broadcast()
	q.mu.Unlock()
}

// exceeded gives the broker's present limit, and whether more connections are open than it allows.
func (q *connectionQuotas) exceeded() (limit int, exceeded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limits.Broker, q.total > q.limits.Broker
}

// close makes every take fail that waits now or comes later.
func (q *connectionQuotas) close() {
	q.mu.Lock()
	q.closed = true
	q.freed.Broadcast()
	q.mu.Unlock()
}

// closeExcess closes the connections that have been idle for longest, until no more are
// open than max.connections allows. More can be open after the limit was lowered, or
// because connections of the protected listener do not wait for the limit.
func (s *SocketServer) closeExcess() {
	limit, exceeded := s.quotas.exceeded()
	if !exceeded {
		return // after almost every accept, so that an accept does not look at all connections
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	open, idle := 0, []idleConn(nil)
	for c := range s.conns {
		if c.isBroken() {
			continue // the connection is about to end
		}
		open++
		if c.listener.Name != s.quotas.protected {
			idle = append(idle, idleConn{c, c.active.Load()})
		}
	}
	slices.SortFunc(idle, func(a, b idleConn) int { return cmp.Compare(a.active, b.active) })
	for _, oldest := range idle[:max(min(open-limit, len(idle)), 0)] {
		s.limited("max.connections", "closing the connection that was idle for longest", "client", oldest.conn.nc.RemoteAddr().String())
		oldest.conn.Abort()
	}
}

// idleConn is a connection with the tick at which bytes last moved.
type idleConn struct {
	conn   *Conn
	active int64
}
