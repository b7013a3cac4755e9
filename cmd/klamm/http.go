package main

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"klamm/broker"
	"klamm/metrics"
	"klamm/observe"
	"klamm/server/config"
	"klamm/web"
)

// watched is a broker as metrics and health see it, from before its start until after its end.
type watched struct {
	life     observe.Life
	observer *observe.Observer // nil where the configuration switches observation off
	broker   atomic.Pointer[broker.Broker]
	web      *web.Server // nil where nothing is served
	taken    string      // the default address, where somebody else has it
}

// watch opens the listener for metrics and health, before the broker starts.
func (p process) watch(cfg *config.Broker) (*watched, error) {
	w := &watched{}
	if cfg.Values().Bool("klamm.metrics.enable") {
		w.observer = observe.New()
	}
	o := cfg.HTTP()
	if o == nil {
		return w, nil
	}
	gatherer := metrics.New(metrics.Options{Broker: w.broker.Load, Life: &w.life, Version: p.build.version, Commit: p.build.commit, Partitions: o.Partitions})
	server, err := web.Listen(web.Options{Config: o, Broker: w.broker.Load, Life: &w.life, Metrics: gatherer, CruiseControl: gatherer.CruiseControl(), Logger: p.log.own})
	switch {
	case err == nil:
		w.web = server
		go server.Serve()
	case o.Default && errors.Is(err, syscall.EADDRINUSE):
		w.taken = o.Addr
	default:
		return nil, err
	}
	return w, nil
}

// started takes in that the broker runs.
func (w *watched) started(p process, b *broker.Broker) {
	w.broker.Store(b)
	if w.taken != "" {
		p.log.own.Warn("metrics and health are not served: the default port is taken; set klamm.http.listener", "address", w.taken)
	}
}

// where says where metrics are.
func (w *watched) where() string {
	if w.web == nil {
		return "no address (klamm.http.listener)"
	}
	return w.web.URL() + "/metrics"
}

// httpTimeout is how long a stop waits for answers to requests for metrics.
const httpTimeout = time.Second

// close stops the listener.
func (w *watched) close() {
	if w.web == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), httpTimeout)
	defer cancel()
	w.web.Close(ctx)
}
