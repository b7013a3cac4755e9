package web

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"klamm/broker"
	"klamm/observe"
	"klamm/server/config"
	"klamm/server/keystore"
)

// Options are what a Server is made of. All are required.
type Options struct {
	// Config says where to listen, and who may ask.
	Config *config.HTTP
	// Broker gives the broker, nil while it has not started.
	Broker func() *broker.Broker
	// Life is how far the broker is.
	Life *observe.Life
	// Metrics are what /metrics shows, and CruiseControl what /metrics/cruise-control does.
	Metrics, CruiseControl Writer
	Logger                 *slog.Logger
}

// Writer writes metrics in Prometheus' text format.
type Writer interface{ Write(to io.Writer) error }

// Server answers HTTP requests.
type Server struct {
	o        Options
	http     *http.Server
	listener net.Listener
	local    bool          // only this machine reaches the listener
	scrapes  chan struct{} // one element for each gathering that runs
}

// How long a client may take, and how much it may send.
const (
	headerTimeout  = 10 * time.Second
	writeTimeout   = time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	// maxScrapes is how many gatherings run at a time.
	maxScrapes = 4
)

// Listen opens the listener. Serve answers on it. A *net.OpError says that the address cannot be had, a *keystore.Error that there is no certificate.
func Listen(o Options) (*Server, error) {
	s := &Server{o: o, scrapes: make(chan struct{}, maxScrapes)}
	var secure *tls.Config
	if store := o.Config.KeyStore; store.Path != "" {
		cert, err := keystore.LoadKey(keystore.File{Path: store.Path, Type: store.Type, Password: store.Password})
		if err != nil {
			return nil, fmt.Errorf("klamm.http.ssl.keystore.location: %w", err)
		}
		secure = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	listener, err := net.Listen("tcp", o.Config.Addr)
	if err != nil {
		return nil, fmt.Errorf("klamm.http.listener: %w", err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		s.local = tcp.IP.IsLoopback()
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	s.listener = listener
	s.http = &http.Server{
		Handler: s.guarded(s.routes()), ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr gives the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL gives the address for a browser on this machine.
func (s *Server) URL() string {
	scheme, addr := "http", s.Addr().String()
	if s.o.Config.KeyStore.Path != "" {
		scheme = "https"
	}
	if tcp, ok := s.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		addr = net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return scheme + "://" + addr
}

// Serve answers requests until Close.
func (s *Server) Serve() {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.o.Logger.Error("metrics and health are not served any more", "error", err)
	}
}

// Close stops the server, and cuts requests that take longer than ctx.
func (s *Server) Close(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.authorized(s.gathered(s.o.Metrics)))
	mux.Handle("GET /metrics/cruise-control", s.authorized(s.gathered(s.o.CruiseControl)))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /v1/ready", s.readyz)
	mux.HandleFunc("GET /v1/broker-state", s.brokerState)
	mux.Handle("GET /safe-to-restart", s.authorized(http.HandlerFunc(s.safeToRestart)))
	return mux
}

// gathered writes metrics. Other machines that take gzip get it: the text is large and says the same again and again.
func (s *Server) gathered(from Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.scrapes <- struct{}{}:
			defer func() { <-s.scrapes }()
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		to := io.Writer(w)
		if !s.local && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a good one
			defer packed.Close()
			to = packed
		}
		if err := from.Write(to); err != nil && r.Context().Err() == nil {
			s.o.Logger.Warn("the metrics could not be written", "error", err)
		}
	})
}

// authorized asks for the user and the password, where the configuration has them.
func (s *Server) authorized(next http.Handler) http.Handler {
	c := s.o.Config
	if c.User == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		same := subtle.ConstantTimeCompare([]byte(user), []byte(c.User)) & subtle.ConstantTimeCompare([]byte(password), []byte(c.Password))
		if same != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="klamm", charset="UTF-8"`)
			http.Error(w, "klamm.http.basic.auth asks for a user and a password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guarded refuses requests that a page from elsewhere makes a browser send: for a name that leads here by accident or by intent.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.local && !isOwnHost(r.Host) {
			http.Error(w, fmt.Sprintf("this listener serves localhost, and not %q", r.Host), http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// isOwnHost says whether a Host header names this machine by a loopback address or as localhost.
func isOwnHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
