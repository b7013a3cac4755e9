package view

import (
	"net"
	"strconv"

	"klamm/cluster"
	"klamm/server/request"
	"klamm/server/transport"
)

// BrokerAddress is a broker, with the address at which one client reaches it. The broker
// may have another address for a client of another listener.
type BrokerAddress struct {
	ID   int32
	Host string
	Port int32
	Rack *string
}

// Brokers returns the brokers that have the listener by which the client of c connected,
// with their addresses on it: the client can reach no other brokers. own is this broker.
func Brokers(own *cluster.Broker, c *request.Call, meta *cluster.Metadata) []BrokerAddress {
	var out []BrokerAddress
	for i := range meta.Brokers {
		b := &meta.Brokers[i]
		e, listens := b.Endpoint(c.Conn.Listener().Name)
		if !listens {
			continue
		}
		a := BrokerAddress{ID: b.ID, Host: e.Host, Port: int32(e.Port), Rack: b.Rack}
		if b.ID == own.ID() && c.Conn.Listener().Any {
			a.Host, a.Port = localAddress(c.Conn)
		}
		out = append(out, a)
	}
	return out
}

// localAddress returns this broker's own address on a connection, which the client
// evidently can reach. It stands in for a listener that has no advertised host.
func localAddress(c *transport.Conn) (host string, port int32) {
	host, p, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "", 0
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0
	}
	return host, int32(n)
}
