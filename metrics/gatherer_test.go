package metrics

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/observe"
	"klamm/protocol"
)

// watched is a broker with its gatherer.
type watched struct {
	*brokertest.Broker
	*Gatherer
}

func watch(t testing.TB, o Options, settings ...string) *watched {
	t.Helper()
	return watchWith(t, broker.Options{}, o, settings...)
}

// clock is the time, put forward by a test.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func watchWith(t testing.TB, of broker.Options, o Options, settings ...string) *watched {
	t.Helper()
	b := brokertest.RunWith(t, of, settings...)
	life := new(observe.Life)
	life.Set(observe.Running)
	o.Broker, o.Life = func() *broker.Broker { return b.Broker }, life
	if o.Partitions == 0 {
		o.Partitions = math.MaxInt
	}
	return &watched{b, New(o)}
}

// answered waits until so many requests of an API are counted: a client has its answer before it is.
func (w *watched) answered(api string, n int64) {
	w.T.Helper()
	await.Until(w.T, fmt.Sprintf("%d requests %s are counted", n, api), func() bool {
		for _, c := range w.Observer().RequestCounts(1) {
			if c.Name == api && c.Phases != nil && c.Phases[observe.TotalTime].Count >= n {
				return true
			}
		}
		return false
	})
}

// gathered are the series of one gathering: name{label="value",...} with the labels in order, and the value.
func gathered(t testing.TB, from interface{ Write(io.Writer) error }) map[string]float64 {
	t.Helper()
	var text bytes.Buffer
	if err := from.Write(&text); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatalf("the text cannot be read: %v", err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			key := f.GetName() + labelled(m)
			if _, twice := all[key]; twice {
				t.Errorf("%s is there twice", key)
			}
			all[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

func labelled(m *dto.Metric) string {
	var list []string
	for _, l := range m.Label {
		list = append(list, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return ""
	}
	return "{" + strings.Join(list, ",") + "}"
}

func client(t testing.TB, b *brokertest.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func want(t *testing.T, all map[string]float64, series map[string]float64) {
	t.Helper()
	for name, value := range series {
		if got, there := all[name]; !there || got != value {
			t.Errorf("%s is %v (there: %t), not %v", name, got, there, value)
		}
	}
}

// TestTrafficIsCounted produces and fetches with a real client, and compares the counters with what it did.
func TestTrafficIsCounted(t *testing.T) {
	w := watch(t, Options{})
	w.Topic("a", 2)
	c := client(t, w.Broker, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		"a": {0: kgo.NewOffset().AtStart()},
	}))
	for i := range 10 {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: int32(i % 2), Value: []byte("value")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < 5; {
		fetches := c.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		n += fetches.NumRecords()
	}
	w.answered("Produce", 10)
	all := gathered(t, w.Gatherer)
	const topic = "kafka_server_brokertopicmetrics_"
	want(t, all, map[string]float64{
		topic + `messagesin_total{topic="a"}`:                                       10,
		topic + `totalproducerequests_total{topic="a"}`:                             10,
		topic + "failedproducerequests_total":                                       0,
		`kafka_log_log_logendoffset{partition="0",topic="a"}`:                       5,
		`kafka_topic_partition_current_offset{partition="1",topic="a"}`:             5,
		`kafka_topic_partitions{topic="a"}`:                                         2,
		`kafka_cluster_partition_replicascount{partition="0",topic="a"}`:            1,
		`kafka_topic_partition_leader_is_preferred{partition="0",topic="a"}`:        1,
		"kafka_controller_kafkacontroller_activecontrollercount":                    1,
		"kafka_controller_kafkacontroller_offlinepartitionscount":                   0,
		"kafka_server_replicamanager_underreplicatedpartitions":                     0,
		"kafka_server_kafkaserver_brokerstate":                                      3,
		`kafka_network_requestmetrics_errors_total{error="NONE",request="Produce"}`: 10,
	})
	if out := all[topic+`bytesout_total{topic="a"}`]; out < 5*70 || out != all[topic+"bytesout_total"] {
		t.Errorf("%v bytes went out", out)
	}
	if in := all[topic+`bytesin_total{topic="a"}`]; in != all[`kafka_log_log_size{partition="0",topic="a"}`]+all[`kafka_log_log_size{partition="1",topic="a"}`] {
		t.Errorf("%v bytes came in, and the logs have others", in)
	}
	w.answered("FetchConsumer", 1)
}

// TestRefusedRecordsAreCounted sends records that a compacted topic refuses, and one that is too large.
func TestRefusedRecordsAreCounted(t *testing.T) {
	w := watch(t, Options{})
	w.Topic("c", 1, "cleanup.policy=compact", "max.message.bytes=1000")
	c := client(t, w.Broker, kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "c", Value: []byte("no key")}).FirstErr(); err == nil {
		t.Fatal("a record without a key was taken")
	}
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "c", Key: []byte("k"), Value: make([]byte, 2000)}).FirstErr(); err == nil {
		t.Fatal("a record that is too large was taken")
	}
	all := gathered(t, w.Gatherer)
	const topic = "kafka_server_brokertopicmetrics_"
	want(t, all, map[string]float64{
		topic + "nokeycompactedtopicrecords_total": 1, topic + `failedproducerequests_total{topic="c"}`: 1,
		topic + `totalproducerequests_total{topic="c"}`: 2, topic + "messagesin_total": 0,
	})
	if n := all[topic+`bytesrejected_total{topic="c"}`]; n < 2000 {
		t.Errorf("%v bytes were rejected", n)
	}
}

// TestUncleanElectionsHaveTheirMetric tells what the controller tells when it elects a leader that is not in sync.
func TestUncleanElectionsHaveTheirMetric(t *testing.T) {
	w := watch(t, Options{})
	w.Observer().Tell(slog.New(slog.DiscardHandler), observe.UncleanElection{Topic: "a", Leader: 1})
	want(t, gathered(t, w.Gatherer), map[string]float64{"kafka_controller_controllerstats_uncleanleaderelections_total": 1})
}

// TestClientsMakeNoSeries has thousands of clients that each give another name for everything that a client may name.
func TestClientsMakeNoSeries(t *testing.T) {
	w := watch(t, Options{}, "auto.create.topics.enable=false")
	w.Topic("a", 1)
	c := w.Dial()
	few := func(from, n int) {
		for i := range n {
			name := fmt.Sprintf("made-up-%d", from+i)
			versions := brokertest.APIVersions()
			versions.Version = 3
			versions.ClientSoftwareName, versions.ClientSoftwareVersion = name, name+strings.Repeat("x", 10_000)
			formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID(name))
			reqs := []kmsg.Request{versions, brokertest.Metadata(name), brokertest.Produce(name, 0, 1, brokertest.BatchOf(t, 100)), brokertest.Fetch(name, 0, 0, 0, 1)}
			for _, req := range reqs {
				c.Write(formatter.AppendRequest(nil, req, 1))
			}
			for range reqs {
				if _, err := c.ReadFrame(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	few(0, 3)
	before := gathered(t, w.Gatherer)
	few(3, 2000)
	for series := range gathered(t, w.Gatherer) {
		if len(series) > 1000 || strings.Contains(series, "made-up") && !strings.Contains(series, "connections_software") {
			t.Fatalf("%.1000s came from a client's name", series)
		}
	}
	if n, was := len(gathered(t, w.Gatherer)), len(before); n > was+20 {
		t.Errorf("%d series became %d", was, n)
	}
}

// TestPartitionsAreBounded gives more partitions than may have series.
func TestPartitionsAreBounded(t *testing.T) {
	w := watch(t, Options{Partitions: 3})
	w.Topic("a", 10)
	all := gathered(t, w.Gatherer)
	want(t, all, map[string]float64{"klamm_metrics_partitions_left_out": 7, "kafka_server_replicamanager_leadercount": 10})
	n := 0
	for series := range all {
		if strings.HasPrefix(series, "kafka_log_log_size{") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d partitions have series", n)
	}
}

// TestNothingIsThereBeforeTheStart gathers before there is a broker.
func TestNothingIsThereBeforeTheStart(t *testing.T) {
	life := new(observe.Life)
	life.Set(observe.Recovery)
	g := New(Options{Broker: func() *broker.Broker { return nil }, Life: life, Version: "1", Commit: "abc"})
	all := gathered(t, g)
	want(t, all, map[string]float64{"kafka_server_kafkaserver_brokerstate": 2, `klamm_build_info{commit="abc",version="1"}`: 1})
	if all["process_cpu_seconds_total"] == 0 || all["go_goroutines"] == 0 {
		t.Error("the process is not there")
	}
	if list := gathered(t, g.CruiseControl()); len(list) > 0 {
		t.Error(list)
	}
}

// TestLagInSeconds compares a group's lag with what a test knows that appends records and commits offsets. The records' own timestamps are
// nonsense: the lag counts from the appends.
func TestLagInSeconds(t *testing.T) {
	clock := &clock{}
	w := watchWith(t, broker.Options{Clock: clock.now}, Options{Now: clock.now})
	w.Topic("a", 1)
	w.Topic("b", 1)
	c := client(t, w.Broker)
	admin := kadm.NewClient(c)
	append3 := func() (before, after time.Time) {
		before = clock.now()
		for range 3 {
			r := &kgo.Record{Topic: "a", Value: []byte("v"), Timestamp: time.Unix(1000, 0)}
			if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		return before, clock.now()
	}
	commit := func(topic string, at int64) {
		t.Helper()
		if err := admin.CommitAllOffsets(t.Context(), "g", kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: at - 1, LeaderEpoch: -1})); err != nil {
			t.Fatal(err)
		}
	}
	lag := func(records float64, before, after time.Time) {
		t.Helper()
		asked := clock.now()
		all := gathered(t, w.Gatherer)
		done := clock.now()
		const of = `{group="g",partition="0",topic="a"}`
		if got := all["kafka_consumergroup_group_lag"+of]; got != records {
			t.Errorf("the lag is %v records, not %v", got, records)
		}
		if got := all[`kafka_consumergroup_lag{consumergroup="g",partition="0",topic="a"}`]; got != records {
			t.Errorf("kafka_exporter's lag is %v records, not %v", got, records)
		}
		got := all["kafka_consumergroup_group_lag_seconds"+of]
		// Appends that are nearer to each other than a quarter of a second are not told apart.
		least, most := asked.Sub(after).Seconds()-0.3, done.Sub(before).Seconds()+0.3
		if records == 0 {
			least, most = 0, 0
		}
		if got < least || got > most {
			t.Errorf("the lag is %v s, not between %v and %v", got, least, most)
		}
	}
	before, after := append3()
	commit("a", 1)
	lag(2, before, after)
	clock.advance(time.Minute)
	lag(2, before, after)
	later, end := append3()
	commit("a", 4)
	lag(2, later, end)
	commit("a", 6)
	lag(0, later, end)

	all := gathered(t, w.Gatherer)
	for series := range all {
		if strings.Contains(series, "consumergroup") && strings.Contains(series, `topic="b"`) {
			t.Errorf("%s: the group has committed nothing there", series)
		}
	}
	append3()
	if _, err := admin.DeleteRecords(t.Context(), kadm.Offsets{"a": {0: {Topic: "a", Partition: 0, At: 8}}}); err != nil {
		t.Fatal(err)
	}
	all = gathered(t, w.Gatherer)
	want(t, all, map[string]float64{
		`klamm_consumergroup_offset_deleted{consumergroup="g",partition="0",topic="a"}`: 1,
		`kafka_consumergroup_lag{consumergroup="g",partition="0",topic="a"}`:            3,
		`kafka_consumergroup_group_max_lag{group="g"}`:                                  3,
	})
}

// TestLagWhereOthersLead has a group commit offsets of partitions that three brokers lead: its coordinator knows the lag of all, and no other
// broker has series of the group.
func TestLagWhereOthersLead(t *testing.T) {
	c := brokertest.RunCluster(t, 3, "offsets.topic.replication.factor=1")
	c.Topic("a", 6, 1)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	var offsets kadm.Offsets
	for p := range int32(6) {
		for range 5 {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: p, Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		offsets.AddOffset("a", p, int64(p%5), -1)
	}
	await.Until(t, "the offsets are committed", func() bool {
		return kadm.NewClient(cl).CommitAllOffsets(t.Context(), "g", offsets) == nil
	})
	leaders := map[int32]bool{}
	for p := range int32(6) {
		leaders[c.Brokers[0].Cluster().Metadata().Partition(protocol.TopicPartition{Topic: "a", Partition: p}).Leader] = true
	}
	if len(leaders) < 3 {
		t.Fatalf("only %v lead", leaders)
	}
	life := new(observe.Life)
	var gatherers []*Gatherer
	for _, b := range c.Brokers {
		gatherers = append(gatherers, New(Options{Broker: func() *broker.Broker { return b.Broker }, Life: life}))
	}
	await.Until(t, "the lag of each partition is there once", func() bool {
		found := map[string][]float64{}
		for _, g := range gatherers {
			for series, lag := range gathered(t, g) {
				if strings.HasPrefix(series, "kafka_consumergroup_lag{") {
					found[series] = append(found[series], lag)
				}
			}
		}
		for p := range 6 {
			lags := found[fmt.Sprintf(`kafka_consumergroup_lag{consumergroup="g",partition="%d",topic="a"}`, p)]
			if len(lags) != 1 || lags[0] != float64(5-p%5) {
				return false
			}
		}
		return len(found) == 6
	})
}

// TestCruiseControlHasItsMetrics looks for each series that Cruise Control's sampler asks for.
func TestCruiseControlHasItsMetrics(t *testing.T) {
	w := watch(t, Options{})
	w.Topic("a", 1)
	c := client(t, w.Broker, kgo.ConsumeTopics("a"), kgo.FetchMaxWait(100*time.Millisecond))
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := c.PollFetches(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w.answered("Produce", 1)
	w.answered("FetchConsumer", 1)
	all := gathered(t, w.CruiseControl())
	series := []string{
		`kafka_server_BrokerTopicMetrics_OneMinuteRate{name="BytesInPerSec",topic="a"}`, `kafka_server_BrokerTopicMetrics_OneMinuteRate{name="BytesOutPerSec",topic=""}`,
		`kafka_server_BrokerTopicMetrics_OneMinuteRate{name="ReplicationBytesInPerSec",topic=""}`,
		`kafka_server_BrokerTopicMetrics_OneMinuteRate{name="MessagesInPerSec",topic="a"}`,
		`kafka_network_RequestMetrics_OneMinuteRate{name="RequestsPerSec",request="Produce"}`,
		`kafka_network_RequestMetrics_999thPercentile{name="LocalTimeMs",request="Produce"}`, `kafka_network_RequestMetrics_Mean{name="TotalTimeMs",request="FetchConsumer"}`,
		`kafka_network_RequestChannel_Value{name="RequestQueueSize"}`, `kafka_log_LogFlushStats_OneMinuteRate{name="LogFlushRateAndTimeMs"}`,
		`kafka_server_KafkaRequestHandlerPool_OneMinuteRate{name="RequestHandlerAvgIdlePercent"}`, `kafka_log_Log_Value{name="Size",partition="0",topic="a"}`,
	}
	for _, name := range series {
		if _, there := all[name]; !there {
			t.Errorf("%s is not there", name)
		}
	}
	if rate := all[`kafka_server_BrokerTopicMetrics_OneMinuteRate{name="MessagesInPerSec",topic="a"}`]; rate <= 0 {
		t.Errorf("the rate of messages is %v", rate)
	}
}

// BenchmarkGather is a scrape of a broker that leads 10,000 partitions.
func BenchmarkGather(b *testing.B) {
	w := watch(b, Options{})
	for i := range 10 {
		w.Topic(fmt.Sprintf("topic-%d", i), 1000)
	}
	for b.Loop() {
		if err := w.Gatherer.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
