package server

import (
	"net"
	"net/netip"

	"klamm/server/config"
	"klamm/server/transport"
)

// defaultReceiveBytes is the default of socket.receive.buffer.bytes. The server.properties of
// Apache Kafka has this value too, so a user who has it did not choose it. Large requests cost
// a fifth more with it than with the operating system's own buffer, which Bind takes instead.
const defaultReceiveBytes = 100 << 10

// Bind opens the sockets of the configured listeners, so that a start fails on a port in
// use before it touches a directory. Serve accepts the first connection. On error Bind
// closes the sockets that it opened and returns a *transport.BindError. listen opens one
// socket; nil stands for a TCP socket with the configured options.
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

// connectionLimits reads the limits on connections from the configuration. It warns about
// an override for a host name that does not resolve, and leaves the override out: a
// running broker must not stop because of a name.
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
	hosts, _ := config.ConnectionOverrides(v) // the configuration was checked when it was set
	for host, limit := range hosts {
		addrs, err := net.DefaultResolver.LookupNetIP(s.quit, "ip", host)
		if err != nil || len(addrs) == 0 {
			s.logger.Warn("max.connections.per.ip.overrides: a host name does not resolve, so its limit has no effect", "host", host, "error", err)
			continue
		}
		l.Overrides[addrs[0].Unmap().WithZone("")] = limit
	}
	return l
}
