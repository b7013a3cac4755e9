package zookeeper

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"klamm/compat-tests/harness"
)

const password = "store-password"

// keytool runs Java's tool for key stores.
func keytool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("keytool")
	if err != nil {
		t.Fatal("no keytool on the PATH: run `make tools`")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("keytool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// stores makes a key store for a name, and a trust store that has the certificate of another.
func stores(t *testing.T, dir, name, format string) (keys, cert string) {
	t.Helper()
	keys, cert = filepath.Join(dir, name+".keys"), filepath.Join(dir, name+".pem")
	with := []string{"-keystore", keys, "-storetype", format, "-storepass", password, "-alias", name}
	keytool(t, append([]string{"-genkeypair", "-keyalg", "RSA", "-dname", "CN=" + name, "-keypass", password, "-ext", "san=dns:localhost"}, with...)...)
	keytool(t, append([]string{"-exportcert", "-rfc", "-file", cert}, with...)...)
	return keys, cert
}

func trust(t *testing.T, store, format, cert string) string {
	t.Helper()
	keytool(t, "-importcert", "-noprompt", "-keystore", store, "-storetype", format, "-storepass", password, "-alias", "peer", "-file", cert)
	return store
}

// acl is the access control list of a node as text.
func acl(t *testing.T, conn *zk.Conn, path string) string {
	t.Helper()
	list, _, err := conn.GetACL(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var all []string
	for _, a := range list {
		id, _, _ := strings.Cut(a.ID, ":")
		all = append(all, fmt.Sprint(a.Scheme, ":", id, ":", a.Perms))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestTLSAndAccess runs the broker on a ZooKeeper that takes clients with certificates alone, with key stores of Java,
// and with zookeeper.set.acl. Another broker, without the certificate, is refused.
func TestTLSAndAccess(t *testing.T) {
	dir := t.TempDir()
	serverKeys, serverCert := stores(t, dir, "server", "PKCS12")
	brokerKeys, brokerCert := stores(t, dir, "klamm", "JKS")
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	server := harness.StartZooKeeper(t, harness.ZooKeeperOptions{Properties: map[string]string{
		"secureClientPort": fmt.Sprint(port), "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
		"ssl.keyStore.location": serverKeys, "ssl.keyStore.password": password, "ssl.keyStore.type": "PKCS12",
		"ssl.trustStore.location": trust(t, filepath.Join(dir, "server.trusted"), "PKCS12", brokerCert), "ssl.trustStore.password": password,
		"ssl.trustStore.type": "PKCS12", "ssl.clientAuth": "need", "ssl.hostnameVerification": "false",
	}})
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{
		"broker.id": "1", "zookeeper.connect": fmt.Sprint("localhost:", port), "zookeeper.set.acl": "true",
		"zookeeper.ssl.client.enable": "true", "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
		"zookeeper.ssl.keystore.location": brokerKeys, "zookeeper.ssl.keystore.password": password, "zookeeper.ssl.keystore.type": "JKS",
		"zookeeper.ssl.truststore.location": trust(t, filepath.Join(dir, "klamm.trusted"), "JKS", serverCert),
		"zookeeper.ssl.truststore.password": password, "zookeeper.ssl.truststore.type": "JKS",
	}})
	topic := harness.Topic(t, b.Addr, 1)
	harness.Kcat(t, b.Addr, strings.NewReader("one\n"), "-P", "-t", topic, "-p", "0")

	conn, _, err := zk.Connect(server.Addrs(), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for path, want := range map[string]string{
		"/brokers/topics/" + topic: "world:anyone:1 x509:CN=klamm:31", "/brokers/ids/1": "world:anyone:1 x509:CN=klamm:31",
		"/consumers": "world:anyone:31",
	} {
		if got := acl(t, conn, path); got != want {
			t.Errorf("%s has the list %s, should be %s", path, got, want)
		}
	}

	for _, path := range []string{"/config/users", "/config/brokers"} {
		if _, _, err := conn.Get(path); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("everybody reads %s: %v", path, err)
		}
	}

	// The broker's own certificate gives all rights, and no certificate gives few.
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command(binary, "migrate", "check", "--config", b.ConfigFile()).CombinedOutput() // the code is 0 or 1, by what klamm does not serve
	if text := string(out); strings.Contains(text, "klamm may not") || !strings.Contains(text, "/brokers/ids/1\n") {
		t.Errorf("with the certificate:\n%s", text)
	}
	out, _ = exec.Command(binary, "migrate", "check", "--config", b.ConfigFile(), "--zookeeper", server.Connect(), "--set", "zookeeper.ssl.client.enable=false",
		"--set", "zookeeper.set.acl=false").CombinedOutput()
	for _, want := range []string{"klamm would not start", "klamm may not write", "world:anyone:r", "x509:CN=klamm:rwcda", "klamm may not read", "/config/users\n"} {
		if text := string(out); !strings.Contains(text, want) {
			t.Errorf("without the certificate: no %q in\n%s", want, text)
		}
	}

	stranger, err := harness.Prepare(harness.Options{Broker: "klamm", Properties: map[string]string{
		"broker.id": "2", "zookeeper.connect": server.Connect(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Remove()
	err = stranger.Run()
	stranger.Kill()
	if err == nil || !strings.Contains(stranger.Log(), "zookeeper-security-migration.sh") {
		t.Errorf("a broker without the certificate: %v\n%s", err, stranger.Log())
	}
}
