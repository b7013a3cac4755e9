package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"klamm/server/keystore"
)

// tls makes a configuration of TLS of the properties ssl.*.
func (p Properties) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := p.versions(c); err != nil {
		return nil, err
	}
	trust := keystore.File{Path: p["ssl.truststore.location"], Type: p["ssl.truststore.type"], Password: p["ssl.truststore.password"]}
	if text := p["ssl.truststore.certificates"]; text != "" {
		trust = keystore.File{Path: "of ssl.truststore.certificates", Type: "PEM", Content: []byte(text)}
	}
	if trust.Path != "" {
		pool, err := keystore.LoadTrust(p.typed(trust))
		if err != nil {
			return nil, fmt.Errorf("ssl.truststore: %w", err)
		}
		c.RootCAs = pool
	}
	if key, ok := p.key(); ok {
		cert, err := keystore.LoadKey(key)
		if err != nil {
			return nil, fmt.Errorf("ssl.keystore: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	switch algorithm, set := p["ssl.endpoint.identification.algorithm"]; {
	case !set || strings.EqualFold(algorithm, "https"):
	case algorithm == "":
		withoutNames(c)
	default:
		return nil, fmt.Errorf("ssl.endpoint.identification.algorithm=%s is not served: it is https, or empty", algorithm)
	}
	return c, nil
}

// key gives the key store, if there is one.
func (p Properties) key() (keystore.File, bool) {
	if text := p["ssl.keystore.key"]; text != "" {
		both := text + "\n" + p["ssl.keystore.certificate.chain"]
		return keystore.File{Path: "of ssl.keystore.key", Type: "PEM", Password: p["ssl.key.password"], Content: []byte(both)}, true
	}
	f := p.typed(keystore.File{Path: p["ssl.keystore.location"], Type: p["ssl.keystore.type"], Password: p["ssl.keystore.password"], KeyPassword: p["ssl.key.password"]})
	if strings.EqualFold(f.Type, "PEM") {
		f.Password = f.KeyPassword
	}
	return f, f.Path != ""
}

// typed gives a file the type that Java gives it where the properties have none: JKS, which PKCS12 is read as too.
func (p Properties) typed(f keystore.File) keystore.File {
	f.Type = or(f.Type, "JKS")
	return f
}

// versions sets the versions of TLS that are spoken.
func (p Properties) versions(c *tls.Config) error {
	known := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}
	text := p["ssl.enabled.protocols"]
	if text == "" {
		return nil
	}
	c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
	for name := range strings.SplitSeq(text, ",") {
		version, ok := known[strings.TrimSpace(name)]
		if !ok {
			return fmt.Errorf("ssl.enabled.protocols=%s: %s is not served; TLSv1.2 and TLSv1.3 are", text, strings.TrimSpace(name))
		}
		c.MinVersion, c.MaxVersion = min(c.MinVersion, version), max(c.MaxVersion, version)
	}
	return nil
}

// withoutNames checks that a broker's certificate is trusted, and not whose it is.
func withoutNames(c *tls.Config) {
	c.InsecureSkipVerify = true // what follows takes its place
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the broker has no certificate")
		}
		between := x509.NewCertPool()
		for _, cert := range state.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: c.RootCAs, Intermediates: between})
		return err
	}
}
