package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"klamm/broker"
	"klamm/cmd/systemd"
	"klamm/server/config"
)

// stopTimeout is how long a stop waits for clients to take their answers before it cuts
// their connections. Container runtimes kill a process ten seconds after they asked it to stop.
const stopTimeout = 8 * time.Second

// process is what a command needs of the process: where it writes, and which build it is.
type process struct {
	stdout *lineWriter
	report io.Writer // stdout, for what must not be cut short where its reader is slow
	stderr io.Writer
	log    *logging
	build  build
	quiet  *atomic.Bool // signals are not logged: the command is none that runs a broker or moves a cluster
}

// start is what is particular to one way to start a broker.
type start struct {
	clusterID string               // of a cluster that begins with the broker; "" for a random one
	started   func(brokerID int32) // if set, is called when the broker takes clients
}

// run starts a broker and stops it when ctx ends.
func (p process) run(ctx context.Context, options config.Options, how start) error {
	cfg, warnings, errs := config.Read(options)
	p.log.configure(cfg)
	if len(errs) > 0 {
		p.warn(warnings)
		return errs
	}
	service, err := systemd.New(os.Getenv, os.Getpid(), p.log.own)
	if err != nil {
		return err
	}
	defer service.Close()
	greeted, id := false, int32(0)
	greet := func(brokerID int32, clusterID string) {
		greeted, id = true, brokerID
		p.log.own.Info("starting klamm", "version", p.build.version, "commit", p.build.commit, "go", p.build.goes, "broker_id", brokerID, "cluster_id", clusterID)
		p.warn(warnings)
	}
	keepMemorySmall()
	begun := time.Now()
	seen, err := p.watch(cfg)
	if err != nil {
		p.warn(warnings)
		return err
	}
	defer seen.close()
	service.Starting(func() string { return "starting: " + seen.life.State().String() })
	broker, err := broker.Start(ctx, broker.Options{
		Config: cfg, Logger: p.log.all, Levels: p.log.levels, Identified: greet, ClusterID: how.clusterID, Observer: seen.observer, Life: &seen.life,
	})
	if err != nil && !greeted {
		p.warn(warnings)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped before it had started: %w", err)
	}
	if err != nil {
		return err
	}
	seen.started(p, broker)
	if !cfg.LogAsJSON() {
		welcome(p.stdout, cfg, broker, seen)
	}
	p.log.own.Info("accepting clients", "listeners", addresses(broker), "start_ms", time.Since(begun).Milliseconds())
	service.Ready("accepting clients on "+addresses(broker), broker.Alive)
	if how.started != nil {
		how.started(id)
	}
	<-ctx.Done()
	service.Stopping()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := broker.Stop(stopping); err != nil {
		return err
	}
	p.log.own.Info("stopped cleanly")
	return nil
}

// warn logs the warnings about the configuration.
func (p process) warn(warnings []config.Warning) {
	for _, w := range config.Lines(warnings) {
		p.log.own.Warn("a warning about the configuration", "warning", w)
	}
}

func addresses(b *broker.Broker) string {
	var out []string
	for _, a := range b.Addrs() {
		out = append(out, a.String())
	}
	return strings.Join(out, ",")
}

// welcome prints where the broker listens, where its data is, and two commands to try.
func welcome(out io.Writer, cfg *config.Broker, b *broker.Broker, seen *watched) {
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

  listening on  %[1]s
  data in       %[2]s
  metrics at    %s

Try it from another terminal:

  klamm topic create greetings -b %[3]s
  echo hello | klamm produce greetings -b %[3]s
  klamm consume greetings -b %[3]s

Any Kafka client works as well: kcat -b %[3]s -L

Ctrl-C stops it.
`, addresses(b), strings.Join(dirs, ", "), seen.where(), address, address)
}
