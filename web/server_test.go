package web

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/metrics"
	"klamm/observe"
	"klamm/server/config"
)

// served is a Server with what it serves.
type served struct {
	*Server
	t      *testing.T
	life   observe.Life
	broker atomic.Pointer[broker.Broker]
}

func serve(t *testing.T, c config.HTTP) *served {
	t.Helper()
	s := &served{t: t}
	g := metrics.New(metrics.Options{Broker: s.broker.Load, Life: &s.life, Partitions: 100})
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	server, err := Listen(Options{
		Config: &c, Broker: s.broker.Load, Life: &s.life, Metrics: g, CruiseControl: g.CruiseControl(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	go server.Serve()
	t.Cleanup(func() { server.Close(context.Background()) })
	return s
}

// get asks for a path and gives the status and the body.
func (s *served) get(path string, change ...func(*http.Request)) (status int, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range change {
		f(req)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (s *served) want(path string, status int, part string) {
	s.t.Helper()
	if got, body := s.get(path); got != status || !strings.Contains(body, part) {
		s.t.Errorf("%s: %d %q, want %d %q", path, got, body, status, part)
	}
}

// TestHealthFollowsTheBroker goes through a broker's life.
func TestHealthFollowsTheBroker(t *testing.T) {
	s := serve(t, config.HTTP{})
	s.life.Set(observe.Recovery)
	s.want("/healthz", 200, "ok")
	s.want("/readyz", 503, "RECOVERY")
	s.want("/v1/ready", 503, "RECOVERY")
	s.want("/v1/broker-state", 200, `{"brokerState":2}`)
	s.want("/safe-to-restart", 503, `"safe":false`)
	s.want("/metrics", 200, "kafka_server_kafkaserver_brokerstate 2\n")

	b := brokertest.Run(t)
	b.Topic("a", 3) // with one replica each, which fall out of sync at any restart
	s.broker.Store(b.Broker)
	s.life.Set(observe.Running)
	s.want("/healthz", 200, "ok")
	s.want("/readyz", 200, "ready")
	s.want("/v1/ready", 200, "ready")
	s.want("/v1/broker-state", 200, `{"brokerState":3}`)
	s.want("/safe-to-restart", 200, `"safe":true`)
	s.want("/metrics", 200, "kafka_server_replicamanager_leadercount 3\n")
	s.want("/metrics/cruise-control", 200, "kafka_log_Log_Value")
	s.want("/nothing", 404, "")

	s.life.Set(observe.PendingControlledShutdown)
	s.want("/readyz", 503, "PENDING_CONTROLLED_SHUTDOWN")
	s.want("/healthz", 200, "ok")
}

// TestARestartThatWouldTakeTooMuchIsNotSafe has a cluster whose partitions lack a replica.
func TestARestartThatWouldTakeTooMuchIsNotSafe(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "min.insync.replicas=2", "default.replication.factor=3")
	c.Topic("a", 2, 3)
	s := serve(t, config.HTTP{})
	s.broker.Store(c.Brokers[0].Broker)
	s.life.Set(observe.Running)
	await.Until(t, "the restart of one broker of three is safe", func() bool {
		status, _ := s.get("/safe-to-restart")
		return status == 200
	})
	c.Stop(2)
	var answer struct {
		Safe       bool
		Blocking   int
		Partitions []string
	}
	await.Until(t, "the restart of a second broker is not safe", func() bool {
		status, body := s.get("/safe-to-restart")
		return status == 503 && json.Unmarshal([]byte(body), &answer) == nil && answer.Blocking == 2
	})
	if answer.Safe || len(answer.Partitions) != 2 || !strings.HasPrefix(answer.Partitions[0], "a-") {
		t.Errorf("the answer is %+v", answer)
	}
	s.want("/readyz", 200, "ready") // replicas out of sync say nothing of readiness
}

// TestOtherHostsAreRefused sends what a browser would for a page of another site whose name leads to this machine.
func TestOtherHostsAreRefused(t *testing.T) {
	s := serve(t, config.HTTP{})
	for host, status := range map[string]int{
		"evil.example": 421, "evil.example:9094": 421, "127.0.0.1.evil.example": 421, "": 400, "10.0.0.1": 421,
		"localhost": 200, "LocalHost:9094": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]:9094": 200, "[::1]": 200,
	} {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nConnection: close\r\n")
		if host != "" {
			_, _ = io.WriteString(conn, "Host: "+host+"\r\n")
		}
		_, _ = io.WriteString(conn, "\r\n")
		answer, _ := io.ReadAll(conn)
		_ = conn.Close()
		if want := http.StatusText(status); !strings.Contains(string(answer), want) {
			t.Errorf("Host: %s: %q, not %d", host, answer, status)
		}
	}
}

// TestWhoMayAsk asks without and with the user and password; health is for everybody.
func TestWhoMayAsk(t *testing.T) {
	s := serve(t, config.HTTP{User: "prometheus", Password: "secret"})
	s.want("/healthz", 200, "ok")
	s.want("/v1/broker-state", 200, "brokerState")
	for _, path := range []string{"/metrics", "/metrics/cruise-control", "/safe-to-restart"} {
		s.want(path, 401, "klamm.http.basic.auth")
	}
	for _, c := range []struct {
		user, password string
		status         int
	}{{"prometheus", "secret", 200}, {"prometheus", "wrong", 401}, {"other", "secret", 401}, {"", "", 401}, {"prometheus", "", 401}} {
		if status, _ := s.get("/metrics", func(r *http.Request) { r.SetBasicAuth(c.user, c.password) }); status != c.status {
			t.Errorf("%s:%s gets %d, not %d", c.user, c.password, status, c.status)
		}
	}
}

// TestTLS serves with a certificate, on an address that other machines reach, where answers may be compressed.
func TestTLS(t *testing.T) {
	s := serve(t, config.HTTP{Addr: "0.0.0.0:0", KeyStore: config.StoreFile{Path: certificate(t), Type: "PEM"}, User: "u", Password: "p"})
	if !strings.HasPrefix(s.URL(), "https://localhost:") {
		t.Fatal(s.URL())
	}
	s.want("/healthz", 200, "ok")
	status, body := s.get("/metrics", func(r *http.Request) {
		r.SetBasicAuth("u", "p")
		r.Header.Set("Accept-Encoding", "gzip")
		r.Host = "broker.example"
	})
	unpacked, err := gzip.NewReader(strings.NewReader(body))
	if err != nil || status != 200 {
		t.Fatal(status, err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil || !strings.Contains(string(text), "kafka_server_kafkaserver_brokerstate 0\n") {
		t.Errorf("%v: %.200q", err, text)
	}
	if _, err := Listen(Options{Config: &config.HTTP{Addr: "127.0.0.1:0", KeyStore: config.StoreFile{Path: "/none.pem", Type: "PEM"}}, Logger: slog.Default()}); err == nil ||
		!strings.Contains(err.Error(), "klamm.http.ssl.keystore.location") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

// certificate makes a key and certificate in a PEM file.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "http.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
