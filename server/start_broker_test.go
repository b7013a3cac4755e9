package server_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/protocol"
	"klamm/server/config"
)

// startBroker runs a broker in this process, with its data in a directory of
// the test's, and gives its address. Settings are name=value and go over
// broker.id=0 and a free port.
func startBroker(t testing.TB, settings ...string) string {
	t.Helper()
	return startListeners(t, settings...)[0]
}

// startListeners does what startBroker does for a broker with several listeners.
func startListeners(t testing.TB, settings ...string) (addrs []string) {
	t.Helper()
	sets := append([]string{
		"broker.id=0", "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + filepath.Join(t.TempDir(), "data"),
	}, settings...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(context.Background(), broker.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, a := range b.Addrs() {
		addrs = append(addrs, a.String())
	}
	return addrs
}

// startGoldenBroker runs the broker that the golden answers are compared with.
func startGoldenBroker(t *testing.T, settings ...string) (addr string, served func(kmsg.Key) (int16, int16, bool)) {
	return startBroker(t, settings...), func(k kmsg.Key) (int16, int16, bool) {
		api, ok := protocol.Lookup(int16(k))
		if !ok {
			return 0, 0, false
		}
		return api.Min, api.Max, true
	}
}
