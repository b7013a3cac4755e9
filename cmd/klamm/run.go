package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"klamm/broker"
	"klamm/server/config"
)

// stopTimeout is how long a stop waits for clients to take their answers before it cuts
// their connections. Container runtimes kill a process ten seconds after they asked it to stop.
const stopTimeout = 8 * time.Second

// run starts a broker and stops it when ctx ends; restore then gives signals
// back their usual meaning.
func run(ctx context.Context, restore func(), options config.Options, out io.Writer) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg, warnings, err := config.Load(options)
	for _, w := range config.Lines(warnings) {
		logger.Warn(w)
	}
	if err != nil {
		return err
	}
	keepMemorySmall()
	begun := time.Now()
	broker, err := broker.Start(ctx, broker.Options{Config: cfg, Logger: logger})
	if err != nil {
		return err
	}
	welcome(out, cfg, broker)
	logger.Info("accepting clients", "listeners", addresses(broker), "start_ms", time.Since(begun).Milliseconds())
	<-ctx.Done()
	restore() // a second Ctrl-C ends the process at once
	logger.Info("stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := broker.Stop(stopping); err != nil {
		return err
	}
	logger.Info("stopped cleanly")
	return nil
}

func addresses(b *broker.Broker) string {
	var out []string
	for _, a := range b.Addrs() {
		out = append(out, a.String())
	}
	return strings.Join(out, ",")
}

// welcome prints where the broker listens, where its data is, and a command to try.
func welcome(out io.Writer, cfg *config.Broker, b *broker.Broker) {
	var dirs []string
	for _, dir := range cfg.LogDirs() {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		dirs = append(dirs, dir)
	}
	address := b.Addrs()[0].String()
	if tcp, ok := b.Addrs()[0].(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		address = net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	fmt.Fprintf(out, `klamm, a Kafka broker

  listening on  %s
  data in       %s

Try it from another terminal:

  echo hello | kcat -b %s -P -t greetings
  kcat -b %s -C -t greetings -e

Ctrl-C stops it.
`, addresses(b), strings.Join(dirs, ", "), address, address)
}
