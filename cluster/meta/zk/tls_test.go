package zk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/compat-tests/harness"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	made int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.issue(t, "authority", true)
	return a
}

// issue makes a certificate for localhost, signed by the authority, or by itself if it is the authority's own.
func (a *authority) issue(t *testing.T, name string, own bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.made++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.made), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: own, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := a.cert, a.key
	if own {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// client is the TLS of a client with a certificate of its own.
func (a *authority) client(t *testing.T, name string) *tls.Config {
	cert, key := a.issue(t, name, false)
	return &tls.Config{
		RootCAs:      a.pool(),
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}},
	}
}

func writePEM(t *testing.T, path string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// startSecure starts a server with a port for TLS, at which each client must have a certificate.
func startSecure(t *testing.T, a *authority) (port int) {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(t, "server", false)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, trusted := filepath.Join(dir, "server.pem"), filepath.Join(dir, "authority.pem")
	writePEM(t, keys, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	writePEM(t, trusted, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if port, err = harness.FreePort(); err != nil {
		t.Fatal(err)
	}
	harness.StartZooKeeper(t, harness.ZooKeeperOptions{Properties: map[string]string{
		"secureClientPort": fmt.Sprint(port), "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
		"ssl.keyStore.location": keys, "ssl.keyStore.type": "PEM", "ssl.trustStore.location": trusted, "ssl.trustStore.type": "PEM",
		"ssl.clientAuth": "need", "ssl.hostnameVerification": "false",
	}})
	return port
}

// TestTLS connects with TLS. The client's certificate says who makes nodes.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	port := startSecure(t, a)
	o := testOptions(t)
	o.Servers, o.SecureACL = []string{fmt.Sprint("localhost:", port)}, true
	o.TLS = a.client(t, "klamm")
	s := openSession(t, newStore(t, o))
	if _, err := s.Create(t.Context(), "/a", []byte("x"), meta.Persistent); err != nil {
		t.Fatal(err)
	}
	if got := acls(t, s, "/a"); got != "world:anyone:1 x509:CN=klamm:31" {
		t.Errorf("/a has the list %s", got)
	}
	for _, c := range []struct {
		name, server, want string
		tls                *tls.Config
	}{
		{"a server whose authority is not trusted", "localhost", "unknown authority", newAuthority(t).client(t, "klamm")},
		{"a server of another name", "127.0.0.1", "doesn't contain any IP SANs", a.client(t, "klamm")},
		{"no certificate", "localhost", "", &tls.Config{RootCAs: a.pool()}},
	} {
		o.TLS, o.Servers = c.tls, []string{net.JoinHostPort(c.server, fmt.Sprint(port))}
		ctx := untilAnAttemptFails(t, &o)
		_, err := newStore(t, o).Open(ctx, meta.Watcher{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
