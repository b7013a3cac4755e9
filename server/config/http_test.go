package config

import (
	"strings"
	"testing"
)

// TestHTTPListener reads klamm.http.listener and what goes with it.
func TestHTTPListener(t *testing.T) {
	for _, c := range []struct {
		name    string
		sets    []string
		addr    string // "" where nothing is served
		refused string // a part of the error
		warned  string // a part of a warning
	}{
		{name: "by default", addr: "127.0.0.1:9094"},
		{name: "off", sets: []string{"klamm.http.listener=OFF"}},
		{name: "loopback", sets: []string{"klamm.http.listener=[::1]:8000"}, addr: "[::1]:8000"},
		{name: "no address", sets: []string{"klamm.http.listener=9094"}, refused: "is not HOST:PORT"},
		{name: "for other machines", sets: []string{"klamm.http.listener=:8000"}, refused: "other machines reach"},
		{name: "for others with a password alone", sets: []string{"klamm.http.listener=10.0.0.1:8000", "klamm.http.basic.auth=u:p"}, refused: "other machines reach"},
		{name: "for others with TLS alone", sets: []string{"klamm.http.listener=10.0.0.1:8000", "klamm.http.ssl.keystore.location=k.pem"}, refused: "other machines reach"},
		{name: "for others with both", addr: "10.0.0.1:8000",
			sets: []string{"klamm.http.listener=10.0.0.1:8000", "klamm.http.basic.auth=u:p", "klamm.http.ssl.keystore.location=k.pem"}},
		{name: "for others on purpose", sets: []string{"klamm.http.listener=:8000", "klamm.http.allow.insecure=true"}, addr: ":8000"},
		{name: "no password", sets: []string{"klamm.http.basic.auth=user"}, refused: "user:password"},
		// A broker of a cluster on one machine often listens at 9094.
		{name: "clients at the default port", sets: []string{"listeners=PLAINTEXT://127.0.0.1:9094"}, warned: "has the default port"},
		{name: "clients at the default port everywhere", sets: []string{"listeners=PLAINTEXT://:9092,B://:9094", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT"},
			warned: "B://:9094 has the default port"},
		{name: "clients at the chosen port", sets: []string{"listeners=PLAINTEXT://0.0.0.0:9092", "klamm.http.listener=localhost:9092"}, refused: "is the address of the listener"},
		{name: "clients elsewhere at this port", sets: []string{"listeners=PLAINTEXT://10.0.0.1:9094"}, addr: "127.0.0.1:9094"},
		{name: "a port that the system chooses", sets: []string{"listeners=PLAINTEXT://127.0.0.1:0", "klamm.http.listener=127.0.0.1:0"}, addr: "127.0.0.1:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, warnings, err := Load(Options{Sets: c.sets})
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("%v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			addr := ""
			if h := b.HTTP(); h != nil {
				addr = h.Addr
			}
			if addr != c.addr {
				t.Errorf("serves at %q, not %q", addr, c.addr)
			}
			said := strings.Join(Lines(warnings), "\n")
			if strings.Contains(said, "klamm.http") != (c.warned != "") || !strings.Contains(said, c.warned) {
				t.Errorf("warns %q, want %q", said, c.warned)
			}
		})
	}
}
