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

// ConnectionLimits bound how many connections are open at a time, and how many
// are opened.
type ConnectionLimits struct {
	Broker    int                // max.connections
	Rate      int                // max.connection.creation.rate
	PerIP     int                // max.connections.per.ip
	Overrides map[netip.Addr]int // max.connections.per.ip.overrides, names resolved
	Listeners map[string]ListenerLimits
}

// ListenerLimits are those that a listener has of its own, with its prefix, or
// else the broker's.
type ListenerLimits struct {
	Connections int // max.connections
	Rate        int // max.connection.creation.rate
}

// connectionQuotas count connections against the limits, as the reference's
// ConnectionQuotas: what exceeds the broker's limit or its listener's, or comes
// too fast, waits to be served, and all that come after it on its listener wait with
// it; what exceeds an address's limit is refused.
type connectionQuotas struct {
	// protected is the brokers' own listener, "" if it is the clients' too. Its
	// connections count, but do not wait for the broker's limits: another one is
	// closed for them, see SocketServer.closeExcess.
	protected string
	ticks     func() int64

	mu       sync.Mutex
	freed    sync.Cond                // signalled when somebody who waits may go on
	limits   ConnectionLimits         // guarded by mu
	total    int                      // guarded by mu
	perIP    map[netip.Addr]int       // guarded by mu
	listener map[string]int           // guarded by mu; open connections by listener
	rate     *creationRate            // guarded by mu; of all listeners but the protected one
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

// tooManyConnectionsError says that a client's address has as many connections
// as it may have.
type tooManyConnectionsError struct {
	addr netip.Addr
	max  int
}

func (e *tooManyConnectionsError) Error() string {
	return fmt.Sprintf("%s has the most connections that it may have (max.connections.per.ip): %d", e.addr, e.max)
}

// take counts a connection, once it may be served. held is called with the name
// of the limit for which it has to wait. Unless take fails, giveBack is called when
// the connection has ended.
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

// awaitLocked waits until a connection may be served. It gives mu up meanwhile.
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

// delayLocked counts a connection into the rates and gives how long it waits for them.
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

// setLimits changes the limits; connections that are open stay.
func (q *connectionQuotas) setLimits(l ConnectionLimits) {
	q.mu.Lock()
	q.limits = l
	q.freed.Broadcast()
	q.mu.Unlock()
}

// exceeded gives the broker's limit as it is now, and whether more connections count than it allows.
func (q *connectionQuotas) exceeded() (limit int, exceeded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limits.Broker, q.total > q.limits.Broker
}

// close ends all waiting, now and later.
func (q *connectionQuotas) close() {
	q.mu.Lock()
	q.closed = true
	q.freed.Broadcast()
	q.mu.Unlock()
}

// closeExcess closes the connections that are idle for longest until no more
// are open than max.connections allows. There are more of them if the limit
// was lowered, or on the brokers' own listener.
func (s *SocketServer) closeExcess() {
	limit, exceeded := s.quotas.exceeded()
	if !exceeded {
		return // as after almost every accept: the connections are not looked at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	open, idle := 0, []idleConn(nil)
	for c := range s.conns {
		if c.isBroken() {
			continue // it is about to end
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

// idleConn is a connection with the tick at which bytes moved last.
type idleConn struct {
	conn   *Conn
	active int64
}
