package metrics

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"klamm/cluster/replica"
	"klamm/observe"
)

// CruiseControl gathers what Cruise Control's PrometheusMetricSampler asks a Prometheus server for (DefaultPrometheusQuerySupplier), under its names: those
// that the JMX exporter gives without rules of its own.
type CruiseControl struct {
	g     *Gatherer
	rates rates
}

// CruiseControl gives the gatherer of Cruise Control's metrics.
func (g *Gatherer) CruiseControl() *CruiseControl { return &CruiseControl{g: g} }

// cruiseTopicMeters are the meters of topics that Cruise Control reads.
var cruiseTopicMeters = map[string]observe.TopicCounter{
	"BytesInPerSec": observe.BytesIn, "BytesOutPerSec": observe.BytesOut, "MessagesInPerSec": observe.MessagesIn,
	"TotalProduceRequestsPerSec": observe.ProduceRequests, "TotalFetchRequestsPerSec": observe.FetchRequests,
}

// Write writes the metrics in Prometheus' text format; nothing while the broker has not started.
func (c *CruiseControl) Write(to io.Writer) error {
	s := c.g.begin()
	if s.Broker == nil {
		return nil
	}
	perSecond := c.rates.begin(c.g.o.Now(), c.g.born)
	c.topics(s, perSecond)
	c.requests(s, perSecond)
	flushes := s.Observer().Distribution(observe.FlushTime, s.nowMs)
	s.gauge("kafka_log_LogFlushStats_OneMinuteRate", "Flushes a second").
		add(perSecond("flushes", flushes.Count), labels("name", "LogFlushRateAndTimeMs"))
	s.cruiseTimes("kafka_log_LogFlushStats_", flushes, "name", "LogFlushRateAndTimeMs")
	s.gauge("kafka_server_KafkaRequestHandlerPool_OneMinuteRate", "Idle time, from 0 to 1").
		add(c.g.idle.share(c.g.o.Now()), labels("name", "RequestHandlerAvgIdlePercent"))
	queues := s.gauge("kafka_network_RequestChannel_Value", "What waits")
	queues.addInt(int64(s.Server().Sockets().State().LargeOutside), labels("name", "RequestQueueSize"))
	owed := int64(0)
	for _, conn := range s.Server().Sockets().Conns() {
		owed += int64(conn.State().Owed)
	}
	queues.addInt(owed, labels("name", "ResponseQueueSize"))
	sizes := s.gauge("kafka_log_Log_Value", "Of a log")
	shown := 0
	for _, p := range s.Replicas().All() { // Cruise Control needs the sizes of followers too
		if p.State().Role == replica.Offline || shown >= c.g.o.Partitions {
			continue
		}
		shown++
		tp := p.TopicPartition()
		sizes.addInt(p.Log().SizeBytes(), labels("name", "Size", "topic", tp.Topic, "partition", strconv.Itoa(int(tp.Partition))))
	}
	c.rates.end()
	w := bufio.NewWriterSize(to, writeBytes)
	s.write(w)
	return w.Flush()
}

func (c *CruiseControl) topics(s *scrape, perSecond func(string, int64) float64) {
	meters := s.gauge("kafka_server_BrokerTopicMetrics_OneMinuteRate", "Events a second")
	list, all := s.Observer().TopicCounts()
	for name, counter := range cruiseTopicMeters {
		meters.add(perSecond(name, all[counter]), labels("name", name, "topic", ""))
		for i := range list {
			meters.add(perSecond(name+" "+list[i].Topic, list[i].TopicCounts[counter]), labels("name", name, "topic", list[i].Topic))
		}
	}
	for name, counter := range map[string]observe.BrokerCounter{
		"ReplicationBytesInPerSec": observe.ReplicationBytesIn, "ReplicationBytesOutPerSec": observe.ReplicationBytesOut,
	} {
		meters.add(perSecond(name, s.Observer().Count(counter)), labels("name", name, "topic", ""))
	}
}

func (c *CruiseControl) requests(s *scrape, perSecond func(string, int64) float64) {
	for _, r := range s.Observer().RequestCounts(s.nowMs) {
		if r.Phases == nil || !slices.Contains([]string{"Produce", "FetchConsumer", "FetchFollower"}, r.Name) {
			continue
		}
		s.gauge("kafka_network_RequestMetrics_OneMinuteRate", "Requests a second").
			add(perSecond("requests "+r.Name, r.Phases[observe.TotalTime].Count), labels("name", "RequestsPerSec", "request", r.Name))
		for name, phase := range map[string]observe.Phase{
			"TotalTimeMs": observe.TotalTime, "LocalTimeMs": observe.LocalTime, "RequestQueueTimeMs": observe.RequestQueueTime,
		} {
			s.cruiseTimes("kafka_network_RequestMetrics_", r.Phases[phase], "name", name, "request", r.Name)
		}
	}
}

// cruiseTimes adds what Cruise Control reads of a histogram in µs, in ms.
func (s *scrape) cruiseTimes(prefix string, d *observe.Distribution, of ...string) {
	for name, value := range map[string]float64{
		"Max": d.Max(), "Mean": d.Mean(), "50thPercentile": d.Quantile(0.5), "999thPercentile": d.Quantile(0.999),
	} {
		s.gauge(prefix+name, "Of a time in ms").add(value/1000, labels(of...))
	}
}

// rates turns counts into rates over about a minute, by what was gathered before.
type rates struct {
	mu      sync.Mutex
	samples []rateSample // guarded by mu; of the last minute, the oldest first
	now     rateSample   // guarded by mu
}

type rateSample struct {
	at     time.Time
	counts map[string]int64
}

// rateOver is the time that rates are over.
const rateOver = time.Minute

// begin takes mu, and gives the function that turns a count into its rate. end gives mu back.
func (r *rates) begin(now, born time.Time) func(name string, count int64) float64 {
	r.mu.Lock()
	r.now = rateSample{at: now, counts: map[string]int64{}}
	for len(r.samples) > 1 && now.Sub(r.samples[1].at) >= rateOver {
		r.samples = r.samples[1:]
	}
	since := rateSample{at: born}
	if len(r.samples) > 0 {
		since = r.samples[0]
	}
	seconds := max(now.Sub(since.at).Seconds(), 1e-3)
	return func(name string, count int64) float64 {
		r.now.counts[strings.Clone(name)] = count
		return max(0, float64(count-since.counts[name])) / seconds
	}
}

// rateEvery is how far apart the samples are that are kept.
const rateEvery = 5 * time.Second

func (r *rates) end() {
	defer r.mu.Unlock()
	if n := len(r.samples); n == 0 || r.now.at.Sub(r.samples[n-1].at) >= rateEvery {
		r.samples = append(r.samples, r.now)
	}
}
