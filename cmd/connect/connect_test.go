package connect

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cmd/connect/profile"
)

// home gives a user without profiles and environment, for this test.
func home(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(ServerVariable, "")
	t.Setenv(ProfileVariable, "")
}

// listen serves each connection with a function, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

// TestOpen asks a broker, the second of two servers of which the first is none.
func TestOpen(t *testing.T) {
	nobody := listen(t, func(c net.Conn) { c.Close() })
	b := brokertest.Run(t)
	cluster, err := Config{Servers: []string{nobody, b.Addr()}}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if brokers, err := cluster.Admin.ListBrokers(t.Context()); err != nil || len(brokers) != 1 {
		t.Errorf("%v, %v", brokers, err)
	}
}

// TestCannotReach holds what a person reads when there is no way to a cluster.
func TestCannotReach(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := closed.Addr().String()
	closed.Close()
	hangsUp := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); c.Close() })
	silent := listen(t, func(net.Conn) {})
	http := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	alert := listen(t, func(c net.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 70}) })
	notTLS := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example ESMTP\r\n")) })
	for name, c := range map[string]struct {
		config Config
		words  []string
	}{
		"nobody there":          {Config{Servers: []string{gone}}, []string{"cannot reach " + gone, "connection refused", "is a broker running there?"}},
		"a wrong name":          {Config{Servers: []string{"no-such-host.invalid:9092"}}, []string{"no-such-host.invalid", "is the name right?"}},
		"it hangs up":           {Config{Servers: []string{hangsUp}}, []string{hangsUp, "TLS or SASL", "security.protocol is PLAINTEXT"}},
		"it says nothing":       {Config{Servers: []string{silent}, RequestTimeout: 100 * time.Millisecond}, []string{silent, "no answer in time"}},
		"it speaks plain text":  {Config{Servers: []string{notTLS}, TLS: &tls.Config{}}, []string{notTLS, "does not speak TLS", "security.protocol=SSL"}},
		"it speaks HTTP":        {Config{Servers: []string{http}}, []string{http, "HTTP", "is the port right?"}},
		"it speaks TLS":         {Config{Servers: []string{alert}}, []string{alert, "wants TLS", "security.protocol is PLAINTEXT"}},
		"two, and nobody there": {Config{Servers: []string{gone, hangsUp}}, []string{gone, hangsUp}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.config.Open(t.Context())
			if err == nil {
				t.Fatal("it opened")
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

// TestAdvertisedElsewhere asks a broker for more, which has told where nobody is.
func TestAdvertisedElsewhere(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := closed.Addr().String()
	closed.Close()
	b := brokertest.Run(t, "advertised.listeners=PLAINTEXT://"+nowhere)
	addr := b.Addr()
	cluster, err := Config{Servers: []string{addr}, APITimeout: time.Second}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	_, err = kmsg.NewPtrDescribeLogDirsRequest().RequestWith(t.Context(), cluster.Client.DiscoveredBrokers()[0])
	if err = cluster.Explain(err); err == nil || !strings.Contains(err.Error(), "cannot reach "+nowhere+", which is what "+addr+" tells clients to connect to") {
		t.Errorf("%v", err)
	}
}

// TestWhichServers holds the order of the places that name a cluster.
func TestWhichServers(t *testing.T) {
	home(t)
	file := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(file, []byte("bootstrap.servers=file:1\nclient.id=from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(f Flags) Config {
		t.Helper()
		c, err := f.Config()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := func(c Config, servers string) {
		t.Helper()
		if got := strings.Join(c.Servers, ","); got != servers {
			t.Errorf("the servers are %s, want %s", got, servers)
		}
	}
	want(config(Flags{}), DefaultServer)
	if _, err := (&Flags{Explicit: true}).Config(); err == nil || !strings.Contains(err.Error(), "--bootstrap-server") {
		t.Errorf("%v", err)
	}
	t.Setenv(ServerVariable, "env:1,env:2")
	want(config(Flags{Explicit: true}), "env:1,env:2")
	store, err := profile.Open()
	if err != nil {
		t.Fatal(err)
	}
	for name, server := range map[string]string{"one": "one:1", "two": "two:1"} {
		if err := store.Create(profile.Profile{Name: name, Properties: Properties{"bootstrap.servers": server, "client.id": name, "request.timeout.ms": "7000"}}); err != nil {
			t.Fatal(err)
		}
	}
	want(config(Flags{}), "env:1,env:2")
	if err := store.Use("one"); err != nil {
		t.Fatal(err)
	}
	want(config(Flags{}), "one:1")
	t.Setenv(ProfileVariable, "two")
	want(config(Flags{}), "two:1")
	want(config(Flags{Profile: "one"}), "one:1")
	c := config(Flags{Profile: "one", File: file})
	want(c, "file:1")
	if c.ClientID != "from-file" || c.RequestTimeout != 7*time.Second {
		t.Errorf("%+v", c)
	}
	want(config(Flags{Profile: "one", File: file, Servers: Servers{"flag:1"}}), "flag:1")
	if _, err := (&Flags{Profile: "three"}).Config(); err == nil || !strings.Contains(err.Error(), "there are one, two") {
		t.Errorf("%v", err)
	}
}

// TestNoHome has no place for profiles.
func TestNoHome(t *testing.T) {
	home(t)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if c, err := (&Flags{}).Config(); err != nil || c.Servers[0] != DefaultServer {
		t.Errorf("%v, %v", c.Servers, err)
	}
	if _, err := (&Flags{Profile: "one"}).Config(); err == nil || !strings.Contains(err.Error(), "HOME") {
		t.Errorf("%v", err)
	}
}
