package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
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

// Address gives host:port as net.Listen takes it.
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

// crossError is a setting that contradicts another one.
type crossError struct {
	name, text string
}

func (e *crossError) Error() string { return e.text }

func crossf(name, format string, args ...any) error {
	return &crossError{name, fmt.Sprintf(format, args...)}
}

var listenerForm = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)

// parseListeners reads a list of listeners and finds each one's protocol.
func parseListeners(property, value string, protocols map[string]string) ([]Listener, error) {
	var out []Listener
	for _, entry := range splitCSV(value) {
		m := listenerForm.FindStringSubmatch(entry)
		if m == nil {
			return nil, crossf(property, "%s: %q is not of the form NAME://host:port", property, entry)
		}
		l := Listener{Name: strings.ToUpper(m[1]), Host: m[2]}
		var err error
		if l.Port, err = strconv.Atoi(m[3]); err != nil || l.Port < 0 || l.Port > 65535 {
			return nil, crossf(property, "%s: %s is not a port", property, m[3])
		}
		var ok bool
		if l.Protocol, ok = protocols[l.Name]; !ok {
			return nil, crossf(property, "%s: the listener %s has no security protocol; listener.security.protocol.map must name one, as in %s:PLAINTEXT",
				property, l.Name, l.Name)
		}
		for _, other := range out {
			if other.Name == l.Name {
				return nil, crossf(property, "%s: each listener must have a different name; %s comes twice", property, l.Name)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// protocolMap reads listener.security.protocol.map.
func protocolMap(value string) (map[string]string, error) {
	const property = "listener.security.protocol.map"
	m := map[string]string{}
	for _, pair := range splitCSV(value) {
		at := strings.LastIndex(pair, ":")
		if at < 0 {
			return nil, crossf(property, "%s: %q is not of the form NAME:PROTOCOL", property, pair)
		}
		protocol := strings.ToUpper(strings.TrimSpace(pair[at+1:]))
		switch protocol {
		case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
			m[strings.ToUpper(strings.TrimSpace(pair[:at]))] = protocol
		default:
			return nil, crossf(property, "%s: %s is no security protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL", property, protocol)
		}
	}
	return m, nil
}

// distinctPorts allows one port twice only for an IPv4 and an IPv6 address, as Apache Kafka does.
func distinctPorts(ls []Listener) error {
	for i, a := range ls {
		for _, b := range ls[:i] {
			if a.Port == 0 || a.Port != b.Port {
				continue
			}
			x, errX := netip.ParseAddr(a.Host)
			y, errY := netip.ParseAddr(b.Host)
			if errX != nil || errY != nil || x.Is4() == y.Is4() {
				return crossf("listeners", "listeners: %s and %s have the same port; that is possible only for an IPv4 and an IPv6 address", b, a)
			}
		}
	}
	return nil
}

// settleListeners parses everything about listeners. Those that belong to a KRaft controller are
// left out, with a warning: a server.properties written for KRaft then starts a broker alone.
func (b *Broker) settleListeners() error {
	protocols, err := protocolMap(b.values.String("listener.security.protocol.map"))
	if err != nil {
		return err
	}
	all, err := parseListeners("listeners", b.values.String("listeners"), protocols)
	if err != nil {
		return err
	}
	var closed []Listener
	b.listeners, closed = b.withoutControllers(all)
	for _, l := range closed {
		b.listenerWarnings = append(b.listenerWarnings, Warning{Advice, b.sources["listeners"], "listeners",
			l.String() + " is a KRaft controller's; klamm does not open it"})
	}
	if len(b.listeners) == 0 {
		return crossf("listeners", "listeners: there must be at least one, as in PLAINTEXT://:9092")
	}
	if err := distinctPorts(b.listeners); err != nil {
		return err
	}
	for _, l := range b.listeners {
		if l.Protocol != "PLAINTEXT" {
			return crossf("listeners", "listeners: %s speaks %s, which klamm does not serve yet; only PLAINTEXT works", l, l.Protocol)
		}
	}
	if err := b.settleAdvertised(protocols); err != nil {
		return err
	}
	return b.settleInterBroker(protocols)
}

// withoutControllers parts the listeners from those that controller.listener.names lists.
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

func (b *Broker) settleAdvertised(protocols map[string]string) error {
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
	all, err := parseListeners(property, b.values.String(property), protocols)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, l := range b.listeners {
		names[l.Name] = true
	}
	brokers, _ := b.withoutControllers(all)
	for _, l := range brokers {
		if !names[l.Name] {
			return crossf(property, "%s: %s is not among listeners", property, l.Name)
		}
		if l.Host != "" && everywhere(l.Host) {
			return crossf(property, "%s: clients cannot connect to %s; name an address or host that they reach", property, l.Host)
		}
		b.advertised = append(b.advertised, l)
	}
	if len(b.advertised) == 0 {
		return crossf(property, "%s: there must be at least one", property)
	}
	return nil
}

func (b *Broker) settleInterBroker(protocols map[string]string) error {
	const byName, byProtocol = "inter.broker.listener.name", "security.inter.broker.protocol"
	property := byProtocol
	b.interBroker = b.values.String(byProtocol)
	if !b.values.Null(byName) {
		if _, both := b.given[byProtocol]; both {
			return crossf(byName, "only one of %s and %s may be set", byName, byProtocol)
		}
		property, b.interBroker = byName, strings.ToUpper(b.values.String(byName))
		if _, ok := protocols[b.interBroker]; !ok {
			return crossf(byName, "%s: %s is not in listener.security.protocol.map", byName, b.interBroker)
		}
	}
	names := make([]string, 0, len(b.advertised))
	for _, l := range b.advertised {
		if l.Name == b.interBroker {
			return nil
		}
		names = append(names, l.Name)
	}
	return crossf(property, "%s: brokers would speak over %s, which is not among the advertised listeners (%s); set %s to one of them",
		property, b.interBroker, strings.Join(names, ", "), byName)
}
