package config

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestZooKeeperConnect(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{"localhost", "localhost:2181", ""},
		{"a:1,b:2 , c/kafka/prod", "a:1,b:2,c:2181/kafka/prod", ""},
		{"[::1]:2182,::1/", "[::1]:2182,[::1]:2181", ""},
		{"a,/x/", "a:2181/x", ""},
		{"/x", "", "names no server"},
		{",", "", "names no server"},
		{"", "", "names no server"},
		{"a/x//y", "", "is no path of a node"},
		{"a/x/../y", "", "is no path of a node"},
		{"a:x", "", `"a:x" is not of the form host:port`},
		{"a:0,b", "", `"a:0" is not of the form host:port`},
		{":1", "", `":1" is not of the form host:port`},
	} {
		b, _, err := Load(Options{Sets: []string{"zookeeper.connect=" + c.in}})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "--set zookeeper.connect: ") {
				t.Errorf("%q: error %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || b.ZooKeeper() == nil || b.ZooKeeper().String() != c.want {
			t.Errorf("%q: %v, %v; want %s", c.in, b.ZooKeeper(), err, c.want)
		}
	}
}

// TestWithoutZooKeeper checks when a broker is alone: without the property, and with a file that is written for KRaft.
func TestWithoutZooKeeper(t *testing.T) {
	if b, _ := mustLoad(t, Options{}); b.ZooKeeper() != nil {
		t.Errorf("nobody named a ZooKeeper: %v", b.ZooKeeper())
	}
	b, ws := mustLoad(t, Options{Sets: []string{"zookeeper.connect=a", "process.roles=broker"}})
	if b.ZooKeeper() != nil {
		t.Errorf("a file for KRaft: %v", b.ZooKeeper())
	}
	if all := strings.Join(Lines(ws), "\n"); !strings.Contains(all, "zookeeper.connect: has no effect beside process.roles") {
		t.Errorf("warnings = %s", all)
	}
	_, _, err := Load(Options{Sets: []string{"zookeeper.connect=a", "zookeeper.session.timeout.ms=0", "zookeeper.connection.timeout.ms=-1"}})
	if err == nil || strings.Count(err.Error(), "at least 1 ms") != 2 {
		t.Errorf("time-outs of nothing: %v", err)
	}
}

func TestZooKeeperTLS(t *testing.T) {
	with := func(sets ...string) []string {
		return append([]string{"zookeeper.connect=a", "zookeeper.ssl.client.enable=true"}, sets...)
	}
	b, ws := mustLoad(t, Options{Sets: with("zookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty")})
	if got := *b.ZooKeeper().TLS; got.MinVersion != tls.VersionTLS12 || got.MaxVersion != tls.VersionTLS12 || !got.VerifyName || got.CipherSuites != nil {
		t.Errorf("by default: %+v", got)
	}
	if all := strings.Join(Lines(ws), "\n"); strings.Contains(all, "zookeeper.ssl") {
		t.Errorf("warnings = %s", all)
	}
	b, _ = mustLoad(t, Options{Sets: with("zookeeper.ssl.enabled.protocols=TLSv1.3,TLSv1.2", "zookeeper.ssl.endpoint.identification.algorithm=",
		"zookeeper.ssl.keystore.location=k.p12", "zookeeper.ssl.keystore.password=secret", "zookeeper.ssl.truststore.type=PEM", "zookeeper.set.acl=true")})
	got := *b.ZooKeeper().TLS
	if got.MinVersion != tls.VersionTLS12 || got.MaxVersion != tls.VersionTLS13 || got.VerifyName ||
		got.KeyStore != (StoreFile{Path: "k.p12", Password: "secret"}) || got.TrustStore != (StoreFile{Type: "PEM"}) {
		t.Errorf("got %+v", got)
	}
	b, _ = mustLoad(t, Options{Sets: with("zookeeper.ssl.cipher.suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")})
	if got := b.ZooKeeper().TLS.CipherSuites; len(got) != 1 || got[0] != tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("suites %x", got)
	}
	for set, want := range map[string]string{
		"zookeeper.ssl.protocol=TLS":                            `"TLS" is none of TLSv1`,
		"zookeeper.ssl.enabled.protocols=TLSv1,TLSv1.2":         "a version between two others is left out",
		"zookeeper.ssl.cipher.suites=TLS_NONSENSE":              `klamm does not have "TLS_NONSENSE"`,
		"zookeeper.ssl.endpoint.identification.algorithm=LDAPS": `"LDAPS" is neither HTTPS nor empty`,
		"zookeeper.ssl.crl.enable=true":                         "klamm does not ask whether certificates were revoked",
		"zookeeper.ssl.ocsp.enable=true":                        "klamm does not ask whether certificates were revoked",
		"zookeeper.set.acl=true":                                "nodes can only belong to a broker that ZooKeeper knows",
		"klamm.zookeeper.digest=secret":                         "it is not of the form user:password",
	} {
		_, _, err := Load(Options{Sets: with(set)})
		name, _, _ := strings.Cut(set, "=")
		if err == nil || !strings.Contains(err.Error(), "--set "+name+": "+want) {
			t.Errorf("%s: %v", set, err)
		}
	}
	_, _, err := Load(Options{Sets: with("zookeeper.ssl.protocol=TLSv1.3", "zookeeper.ssl.cipher.suites=TLS_AES_256_GCM_SHA384")})
	if err == nil || !strings.Contains(err.Error(), "TLS_AES_128_GCM_SHA256 cannot be left out") {
		t.Errorf("one suite of TLS 1.3: %v", err)
	}
	if _, _, err := Load(Options{Sets: with("klamm.zookeeper.digest=u:p", "zookeeper.set.acl=true")}); err != nil {
		t.Error(err)
	}
}
