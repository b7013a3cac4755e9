package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Config says how to reach a cluster. The zero value of each field but Servers is a default.
type Config struct {
	Servers []string // host:port of brokers, the first that answers tells of the others

	ClientID       string        // client.id; "" is klamm
	Rack           string        // client.rack
	RequestTimeout time.Duration // request.timeout.ms: how long one answer may take; 0 is 30 seconds
	APITimeout     time.Duration // default.api.timeout.ms: how long a request may take with what is tried again; 0 is a minute
	ConnectTimeout time.Duration // socket.connection.setup.timeout.ms: how long a connection may take; 0 is 10 seconds

	TLS  *tls.Config    // nil is plain text
	SASL sasl.Mechanism // nil is none

	// Properties are all that the files say, for what a command itself has use for: group.id, acks, compression.type and so on.
	Properties Properties
}

// Options gives what makes a client of franz-go, to which a command adds its own.
func (c Config) Options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Servers...),
		kgo.ClientID(or(c.ClientID, "klamm")),
		kgo.RequestTimeoutOverhead(or(c.RequestTimeout, 30*time.Second)),
		kgo.RetryTimeout(or(c.APITimeout, time.Minute)),
		kgo.DialTimeout(or(c.ConnectTimeout, 10*time.Second)),
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	if c.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(c.TLS))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL))
	}
	return opts
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Cluster is a cluster that a broker of has answered.
type Cluster struct {
	Client *kgo.Client
	Admin  *kadm.Client

	config   Config
	attempts *attempts
}

// Open makes a client and asks each of the servers until one answers. The error says what to do. Close ends the client.
func (c Config) Open(ctx context.Context, more ...kgo.Opt) (*Cluster, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("no server is named")
	}
	tried := &attempts{failed: map[string]error{}}
	client, err := kgo.NewClient(append(append(c.Options(), kgo.WithHooks(tried)), more...)...)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{Client: client, Admin: kadm.NewClient(client), config: c, attempts: tried}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		if reason := cluster.Unreached(); reason != nil && ctx.Err() == nil {
			return nil, reason
		}
		return nil, cluster.Explain(err)
	}
	return cluster, nil
}

// Close ends the client.
func (c *Cluster) Close() { c.Client.Close() }
