package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// jksMagic begins a file of Java's own format.
var jksMagic = []byte{0xfe, 0xed, 0xfe, 0xed}

// readJKS reads Java's own format. Without a password its digest is not checked, as in Java.
func readJKS(data []byte, password, keyPassword string, forKey bool) (*contents, error) {
	store := jks.New(jks.WithOrderedAliases(), jks.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(data), []byte(password)); err != nil {
		// The library checks the digest last, when it has read all.
		if password != "" || err.Error() != "got invalid digest" {
			return nil, fmt.Errorf("%w; is the password right?", err)
		}
	}
	c := &contents{}
	for _, alias := range store.Aliases() {
		if store.IsTrustedCertificateEntry(alias) {
			entry, err := store.GetTrustedCertificateEntry(alias)
			if err != nil {
				return nil, err
			}
			cert, err := x509.ParseCertificate(entry.Certificate.Content)
			if err != nil {
				return nil, fmt.Errorf("certificate %s: %w", alias, err)
			}
			c.trusted = append(c.trusted, cert)
			continue
		}
		if err := c.addJKSKey(store, alias, keyPassword, forKey); err != nil {
			return nil, fmt.Errorf("key %s: %w", alias, err)
		}
	}
	return c, nil
}

// addJKSKey takes the first key. Of all keys the own certificate is trusted.
func (c *contents) addJKSKey(store jks.KeyStore, alias, password string, forKey bool) error {
	stored, err := store.GetPrivateKeyEntryCertificateChain(alias)
	if err != nil {
		return err
	}
	var chain []*x509.Certificate
	for _, link := range stored {
		cert, err := x509.ParseCertificate(link.Content)
		if err != nil {
			return err
		}
		chain = append(chain, cert)
	}
	if len(chain) > 0 {
		c.trusted = append(c.trusted, chain[0])
	}
	if !forKey || c.key != nil {
		return nil
	}
	entry, err := store.GetPrivateKeyEntry(alias, []byte(password))
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
	if err != nil {
		return err
	}
	c.key = key
	c.chain, err = order(key, chain)
	return err
}

// readPKCS12 reads PKCS #12.
func readPKCS12(data []byte, password string, forKey bool) (*contents, error) {
	key, own, others, err := pkcs12.DecodeChain(data, password)
	if forKey {
		if err != nil {
			return nil, err
		}
		chain, err := order(key, append([]*x509.Certificate{own}, others...))
		return &contents{key: key, chain: chain}, err
	}
	if err == nil {
		return &contents{trusted: []*x509.Certificate{own}}, nil
	}
	trusted, err := pkcs12.DecodeTrustStore(data, password)
	return &contents{trusted: trusted}, err
}

// readPEM reads certificates and a key, which may be encrypted, in any order.
func readPEM(data []byte, password string, forKey bool) (*contents, error) {
	c := &contents{}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			certs = append(certs, cert)
		case forKey && c.key == nil && strings.HasSuffix(block.Type, "PRIVATE KEY"):
			key, err := parseKey(block, password)
			if err != nil {
				return nil, err
			}
			c.key = key
		}
	}
	if !forKey {
		c.trusted = certs
		return c, nil
	}
	if c.key == nil {
		return nil, errors.New("it has no private key")
	}
	var err error
	c.chain, err = order(c.key, certs)
	return c, err
}

// parseKey reads a private key.
func parseKey(block *pem.Block, password string) (crypto.PrivateKey, error) {
	switch block.Type {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
		if err != nil {
			return nil, fmt.Errorf("%w; is the password right?", err)
		}
		return key, nil
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	}
	return nil, fmt.Errorf("a block %q is no private key that is known", block.Type)
}
