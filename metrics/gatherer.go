package metrics

import (
	"bufio"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"klamm/broker"
	"klamm/observe"
)

// Options are what a Gatherer is made of.
type Options struct {
	// Broker gives the broker, nil while it has not started.
	Broker func() *broker.Broker
	// Life is how far the broker is. Required.
	Life *observe.Life
	// Version and Commit say what the broker was built of.
	Version, Commit string
	// Partitions is how many partitions have series of their own (klamm.metrics.partitions.max); 0 for none.
	Partitions int
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// Gatherer gathers the metrics of a broker. Several goroutines may use it at once.
type Gatherer struct {
	o       Options
	born    time.Time
	process *prometheus.Registry
	idle    idleTime
	remote  remoteEnds
}

// New makes a Gatherer.
func New(o Options) *Gatherer {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gatherer{o: o, born: o.Now(), process: prometheus.NewRegistry(), idle: idleTime{idle: 1}}
	g.process.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	return g
}

// scrape is one gathering.
type scrape struct {
	*families
	*broker.Broker
	g     *Gatherer
	nowMs int64 // since the Gatherer was made, and one more
}

// Write writes the metrics in Prometheus' text format.
func (g *Gatherer) Write(to io.Writer) error {
	w := bufio.NewWriterSize(to, writeBytes)
	process, err := g.process.Gather()
	if err != nil {
		return err
	}
	for _, family := range process {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return err
		}
	}
	g.gather().write(w)
	return w.Flush()
}

// gather gathers what klamm itself measures.
func (g *Gatherer) gather() *scrape {
	s := g.begin()
	s.gauge("klamm_build_info", "What the broker was built of; always 1").add(1, labels("version", g.o.Version, "commit", g.o.Commit))
	s.gauge("kafka_server_kafkaserver_brokerstate", "How far the broker is in its life: 1 starting, 2 recovery, 3 running, 6 and 7 stopping, 0 not running").
		addInt(int64(g.o.Life.State()))
	if s.Broker != nil {
		s.topics()
		s.requests()
		s.network()
		s.partitions()
		s.logs()
		s.controller()
		s.groups()
		s.events()
	}
	return s
}

// writeBytes is how many bytes are written at a time.
const writeBytes = 64 << 10

// begin begins a gathering.
func (g *Gatherer) begin() *scrape {
	return &scrape{families: newFamilies(), g: g, nowMs: g.o.Now().Sub(g.born).Milliseconds() + 1, Broker: g.o.Broker()}
}
