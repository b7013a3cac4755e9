package server

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"

	"klamm/server/config"
)

// connectionLimits bound how many connections are open at a time.
type connectionLimits struct {
	broker    int                // max.connections
	perIP     int                // max.connections.per.ip
	overrides map[netip.Addr]int // max.connections.per.ip.overrides, names resolved
}

// connectionQuotas count connections against the limits, as the reference's
// ConnectionQuotas: what exceeds the broker's limit waits to be served until
// another connection ends, what exceeds an address's is refused.
type connectionQuotas struct {
	// protected is the brokers' own listener, "" if it is the clients' too. Its
	// connections count, but do not wait: another one is closed for them, see
	// Server.closeExcess.
	protected string

	mu     sync.Mutex
	freed  sync.Cond          // signalled when a slot may have become free
	limits connectionLimits   // guarded by mu
	total  int                // guarded by mu
	perIP  map[netip.Addr]int // guarded by mu
	closed bool               // guarded by mu
}

func newConnectionQuotas(limits connectionLimits, protected string) *connectionQuotas {
	q := &connectionQuotas{protected: protected, limits: limits, perIP: make(map[netip.Addr]int)}
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

// take counts a connection, once there is room for one. Unless it fails,
// giveBack is called when the connection has ended.
func (q *connectionQuotas) take(listener string, addr netip.Addr) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && listener != q.protected && q.total >= q.limits.broker {
		q.freed.Wait()
	}
	if q.closed {
		return errQuotasClosed
	}
	limit, ok := q.limits.overrides[addr]
	if !ok {
		limit = q.limits.perIP
	}
	if q.perIP[addr] >= limit {
		return &tooManyConnectionsError{addr, limit}
	}
	q.perIP[addr]++
	q.total++
	return nil
}

// giveBack ends what take began.
func (q *connectionQuotas) giveBack(addr netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.perIP[addr]--; q.perIP[addr] == 0 {
		delete(q.perIP, addr)
	}
	q.total--
	q.freed.Broadcast()
}

// setLimits changes the limits; connections that are open stay.
func (q *connectionQuotas) setLimits(l connectionLimits) {
	q.mu.Lock()
	q.limits = l
	q.freed.Broadcast()
	q.mu.Unlock()
}

// max is the broker's limit as it is now.
func (q *connectionQuotas) max() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limits.broker
}

// close ends all waiting, now and later.
func (q *connectionQuotas) close() {
	q.mu.Lock()
	q.closed = true
	q.freed.Broadcast()
	q.mu.Unlock()
}

// connectionLimits reads the limits. An override for a name that cannot be
// resolved is left out, with a warning: a running broker does not end because of it.
func (s *Server) connectionLimits(v *config.Values) connectionLimits {
	l := connectionLimits{
		broker: v.Int("max.connections"), perIP: v.Int("max.connections.per.ip"),
		overrides: make(map[netip.Addr]int),
	}
	hosts, _ := config.ConnectionOverrides(v) // checked before it got here
	for host, limit := range hosts {
		addrs, err := net.DefaultResolver.LookupNetIP(s.quit, "ip", host)
		if err != nil || len(addrs) == 0 {
			s.logger.Warn("max.connections.per.ip.overrides: a host is not known, its limit has no effect", "host", host, "error", err)
			continue
		}
		l.overrides[addrs[0].Unmap().WithZone("")] = limit
	}
	return l
}

// protectedListener is the name of the brokers' own listener, "" if there is no other.
func (s *Server) protectedListener() string {
	if len(s.listeners) < 2 {
		return ""
	}
	return s.config.Static().InterBrokerListener()
}

// closeExcess closes the connections that are idle for longest until no more
// are open than max.connections allows. There are more of them if the limit
// was lowered, or on the brokers' own listener.
func (s *Server) closeExcess() {
	limit := s.quotas.max()
	if limit == math.MaxInt32 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for c := range s.conns {
		if !c.isBroken() {
			open++
		}
	}
	for ; open > limit; open-- {
		var oldest *conn
		for c := range s.conns {
			if c.listener.Name == s.quotas.protected || c.isBroken() {
				continue
			}
			if oldest == nil || c.active.Load() < oldest.active.Load() {
				oldest = c
			}
		}
		if oldest == nil {
			return
		}
		oldest.abort()
	}
}
