package keystore

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"
)

// keytool runs Java's tool for key stores, which comes with the JRE.
func keytool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("keytool")
	if err != nil {
		t.Fatal("no keytool on the PATH: run `make tools`")
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("keytool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const password = "store-password"

// javaStores makes a store with a key, and one that trusts its certificate, in a format.
func javaStores(t *testing.T, format string) (keys, trusted string) {
	t.Helper()
	dir := t.TempDir()
	keys, trusted, cert := filepath.Join(dir, "keys.store"), filepath.Join(dir, "trusted.store"), filepath.Join(dir, "cert.pem")
	with := func(store string) []string {
		return []string{"-keystore", store, "-storetype", format, "-storepass", password, "-noprompt"}
	}
	keytool(t, append([]string{"-genkeypair", "-alias", "Broker", "-keyalg", "EC", "-dname", "CN=klamm", "-keypass", password}, with(keys)...)...)
	keytool(t, append([]string{"-exportcert", "-rfc", "-alias", "Broker", "-file", cert}, with(keys)...)...)
	keytool(t, append([]string{"-importcert", "-alias", "ca", "-file", cert}, with(trusted)...)...)
	return keys, trusted
}

// TestStoresOfJava reads what Java's own tool writes.
func TestStoresOfJava(t *testing.T) {
	for _, format := range []string{"JKS", "PKCS12"} {
		keys, trusted := javaStores(t, format)
		for _, said := range []string{"JKS", "pkcs12"} { // Java reads either as the other
			cert, err := LoadKey(File{Path: keys, Type: said, Password: password})
			if err != nil {
				t.Fatalf("%s as %s: %v", format, said, err)
			}
			if cert.Leaf.Subject.CommonName != "klamm" || len(cert.Certificate) != 1 || cert.PrivateKey == nil {
				t.Errorf("%s: the certificate is of %s, the chain has %d", format, cert.Leaf.Subject, len(cert.Certificate))
			}
			for _, store := range []string{trusted, keys} {
				pool, err := LoadTrust(File{Path: store, Type: said, Password: password})
				if err != nil {
					t.Fatalf("%s as %s: %v", format, said, err)
				}
				if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
					t.Errorf("%s: %v", format, err)
				}
			}
		}
		for name, load := range map[string]func(File) error{
			"key":   func(f File) error { _, err := LoadKey(f); return err },
			"trust": func(f File) error { _, err := LoadTrust(f); return err },
		} {
			if err := load(File{Path: keys, Type: format, Password: "wrong"}); err == nil || !strings.Contains(err.Error(), keys) {
				t.Errorf("%s: %s with a wrong password: %v", format, name, err)
			}
		}
		if _, err := LoadKey(File{Path: trusted, Type: format, Password: password}); err == nil || !strings.Contains(err.Error(), trusted) {
			t.Errorf("%s: a key of a store that has none: %v", format, err)
		}
	}
	_, trusted := javaStores(t, "JKS")
	if _, err := LoadTrust(File{Path: trusted, Type: "JKS", Password: ""}); err != nil {
		t.Errorf("without a password the digest is not checked: %v", err)
	}
}

// TestPasswordOfTheKey reads a key that has another password than its store.
func TestPasswordOfTheKey(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.jks")
	keytool(t, "-genkeypair", "-keyalg", "EC", "-dname", "CN=klamm", "-keystore", keys, "-storetype", "JKS", "-storepass", password, "-keypass", "key-password")
	if _, err := LoadKey(File{Path: keys, Type: "JKS", Password: password, KeyPassword: "key-password"}); err != nil {
		t.Error(err)
	}
	if _, err := LoadKey(File{Path: keys, Type: "JKS", Password: password}); err == nil {
		t.Error("the password of the store opens the key")
	}
}

// TestPEM reads certificates and keys in text.
func TestPEM(t *testing.T) {
	keys, _ := javaStores(t, "PKCS12")
	cert, err := LoadKey(File{Path: keys, Type: "PKCS12", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	other, err := LoadKey(File{Path: mustKeys(t), Type: "PKCS12", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := pkcs8.MarshalPrivateKey(cert.PrivateKey, []byte(password), pkcs8.DefaultOpts)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	own, ca := block("CERTIFICATE", cert.Certificate[0]), block("CERTIFICATE", other.Certificate[0])
	path := filepath.Join(t.TempDir(), "store.pem")
	for _, c := range []struct{ name, text, password, err string }{
		{"key and certificate", block("PRIVATE KEY", plain) + own, "", ""},
		{"an encrypted key", block("ENCRYPTED PRIVATE KEY", encrypted) + own, password, ""},
		{"the authority first", ca + own + block("PRIVATE KEY", plain), "", ""},
		{"parameters before the key", block("EC PARAMETERS", []byte{6, 1, 0}) + block("PRIVATE KEY", plain) + own, "", ""},
		{"a wrong password", block("ENCRYPTED PRIVATE KEY", encrypted) + own, "wrong", "is the password right?"},
		{"no key", own, "", "it has no private key"},
		{"no certificate of the key", block("PRIVATE KEY", plain) + ca, "", "no certificate in it is that of its key"},
		{"another key", block("DSA PRIVATE KEY", plain) + own, "", "is no private key that is known"},
		{"nothing", "hello", "", "it has no private key"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadKey(File{Path: path, Password: c.password})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || !got.Leaf.Equal(cert.Leaf) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := LoadKey(File{Path: "nowhere", Type: "PEM", Password: c.password, Content: []byte(c.text)}); err != nil || !got.Leaf.Equal(cert.Leaf) {
			t.Errorf("%s, given by the configuration: %v", c.name, err)
		}
	}
	if err := os.WriteFile(path, []byte(own+ca), 0o600); err != nil {
		t.Fatal(err)
	}
	pool, err := LoadTrust(File{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range []*x509.Certificate{cert.Leaf, other.Leaf} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTrust(File{Path: path}); err == nil || !strings.Contains(err.Error(), "no certificate that is trusted") {
		t.Errorf("a file without certificates: %v", err)
	}
}

func mustKeys(t *testing.T) string {
	keys, _ := javaStores(t, "PKCS12")
	return keys
}

// TestTypes checks what is said when the format is not known or the file is not there.
func TestTypes(t *testing.T) {
	garbage := make([]byte, 100)
	_, _ = rand.Read(garbage)
	path := filepath.Join(t.TempDir(), "x.bin")
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file File
		err  string
	}{
		{File{Path: path}, "the end of its name does not tell its type"},
		{File{Path: path, Type: "BCFKS"}, `its type "BCFKS" is none of JKS, PKCS12, PEM`},
		{File{Path: path, Type: "JKS"}, "pkcs12"},
		{File{Path: path + ".p12"}, "no such file"},
	} {
		if _, err := LoadKey(c.file); err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), c.file.Path) {
			t.Errorf("%+v: %v, want %q", c.file, err, c.err)
		}
	}
}
