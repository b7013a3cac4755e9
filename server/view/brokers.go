package view

import (
	"net"
	"strconv"

	"klamm/cluster"
	"klamm/server/request"
	"klamm/server/transport"
)

// BrokerAddress is a broker as one client is told to reach it.
type BrokerAddress struct {
	ID   int32
	Host string
	Port int32
	Rack *string
}

// Brokers gives the brokers of a cluster, of which own is this one, that a client can reach by the listener that
// it came in on, which may be fewer than there are.
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

// localAddress is the address of ours that the client reached.
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
