package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// HTTP is where metrics and health are served.
type HTTP struct {
	// Addr is host:port.
	Addr string
	// Default is set where the user did not choose Addr: then the broker goes on without it when the port is taken.
	Default bool
	// KeyStore has the key and certificate for TLS. Its Path is "" where there is no TLS.
	KeyStore StoreFile
	// User and Password are what clients have to give (basic authentication). User is "" where they need not.
	User, Password string
	// Partitions is how many partitions have metrics of their own.
	Partitions int
}

// HTTPOff in place of an address switches the listener off.
const HTTPOff = "off"

// HTTP gives where metrics and health are served, nil where they are not.
func (b *Broker) HTTP() *HTTP { return b.http }

// settleHTTP reads klamm.http.listener and what goes with it.
func (b *Broker) settleHTTP() (errs []*crossError) {
	const listener, auth, insecure = "klamm.http.listener", "klamm.http.basic.auth", "klamm.http.allow.insecure"
	v := b.values
	addr := v.String(listener)
	if strings.EqualFold(addr, HTTPOff) {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return []*crossError{crossf(listener, "%q is not HOST:PORT, and not off", quoted{listener, addr})}
	}
	h := &HTTP{Addr: addr, Partitions: v.Int("klamm.metrics.partitions.max"), KeyStore: StoreFile{
		Path: v.String("klamm.http.ssl.keystore.location"), Type: v.String("klamm.http.ssl.keystore.type"), Password: v.String("klamm.http.ssl.keystore.password"),
	}}
	_, _, given := b.Given(listener)
	h.Default = !given
	if l, taken := b.listenerAt(host, port); taken && given {
		return []*crossError{crossf(listener, "%s is the address of the listener %s", quoted{listener, addr}, quoted{"listeners", l.String()})}
	} else if taken {
		b.listenerWarnings = append(b.listenerWarnings, Warning{Kind: Advice, Source: b.sources["listeners"], Name: listener,
			Text: "metrics and health are not served, since " + b.show(quoted{"listeners", l.String()}) + " has the default port; set another address to have them"})
		return nil
	}
	if credentials := v.String(auth); credentials != "" {
		user, password, ok := strings.Cut(credentials, ":")
		if !ok || user == "" || password == "" {
			return []*crossError{crossf(auth, "it is not of the form user:password")}
		}
		h.User, h.Password = user, password
	}
	if !isLoopback(host) && (h.KeyStore.Path == "" || h.User == "") && !v.Bool(insecure) {
		errs = append(errs, &crossError{
			name: listener, format: "other machines reach %s: set klamm.http.ssl.keystore.location and klamm.http.basic.auth, or klamm.http.allow.insecure=true " +
				"if everybody who reaches the port may read metrics and records",
			args: []any{quoted{listener, addr}}, with: []string{auth, insecure, "klamm.http.ssl.keystore.location"},
		})
	}
	b.http = h
	return errs
}

// listenerAt finds the listener for clients that has an address.
func (b *Broker) listenerAt(host, port string) (Listener, bool) {
	i := slices.IndexFunc(b.listeners, func(l Listener) bool {
		same := l.Host == host || everywhere(l.Host) || everywhere(host) || isLoopback(l.Host) && isLoopback(host)
		return l.Port != 0 && strconv.Itoa(l.Port) == port && same
	})
	if i < 0 {
		return Listener{}, false
	}
	return b.listeners[i], true
}

// isLoopback says whether only this machine reaches a host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
