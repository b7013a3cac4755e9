package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// attempts notes which brokers could not be connected to: an error of franz-go alone does not say which one it is about.
type attempts struct {
	mu     sync.Mutex
	failed map[string]error // guarded by mu: why the last connection to host:port failed
	order  []string         // guarded by mu: the keys of failed, the latest last
}

// OnBrokerConnect is a hook of franz-go.
func (a *attempts) OnBrokerConnect(to kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	addr := net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port)))
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failed, addr)
	a.order = slices.DeleteFunc(a.order, func(other string) bool { return other == addr })
	if err != nil && !errors.Is(err, context.Canceled) {
		a.failed[addr], a.order = err, append(a.order, addr)
	}
}

// all gives the addresses that could not be reached, and why, the latest last.
func (a *attempts) all() (addrs []string, errs []error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, addr := range a.order {
		errs = append(errs, a.failed[addr])
	}
	return slices.Clone(a.order), errs
}

// Error says that a broker cannot be reached. Its text says what to do.
type Error struct {
	Text string
	Err  error
}

// Error gives the text.
func (e *Error) Error() string { return e.Text }

// Unwrap gives the error of the client.
func (e *Error) Unwrap() error { return e.Err }

// Explain makes an error of the client, or of a request through it, one that names the broker and says what to do, where that is about reaching a broker.
// Another error stays as it is.
func (c *Cluster) Explain(err error) error {
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	if !unreachable(err) && (c.Unreached() == nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	if reason := c.Unreached(); reason != nil {
		return &Error{reason.Error(), err}
	}
	return &Error{c.lost(err), err}
}

// Unreached gives an error about the brokers that could not be connected to at last; nil if there are none.
func (c *Cluster) Unreached() error {
	addrs, errs := c.attempts.all()
	if len(addrs) == 0 {
		return nil
	}
	var lines []string
	for i, addr := range addrs {
		if line := c.line(addr, errs[i]); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return &Error{strings.Join(lines, "\n"), errors.Join(errs...)}
}

// unreachable says whether an error is about a connection.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var first *kgo.ErrFirstReadEOF
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &first) || errors.As(err, &record) || errors.As(err, &verify) ||
		errors.Is(err, io.EOF) || isAuthentication(err)
}

func isAuthentication(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState)
}

// lost says that a connection which there was has ended.
func (c *Cluster) lost(err error) string {
	servers := strings.Join(c.config.Servers, ",")
	var first *kgo.ErrFirstReadEOF
	if errors.As(err, &first) || isAuthentication(err) {
		return c.line(servers, err)
	}
	return fmt.Sprintf("the connection to the cluster at %s was lost (%v); does the broker still run?", servers, err)
}

// line says why one broker cannot be reached, and what to do.
func (c *Cluster) line(addr string, err error) string {
	whose := ""
	if !slices.Contains(c.config.Servers, addr) {
		whose = fmt.Sprintf(", which is what %s tells clients to connect to (advertised.listeners)", strings.Join(c.config.Servers, ","))
	}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var first *kgo.ErrFirstReadEOF
	var network net.Error
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot reach %s%s: %s is no known host (%v); is the name right?", addr, whose, dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("cannot reach %s%s: connection refused; is a broker running there?", addr, whose)
	case errors.As(err, &record):
		return fmt.Sprintf("cannot reach %s%s: it does not speak TLS; is security.protocol=%s right?", addr, whose, c.config.protocol())
	case errors.As(err, &unknown):
		return fmt.Sprintf("cannot reach %s%s: %v; ssl.truststore.location has to name the certificates to trust", addr, whose, unknown)
	case errors.As(err, &host):
		return fmt.Sprintf("cannot reach %s%s: %v; connect to a name that the certificate has, or set ssl.endpoint.identification.algorithm= to check no name", addr, whose, host)
	case isAuthentication(err):
		return fmt.Sprintf("cannot log in at %s%s: %v; are sasl.mechanism and sasl.jaas.config right?", addr, whose, err)
	case strings.Contains(err.Error(), "appear to be a tls alert"): // franz-go has no type for these two
		return fmt.Sprintf("cannot reach %s%s: its listener wants TLS; security.protocol is %s, and --command-config or a profile can set SSL or SASL_SSL", addr, whose, c.config.protocol())
	case strings.Contains(err.Error(), "beginning of an HTTP response"):
		return fmt.Sprintf("cannot reach %s%s: it speaks HTTP; is the port right?", addr, whose)
	case errors.As(err, &first), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Sprintf("cannot reach %s%s: it closed the connection and sent nothing; does its listener want TLS or SASL? security.protocol is %s, and --command-config or a profile can set it",
			addr, whose, c.config.protocol())
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("cannot reach %s%s: no answer in time; is that a Kafka broker, and does a firewall let the connection through?", addr, whose)
	}
	return fmt.Sprintf("cannot reach %s%s: %v", addr, whose, err)
}

// protocol gives the security protocol.
func (c Config) protocol() string {
	switch {
	case c.TLS != nil && c.SASL != nil:
		return "SASL_SSL"
	case c.TLS != nil:
		return "SSL"
	case c.SASL != nil:
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}
