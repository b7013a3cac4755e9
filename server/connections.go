package server

import (
	"net"
	"net/netip"

	"klamm/server/config"
	"klamm/server/transport"
)

// defaultReceiveBytes is the default of socket.receive.buffer.bytes, which also stands in the
// server.properties that comes with Apache Kafka. So it is nobody's choice, and it makes large
// requests dearer by a fifth than the system does.
const defaultReceiveBytes = 100 << 10

// Bind opens the sockets of the configured listeners. Nothing is accepted
// before Serve, so that a port in use is known before a directory is touched.
// On error what was opened is closed again; the error is a *transport.BindError.
// listen opens one socket; nil stands for a TCP socket with the configured options.
func Bind(cfg *config.Broker, listen func(addr string) (net.Listener, error)) ([]*transport.Listener, error) {
	v := cfg.Values()
	o := transport.SocketOptions{ReceiveBytes: v.Int("socket.receive.buffer.bytes"), Backlog: v.Int("socket.listen.backlog.size")}
	if o.ReceiveBytes == defaultReceiveBytes {
		o.ReceiveBytes = -1
	}
	var specs []transport.ListenerSpec
	for _, l := range cfg.Listeners() {
		specs = append(specs, transport.ListenerSpec{Name: l.Name, Addr: l.Address()})
	}
	o.Listen = listen
	return transport.Bind(specs, o)
}

// connectionLimits reads the limits. An override for a name that cannot be
// resolved is left out, with a warning: a running broker does not end because of it.
func (s *Server) connectionLimits(v *config.Values, listeners []*transport.Listener) transport.ConnectionLimits {
	l := transport.ConnectionLimits{
		Broker: v.Int("max.connections"), Rate: v.Int("max.connection.creation.rate"), PerIP: v.Int("max.connections.per.ip"),
		Overrides: make(map[netip.Addr]int), Listeners: make(map[string]transport.ListenerLimits),
	}
	for _, ln := range listeners {
		l.Listeners[ln.Name] = transport.ListenerLimits{
			Connections: v.ListenerInt(ln.Name, "max.connections"), Rate: v.ListenerInt(ln.Name, "max.connection.creation.rate"),
		}
	}
	hosts, _ := config.ConnectionOverrides(v) // checked before it got here
	for host, limit := range hosts {
		addrs, err := net.DefaultResolver.LookupNetIP(s.quit, "ip", host)
		if err != nil || len(addrs) == 0 {
			s.logger.Warn("max.connections.per.ip.overrides: a host is not known, its limit has no effect", "host", host, "error", err)
			continue
		}
		l.Overrides[addrs[0].Unmap().WithZone("")] = limit
	}
	return l
}
