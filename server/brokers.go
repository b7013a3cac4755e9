package server

import (
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

// brokerAddress is a broker as one client is told to reach it.
type brokerAddress struct {
	id   int32
	host string
	port int32
	rack *string
}

// aliveBrokers gives the brokers that a client can reach by the listener that
// it came in on, which may be fewer than there are.
func (s *Server) aliveBrokers(c *call, meta *cluster.Metadata) []brokerAddress {
	var out []brokerAddress
	for i := range meta.Brokers {
		b := &meta.Brokers[i]
		e, listens := b.Endpoint(c.conn.Listener().Name)
		if !listens {
			continue
		}
		a := brokerAddress{id: b.ID, host: e.Host, port: int32(e.Port), rack: b.Rack}
		if b.ID == s.broker.ID() && c.conn.Listener().Any {
			a.host, a.port = c.localAddress()
		}
		out = append(out, a)
	}
	return out
}

// localAddress is the address of ours that the client reached.
func (c *call) localAddress() (host string, port int32) {
	host, p, err := net.SplitHostPort(c.conn.LocalAddr().String())
	if err != nil {
		return "", 0
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0
	}
	return host, int32(n)
}

// metadataBrokers gives them as Metadata has them.
func (s *Server) metadataBrokers(c *call, meta *cluster.Metadata) []kmsg.MetadataResponseBroker {
	var out []kmsg.MetadataResponseBroker
	for _, b := range s.aliveBrokers(c, meta) {
		m := kmsg.NewMetadataResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack = b.id, b.host, b.port, b.rack
		out = append(out, m)
	}
	return out
}
