package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// ZooKeeper is where the brokers of a cluster keep its metadata: zookeeper.connect.
type ZooKeeper struct {
	// Servers are the servers as host:port.
	Servers []string
	// Chroot is the path of the cluster's node, such as /kafka; "" for the root.
	Chroot string
	// TLS is nil for connections in plain text.
	TLS *ZooKeeperTLS
}

// ZooKeeperTLS is how connections to ZooKeeper are encrypted: zookeeper.ssl.*.
type ZooKeeperTLS struct {
	// MinVersion and MaxVersion are crypto/tls's numbers.
	MinVersion, MaxVersion uint16
	// CipherSuites are crypto/tls's numbers; nil for its own choice.
	CipherSuites []uint16
	// VerifyName says whether a server's certificate must be for the server's name.
	VerifyName bool
	// KeyStore has this broker's key and certificate; its Path is "" for none. TrustStore has the authorities; its Path is
	// "" for those of the system.
	KeyStore, TrustStore StoreFile
}

// StoreFile is a file with keys or certificates.
type StoreFile struct {
	// Path is where it is.
	Path string
	// Type is JKS, PKCS12 or PEM; "" says that the end of the path tells.
	Type string
	// Password is "" for none.
	Password string
}

// ZooKeeper gives the ZooKeeper of the broker's cluster. It is nil for a broker alone.
func (b *Broker) ZooKeeper() *ZooKeeper { return b.zookeeper }

// settleZooKeeper reads zookeeper.connect. A file with process.roles is written for KRaft: its broker is alone.
func (b *Broker) settleZooKeeper() (errs []*crossError) {
	const property = "zookeeper.connect"
	if b.values.Null(property) || len(b.values.List("process.roles")) > 0 {
		return nil
	}
	zk, err := parseConnect(b.values.String(property))
	if err != nil {
		return []*crossError{err}
	}
	for _, name := range []string{"zookeeper.session.timeout.ms", "zookeeper.connection.timeout.ms"} {
		if !b.values.Null(name) && b.values.Int(name) < 1 {
			errs = append(errs, &crossError{name: name, format: "a time-out must be at least 1 ms", with: []string{property}})
		}
	}
	if b.values.Bool("zookeeper.ssl.client.enable") {
		var bad []*crossError
		zk.TLS, bad = b.zooKeeperTLS()
		errs = append(errs, bad...)
	}
	b.zookeeper = zk
	return append(errs, b.checkOwner(zk)...)
}

// checkOwner checks that there is somebody whom nodes can belong to.
func (b *Broker) checkOwner(zk *ZooKeeper) []*crossError {
	digest := b.values.String("klamm.zookeeper.digest")
	if user, _, ok := strings.Cut(digest, ":"); digest != "" && (!ok || user == "") {
		return []*crossError{crossf("klamm.zookeeper.digest", "it is not of the form user:password")}
	}
	if b.values.Bool("zookeeper.set.acl") && digest == "" && (zk.TLS == nil || zk.TLS.KeyStore.Path == "") {
		return []*crossError{{
			name: "zookeeper.set.acl",
			format: "nodes can only belong to a broker that ZooKeeper knows: set klamm.zookeeper.digest, or zookeeper.ssl.client.enable " +
				"and zookeeper.ssl.keystore.location (klamm does not speak SASL to ZooKeeper)",
			with: []string{"klamm.zookeeper.digest", "zookeeper.ssl.client.enable", "zookeeper.ssl.keystore.location", "zookeeper.connect"},
		}}
	}
	return nil
}

// parseConnect reads host:port,host:port/chroot. A host without a port has ZooKeeper's, 2181.
func parseConnect(s string) (*ZooKeeper, *crossError) {
	const property = "zookeeper.connect"
	zk := &ZooKeeper{}
	hosts, path, _ := strings.Cut(s, "/")
	if path = strings.TrimRight(path, "/"); path != "" {
		for part := range strings.SplitSeq(path, "/") {
			if part == "" || part == "." || part == ".." {
				return nil, crossf(property, "%q is no path of a node", quoted{property, "/" + path})
			}
		}
		zk.Chroot = "/" + path
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		name, port, err := net.SplitHostPort(host)
		if err != nil { // no port, or an IPv6 address without brackets
			name, port = strings.Trim(host, "[]"), "2181"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || name == "" {
			return nil, crossf(property, "%q is not of the form host:port", quoted{property, host})
		}
		zk.Servers = append(zk.Servers, net.JoinHostPort(name, port))
	}
	if len(zk.Servers) == 0 {
		return nil, crossf(property, "it names no server; leave it out to start a broker alone")
	}
	return zk, nil
}

// String gives the servers and the chroot as zookeeper.connect has them.
func (z *ZooKeeper) String() string { return fmt.Sprint(strings.Join(z.Servers, ","), z.Chroot) }

// tlsVersions are the names of the protocols in Java, from the oldest on. crypto/tls counts them up by one.
var tlsVersions = []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}

// zooKeeperTLS reads zookeeper.ssl.*.
func (b *Broker) zooKeeperTLS() (*ZooKeeperTLS, []*crossError) {
	v := b.values
	t := &ZooKeeperTLS{
		KeyStore: StoreFile{
			v.String("zookeeper.ssl.keystore.location"), v.String("zookeeper.ssl.keystore.type"), v.String("zookeeper.ssl.keystore.password"),
		},
		TrustStore: StoreFile{
			v.String("zookeeper.ssl.truststore.location"), v.String("zookeeper.ssl.truststore.type"), v.String("zookeeper.ssl.truststore.password"),
		},
	}
	errs := t.setVersions(v)
	errs = append(errs, t.setCipherSuites(v.List("zookeeper.ssl.cipher.suites"))...)
	const identification = "zookeeper.ssl.endpoint.identification.algorithm"
	switch algorithm := v.String(identification); {
	case strings.EqualFold(algorithm, "HTTPS"):
		t.VerifyName = true
	case algorithm != "":
		errs = append(errs, crossf(identification, "%q is neither HTTPS nor empty", quoted{identification, algorithm}))
	}
	for _, name := range []string{"zookeeper.ssl.crl.enable", "zookeeper.ssl.ocsp.enable"} {
		if v.Bool(name) {
			errs = append(errs, crossf(name, "klamm does not ask whether certificates were revoked"))
		}
	}
	return t, errs
}

// setVersions takes the protocols that are enabled, which must be neighbours: crypto/tls knows the first and the last.
func (t *ZooKeeperTLS) setVersions(v *Values) (errs []*crossError) {
	property, enabled := "zookeeper.ssl.enabled.protocols", v.List("zookeeper.ssl.enabled.protocols")
	if len(enabled) == 0 {
		property, enabled = "zookeeper.ssl.protocol", []string{v.String("zookeeper.ssl.protocol")}
	}
	var found []int
	for _, name := range enabled {
		i := slices.Index(tlsVersions, name)
		if i < 0 {
			return []*crossError{crossf(property, "%q is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", quoted{property, name})}
		}
		found = append(found, i)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	first, last := found[0], found[len(found)-1]
	if last-first != len(found)-1 {
		return []*crossError{crossf(property, "a version between two others is left out, which klamm cannot do")}
	}
	t.MinVersion, t.MaxVersion = tls.VersionTLS10+uint16(first), tls.VersionTLS10+uint16(last)
	return nil
}

// setCipherSuites takes the suites by their names. Those of TLS 1.3 are all used with it, whatever is listed.
func (t *ZooKeeperTLS) setCipherSuites(names []string) (errs []*crossError) {
	const property = "zookeeper.ssl.cipher.suites"
	if len(names) == 0 {
		return nil
	}
	known := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for _, name := range names {
		i := slices.IndexFunc(known, func(s *tls.CipherSuite) bool { return s.Name == name })
		if i < 0 {
			errs = append(errs, crossf(property, "klamm does not have %q", quoted{property, name}))
			continue
		}
		t.CipherSuites = append(t.CipherSuites, known[i].ID)
	}
	if t.MaxVersion == tls.VersionTLS13 {
		for _, s := range tls.CipherSuites() {
			if s.SupportedVersions[0] == tls.VersionTLS13 && !slices.Contains(names, s.Name) {
				errs = append(errs, crossf(property, "%s cannot be left out: with TLSv1.3 all of its suites are used", s.Name))
			}
		}
	}
	return errs
}
