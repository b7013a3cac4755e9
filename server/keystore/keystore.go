package keystore

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// File is a file with a key or certificates.
type File struct {
	// Path is where it is.
	Path string
	// Type is JKS, PKCS12 or PEM. "" says that the end of the path tells: .jks, .p12, .pfx or .pem. As in Java, a file that is
	// said to be JKS may be PKCS12, and the other way round.
	Type string
	// Password protects the file, and the key in it; "" for none.
	Password string
	// KeyPassword protects the key in a JKS, where it is not Password; "" for Password. A PKCS12 has one password for both, a PEM none but the key's.
	KeyPassword string
	// Content stands for what is in the file, where a configuration has it itself; nil reads the file.
	Content []byte
}

// Error says what is wrong with a file.
type Error struct {
	Path string
	Err  error
}

// Error names the file and gives the reason.
func (e *Error) Error() string { return fmt.Sprintf("key store %s: %v", e.Path, e.Err) }

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// The formats.
const (
	typeJKS    = "JKS"
	typePKCS12 = "PKCS12"
	typePEM    = "PEM"
)

// contents are what a file has.
type contents struct {
	key     crypto.PrivateKey
	chain   []*x509.Certificate // the key's own certificate first
	trusted []*x509.Certificate
}

// LoadKey reads the private key and its certificates. The error is an *Error.
func LoadKey(f File) (tls.Certificate, error) {
	c, err := f.load(true)
	if err == nil && (c.key == nil || len(c.chain) == 0) {
		err = errors.New("it has no private key with a certificate")
	}
	if err != nil {
		return tls.Certificate{}, &Error{f.Path, err}
	}
	cert := tls.Certificate{PrivateKey: c.key, Leaf: c.chain[0]}
	for _, link := range c.chain {
		cert.Certificate = append(cert.Certificate, link.Raw)
	}
	return cert, nil
}

// LoadTrust reads the certificates that are trusted. A certificate of which the file has the key is one of them. The error is an
// *Error.
func LoadTrust(f File) (*x509.CertPool, error) {
	c, err := f.load(false)
	if err == nil && len(c.trusted) == 0 {
		err = errors.New("it has no certificate that is trusted")
	}
	if err != nil {
		return nil, &Error{f.Path, err}
	}
	pool := x509.NewCertPool()
	for _, cert := range c.trusted {
		pool.AddCert(cert)
	}
	return pool, nil
}

// format gives the format that the type or the path names.
func (f File) format() (string, error) {
	if f.Type != "" {
		for _, known := range []string{typeJKS, typePKCS12, typePEM} {
			if strings.EqualFold(f.Type, known) {
				return known, nil
			}
		}
		return "", fmt.Errorf("its type %q is none of JKS, PKCS12, PEM", f.Type)
	}
	switch strings.ToLower(filepath.Ext(f.Path)) {
	case ".jks":
		return typeJKS, nil
	case ".p12", ".pfx", ".pkcs12":
		return typePKCS12, nil
	case ".pem":
		return typePEM, nil
	}
	return "", errors.New("the end of its name does not tell its type, JKS, PKCS12 or PEM")
}

// load reads the file. With forKey it is read for its key.
func (f File) load(forKey bool) (*contents, error) {
	format, err := f.format()
	if err != nil {
		return nil, err
	}
	data := f.Content
	if data == nil {
		if data, err = os.ReadFile(f.Path); err != nil {
			return nil, reason(err)
		}
	}
	switch {
	case format == typePEM:
		return readPEM(data, f.Password, forKey)
	case bytes.HasPrefix(data, jksMagic):
		return readJKS(data, f.Password, cmp.Or(f.KeyPassword, f.Password), forKey)
	default:
		return readPKCS12(data, f.Password, forKey)
	}
}

// reason takes the path out of an error that gets it anew.
func reason(err error) error {
	if of, ok := errors.AsType[*os.PathError](err); ok {
		return of.Err
	}
	return err
}

// order puts the certificate first that is the key's own.
func order(key crypto.PrivateKey, certs []*x509.Certificate) ([]*x509.Certificate, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("its key of type %T cannot sign", key)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, fmt.Errorf("its key is of type %T", key)
	}
	for i, cert := range certs {
		if public.Equal(cert.PublicKey) {
			chain := append([]*x509.Certificate{cert}, certs[:i]...)
			return append(chain, certs[i+1:]...), nil
		}
	}
	return nil, errors.New("no certificate in it is that of its key")
}
