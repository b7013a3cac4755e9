// Package brokertest starts a whole broker in the process of a test. Its Client sends and
// receives the bytes that a test wants, and never does what a client library does for its
// user. Only tests import this package.
//
// Begin reading at Run.
package brokertest

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"klamm/broker"
	"klamm/cluster"
	"klamm/internal/await"
	"klamm/observe"
	"klamm/server/config"
	"klamm/server/transport"
)

// Broker is a whole broker in this process.
type Broker struct {
	*broker.Broker
	T   testing.TB
	Log *Buffer
	End func() error // ends the broker, once

	pull func() // ends its sockets; nil for a broker that is alone
}

// Buffer holds the lines that a broker logged.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns all lines.
func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Run starts a broker on a free port, with its data in a temporary directory of the test.
// Each setting is name=value.
func Run(t testing.TB, settings ...string) *Broker {
	t.Helper()
	return RunWith(t, broker.Options{}, settings...)
}

// RunWith starts a broker as Run does, with options of which it sets the configuration and the log.
func RunWith(t testing.TB, o broker.Options, settings ...string) *Broker {
	t.Helper()
	sets := append([]string{
		"broker.id=0", "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + filepath.Join(t.TempDir(), "data"),
		"log.initial.task.delay.ms=86400000", // retention must not delete records, which may have timestamps of 1970
	}, settings...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	if o.Observer == nil {
		o.Observer = observe.New()
	}
	b := &Broker{T: t, Log: &Buffer{}}
	o.Config, o.Logger = cfg, slog.New(slog.NewTextHandler(b.Log, nil))
	b.Broker, err = broker.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.End = sync.OnceValue(func() error { return b.Stop(context.Background()) })
	t.Cleanup(func() {
		if err := b.End(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Addr returns the address of the broker's first listener.
func (b *Broker) Addr() string { return b.Addrs()[0].String() }

// Topic creates a topic. Each property is name=value.
func (b *Broker) Topic(name string, partitions int32, properties ...string) {
	b.T.Helper()
	n := cluster.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: 1}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		n.Configs = append(n.Configs, cluster.ConfigEntry{Name: key, Value: &value})
	}
	if res := b.Cluster().CreateTopics(context.Background(), []cluster.NewTopic{n}, false); res[0].Err != nil {
		b.T.Fatal(res[0].Err)
	}
}

// DeleteTopic deletes a topic.
func (b *Broker) DeleteTopic(name string) {
	b.T.Helper()
	if res := b.Cluster().DeleteTopics(context.Background(), []cluster.TopicRef{{Name: name}}); res[0].Err != nil {
		b.T.Fatal(res[0].Err)
	}
}

// Conns returns the connections that the broker serves.
func (b *Broker) Conns() []*transport.Conn { return b.Server().Sockets().Conns() }

// Parked returns how many connections have a delayed fetch.
func (b *Broker) Parked() int {
	n := 0
	for _, c := range b.Conns() {
		if c.State().Waiting {
			n++
		}
	}
	return n
}

// Open returns how many connections count against the limits.
func (b *Broker) Open() int {
	return b.Server().Sockets().State().Open
}

// Set changes the broker's dynamic configuration.
func (b *Broker) Set(name, value string) {
	b.T.Helper()
	for _, err := range b.Config().SetBroker(map[string]string{name: value}) {
		b.T.Fatal(err)
	}
}

// Logged waits until the log has a line about a limit.
func (b *Broker) Logged(limit string) {
	b.T.Helper()
	await.Until(b.T, limit+" is in the log", func() bool { return strings.Contains(b.Log.String(), limit) })
}
