package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

// pemFiles makes a key with a certificate that signs itself, for 127.0.0.1, and gives the file of both and the file of the certificate.
func pemFiles(t *testing.T, dir, name string) (both, cert string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	signed, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	both, cert = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".cert.pem")
	for path, text := range map[string][]byte{both: append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), public...), cert: public} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return both, cert
}

// TestSecureListeners logs in at a broker of Apache Kafka by TLS, certificates, PLAIN and SCRAM. klamm has no such listeners.
func TestSecureListeners(t *testing.T) {
	if !harness.Reference() {
		return
	}
	dir := t.TempDir()
	serverKey, serverCert := pemFiles(t, dir, "server")
	clientKey, clientCert := pemFiles(t, dir, "client")
	b := startSecure(t, serverKey, clientCert)
	plain := `org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="%s";`
	scram := `org.apache.kafka.common.security.scram.ScramLoginModule required username='bob' password='b; "= c';`
	trust := "ssl.truststore.type=PEM\nssl.truststore.location=" + serverCert + "\n"
	login := func(mechanism, jaas string) string {
		return trust + "security.protocol=SASL_SSL\nsasl.mechanism=" + mechanism + "\nsasl.jaas.config=" + jaas + "\n"
	}
	inline := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\n", `\n`)
	}
	own := "ssl.keystore.type=PEM\nssl.keystore.location=" + clientKey + "\n"
	for name, c := range map[string]struct {
		addr, file string
		refused    string // what it says; "" for nothing
	}{
		"PLAIN":                    {b.sasl, login("PLAIN", fmt.Sprintf(plain, "secret = x")), ""},
		"a wrong password":         {b.sasl, login("PLAIN", fmt.Sprintf(plain, "secret")), "cannot log in at " + b.sasl},
		"SCRAM-SHA-256":            {b.sasl, login("SCRAM-SHA-256", scram), ""},
		"SCRAM-SHA-512":            {b.sasl, login("SCRAM-SHA-512", scram), ""},
		"plain text":               {b.sasl, "", "its listener wants TLS"},
		"TLS without a login":      {b.sasl, trust + "security.protocol=SSL\n", "want TLS or SASL"},
		"no trust":                 {b.tls, own + "security.protocol=SSL\n", "ssl.truststore.location"},
		"a certificate":            {b.tls, trust + own + "security.protocol=SSL\n", ""},
		"no certificate":           {b.tls, trust + "security.protocol=SSL\n", "cannot reach " + b.tls},
		"certificates in the file": {b.tls, "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates=" + inline(serverCert) + "\nssl.keystore.type=PEM\nssl.keystore.key=" + inline(clientKey) + "\n", ""},
		"another name":             {strings.Replace(b.tls, "127.0.0.1", "localhost", 1), trust + own + "security.protocol=SSL\n", "ssl.endpoint.identification.algorithm"},
		"no check of the name":     {b.tls, trust + own + "security.protocol=SSL\nssl.endpoint.identification.algorithm=\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "client.properties")
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			e := klammIn(t, nil, "", "topic", "list", "-b", c.addr, "--command-config", file)
			if c.refused == "" {
				e.ok("NAME")
			} else {
				e.fails(3, c.refused)
			}
			if strings.Contains(e.stderr, "secret") {
				t.Errorf("it says the password: %s", e.stderr)
			}
		})
	}
}

// secure are the listeners of a broker.
type secure struct{ sasl, tls string }

// startSecure starts a broker of Apache Kafka that takes TLS with a login at one listener, and TLS with a certificate at another.
func startSecure(t *testing.T, key, trusted string) secure {
	t.Helper()
	var ports [3]int
	for i := range ports {
		port, err := harness.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	s := secure{at(1), at(2)}
	b := harness.StartAt(t, at(0), harness.Options{Broker: "apache", Properties: map[string]string{
		"listeners":         fmt.Sprintf("PLAINTEXT://%s,SASL_SSL://%s,SSL://%s", at(0), s.sasl, s.tls),
		"ssl.keystore.type": "PEM", "ssl.keystore.location": key, "ssl.truststore.type": "PEM", "ssl.truststore.location": trusted,
		"listener.name.ssl.ssl.client.auth":                     "required",
		"sasl.enabled.mechanisms":                               "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl_ssl.plain.sasl.jaas.config":         `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret = x";`,
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
	}})
	var users []kadm.UpsertSCRAM
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		users = append(users, kadm.UpsertSCRAM{User: "bob", Mechanism: mechanism, Iterations: 4096, Password: `b; "= c`})
	}
	answers, err := harness.Admin(t, b.Addr).AlterUserSCRAMs(harness.Context(t), nil, users)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
