package config

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Listener is one entry of listeners or advertised.listeners.
type Listener struct {
	Name     string // in capitals
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Host     string // "" means every address; IPv6 without brackets
	Port     int    // 0 lets the system choose
}

// Address gives host:port in the form that net.Listen takes.
func (l Listener) Address() string { return net.JoinHostPort(l.Host, strconv.Itoa(l.Port)) }

// String gives NAME://host:port.
func (l Listener) String() string { return l.Name + "://" + l.Address() }

// everywhere reports whether a host stands for every address of the machine.
func everywhere(host string) bool {
	if host == "" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsUnspecified()
}

var listenerForm = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)

// parseListeners reads a list of listeners and finds the security protocol of each. It leaves out the entries
// that are wrong. protocols is nil if listener.security.protocol.map itself is wrong; then no listener gets a
// protocol.
func parseListeners(property, value string, protocols map[string]string) (out []Listener, errs []*crossError) {
	for _, entry := range splitCSV(value) {
		l, err := parseListener(property, entry)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var ok bool
		if l.Protocol, ok = protocols[l.Name]; !ok && protocols != nil {
			errs = append(errs, crossf(property, "the listener %s has no security protocol; listener.security.protocol.map must name one, as in %s:PLAINTEXT", quoted{property, l.Name}, quoted{property, l.Name}))
			continue
		}
		if slices.ContainsFunc(out, func(other Listener) bool { return other.Name == l.Name }) {
			errs = append(errs, crossf(property, "each listener must have a different name; %s comes twice", quoted{property, l.Name}))
			continue
		}
		out = append(out, l)
	}
	return out, errs
}

// parseListener reads NAME://host:port.
func parseListener(property, entry string) (l Listener, _ *crossError) {
	m := listenerForm.FindStringSubmatch(entry)
	if m == nil {
		return l, crossf(property, "%q is not of the form NAME://host:port", quoted{property, entry})
	}
	port, err := strconv.Atoi(m[3])
	if err != nil || port < 0 || port > 65535 {
		return l, crossf(property, "%s is not a port", quoted{property, m[3]})
	}
	return Listener{Name: strings.ToUpper(m[1]), Host: m[2], Port: port}, nil
}

// protocolMap reads listener.security.protocol.map.
func protocolMap(value string) (m map[string]string, errs []*crossError) {
	const property = "listener.security.protocol.map"
	m = map[string]string{}
	for _, pair := range splitCSV(value) {
		at := strings.LastIndex(pair, ":")
		if at < 0 {
			errs = append(errs, crossf(property, "%q is not of the form NAME:PROTOCOL", quoted{property, pair}))
			continue
		}
		protocol := strings.ToUpper(strings.TrimSpace(pair[at+1:]))
		switch protocol {
		case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
			m[strings.ToUpper(strings.TrimSpace(pair[:at]))] = protocol
		default:
			errs = append(errs, crossf(property, "%s is no security protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL", quoted{property, protocol}))
		}
	}
	return m, errs
}

// distinctPorts allows one port twice only for an IPv4 and an IPv6 address, as Apache Kafka does.
func distinctPorts(ls []Listener) (errs []*crossError) {
	for i, a := range ls {
		for _, b := range ls[:i] {
			if a.Port == 0 || a.Port != b.Port {
				continue
			}
			x, errX := netip.ParseAddr(a.Host)
			y, errY := netip.ParseAddr(b.Host)
			if errX != nil || errY != nil || x.Is4() == y.Is4() {
				errs = append(errs, crossf("listeners", "%s and %s have the same port; that is possible only for an IPv4 and an IPv6 address", quoted{"listeners", b.String()}, quoted{"listeners", a.String()}))
			}
		}
	}
	return errs
}

// settleListeners parses all that is set about listeners. It leaves out the listeners of a KRaft controller and
// warns about them, so that a server.properties written for KRaft starts a broker alone.
func (b *Broker) settleListeners() []*crossError {
	protocols, errs := protocolMap(b.values.String("listener.security.protocol.map"))
	if len(errs) > 0 {
		protocols = nil
	}
	all, bad := parseListeners("listeners", b.values.String("listeners"), protocols)
	errs = append(errs, bad...)
	var closed []Listener
	b.listeners, closed = b.withoutControllers(all)
	for _, l := range closed {
		b.listenerWarnings = append(b.listenerWarnings, Warning{Kind: Advice, Source: b.sources["listeners"], Name: "listeners", Text: b.show(quoted{"listeners", l.String()}) + " is a KRaft controller's; klamm does not open it"})
	}
	if len(b.listeners) == 0 && len(bad) == 0 {
		errs = append(errs, crossf("listeners", "there must be at least one, as in PLAINTEXT://:9092"))
	}
	errs = append(errs, distinctPorts(b.listeners)...)
	for _, l := range b.listeners {
		if l.Protocol != "PLAINTEXT" && l.Protocol != "" {
			errs = append(errs, crossf("listeners", "%s speaks %s, which klamm does not serve yet; only PLAINTEXT works", quoted{"listeners", l.String()}, l.Protocol))
		}
	}
	errs = append(errs, b.settleAdvertised(protocols, len(bad) == 0)...)
	if len(errs) > 0 { // settleInterBroker could then fail only because a listener was left out
		return errs
	}
	for _, settle := range []func(map[string]string) *crossError{b.settleInterBroker, b.settleControlPlane} {
		if err := settle(protocols); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// withoutControllers splits the listeners into the broker's and those that controller.listener.names lists.
func (b *Broker) withoutControllers(all []Listener) (brokers, controllers []Listener) {
	names := map[string]bool{}
	for _, n := range splitCSV(b.values.String("controller.listener.names")) {
		names[strings.ToUpper(n)] = true
	}
	for _, l := range all {
		if names[l.Name] {
			controllers = append(controllers, l)
		} else {
			brokers = append(brokers, l)
		}
	}
	return brokers, controllers
}

// settleAdvertised parses advertised.listeners. allKnown says that every entry of listeners was read.
func (b *Broker) settleAdvertised(protocols map[string]string, allKnown bool) (errs []*crossError) {
	const property = "advertised.listeners"
	if b.values.Null(property) {
		for _, l := range b.listeners {
			if everywhere(l.Host) {
				l.Host = ""
			}
			b.advertised = append(b.advertised, l)
		}
		return nil
	}
	all, errs := parseListeners(property, b.values.String(property), protocols)
	brokers, _ := b.withoutControllers(all)
	for _, l := range brokers {
		listens := slices.ContainsFunc(b.listeners, func(other Listener) bool { return other.Name == l.Name })
		switch {
		case !listens && allKnown:
			errs = append(errs, crossf(property, "%s is not among listeners", quoted{property, l.Name}))
		case l.Host != "" && everywhere(l.Host):
			errs = append(errs, crossf(property, "clients cannot connect to %s; name an address or host that they reach", quoted{property, l.Host}))
		default:
			b.advertised = append(b.advertised, l)
		}
	}
	if len(b.advertised) == 0 && len(errs) == 0 {
		errs = append(errs, crossf(property, "there must be at least one"))
	}
	return errs
}

// settleControlPlane finds the listener for what the controller and brokers ask of each other (KIP-291).
func (b *Broker) settleControlPlane(protocols map[string]string) *crossError {
	const property = "control.plane.listener.name"
	b.controlPlane = b.interBroker
	if b.values.Null(property) {
		return nil
	}
	b.controlPlane = strings.ToUpper(b.values.String(property))
	name := quoted{property, b.controlPlane}
	switch _, known := protocols[b.controlPlane]; {
	case !known:
		return crossf(property, "%s is not in listener.security.protocol.map", name)
	case b.controlPlane == b.interBroker:
		return crossf(property, "%s is the listener that brokers use among themselves; leave the property out, or name another", name)
	case !slices.ContainsFunc(b.advertised, func(l Listener) bool { return l.Name == b.controlPlane }):
		return crossf(property, "%s is not among the advertised listeners", name)
	}
	return nil
}

// settleInterBroker finds the listener that brokers use among themselves.
func (b *Broker) settleInterBroker(protocols map[string]string) *crossError {
	const byName, byProtocol = "inter.broker.listener.name", "security.inter.broker.protocol"
	property := byProtocol
	b.interBroker = b.values.String(byProtocol)
	if !b.values.Null(byName) {
		if _, both := b.given[byProtocol]; both {
			return crossf(byName, "only one of %s and %s may be set", byName, byProtocol)
		}
		property, b.interBroker = byName, strings.ToUpper(b.values.String(byName))
		if _, ok := protocols[b.interBroker]; !ok {
			return crossf(byName, "%s is not in listener.security.protocol.map", quoted{byName, b.interBroker})
		}
	}
	names := make([]string, 0, len(b.advertised))
	for _, l := range b.advertised {
		if l.Name == b.interBroker {
			return nil
		}
		names = append(names, l.Name)
	}
	from := "advertised.listeners"
	if b.values.Null(from) {
		from = "listeners"
	}
	return crossf(property, "brokers would speak over %s, which is not among the advertised listeners (%s); set %s to one of them",
		quoted{property, b.interBroker}, quoted{from, strings.Join(names, ", ")}, byName)
}
