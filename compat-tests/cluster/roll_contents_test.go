package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// The topics that do not change during a roll. Each codec has one of its own, and each message format from before 0.11: that topic begins with messages
// of the format.
var (
	codecs = map[string]kgo.CompressionCodec{
		"plain": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	oldFormats = map[string]string{"format-0": "0.9.0", "format-1": "0.10.2"}
)

const (
	compacted = "compacted"
	groups    = 30
)

// topics are these topics, without the compacted one.
func (m *migration) topics() []string {
	return slices.Concat(slices.Sorted(maps.Keys(codecs)), slices.Sorted(maps.Keys(oldFormats)))
}

// write has a client send records to a topic.
func (l *load) write(topic string, n int, record func(n int) *kgo.Record, opts ...kgo.Opt) {
	l.Helper()
	cl := newClient(l, append([]kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(1_000_000)}, opts...)...)
	defer cl.Close()
	for i := range n {
		cl.Produce(l.Context(), record(i), func(_ *kgo.Record, err error) {
			if err != nil {
				l.Errorf("%s: %v", topic, err)
			}
		})
	}
	if err := cl.Flush(l.Context()); err != nil {
		l.Fatal(err)
	}
}

// written is a record of a topic that does not change.
func written(topic string) func(int) *kgo.Record {
	return func(n int) *kgo.Record {
		return &kgo.Record{Key: fmt.Appendf(nil, "key %d", n), Value: fmt.Appendf(nil, "%s %d %s", topic, n, strings.Repeat("v", n%100))}
	}
}

// protocolVersion is the property by which Apache's brokers store formats from before 0.11 still.
const protocolVersion = "inter.broker.protocol.version"

// writeOldFormats has a cluster that was not upgraded as a whole store messages of the formats from before 0.11, and ends the upgrade.
func writeOldFormats(t *testing.T, c *harness.Cluster) {
	t.Helper()
	l := &load{T: t, c: c}
	l.client = newClient(l)
	defer l.client.Close()
	for topic, version := range oldFormats {
		createTopic(l, topic, map[string]string{"message.format.version": version, "segment.bytes": "20000"}, []int32{1, 2, 3}, []int32{2, 3, 1})
		l.write(topic, 200, written(topic), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()))
		for _, codec := range []string{"gzip", "snappy"} {
			l.write(topic, 400, written(topic), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerBatchMaxBytes(10_000))
		}
	}
	createTopic(l, moving, map[string]string{"message.format.version": oldFormats["format-1"], "leader.replication.throttled.replicas": "*",
		"follower.replication.throttled.replicas": "*"}, moves[0]...)
	l.writeLarge(1, kgo.DisableIdempotentWrite())
	if err := c.StopBrokers(); err != nil {
		t.Fatal(err)
	}
	for _, b := range c.Brokers {
		b.SetProperty(protocolVersion, "3.9")
	}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
}

// writeLarge writes messages, of which the throttle allows one, to each partition of the topic that moves.
func (l *load) writeLarge(n int, opts ...kgo.Opt) {
	l.Helper()
	l.write(moving, 3*n, func(i int) *kgo.Record { return &kgo.Record{Partition: int32(i % 3), Value: make([]byte, message)} },
		append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
}

// fill makes topics, groups and configurations.
func (m *migration) fill() {
	m.Helper()
	small := kgo.ProducerBatchMaxBytes(10_000)
	for codec, with := range codecs {
		createTopic(m.load, codec, map[string]string{"segment.bytes": "20000"}, []int32{1, 2, 3}, []int32{2, 3, 1})
		m.write(codec, 2000, func(n int) *kgo.Record {
			r := written(codec)(n)
			r.Headers = []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, n)}}
			return r
		}, small, kgo.ProducerBatchCompression(with))
	}
	for topic := range oldFormats {
		m.write(topic, 400, written(topic), small)
	}
	m.writeLarge(2)
	createTopic(m.load, compacted, map[string]string{"cleanup.policy": "compact", "segment.bytes": "20000", "min.cleanable.dirty.ratio": "0.01"},
		[]int32{2, 1, 3})
	m.write(compacted, 5000, func(n int) *kgo.Record {
		return &kgo.Record{Key: fmt.Appendf(nil, "key %d", n%50), Value: fmt.Appendf(nil, "value %d", n)}
	}, small)
	for n := range groups {
		offsets := kadm.Offsets{}
		for p := range int32(2) {
			offsets.Add(kadm.Offset{Topic: "gzip", Partition: p, At: int64(n) + int64(p), LeaderEpoch: -1, Metadata: fmt.Sprint("of ", n)})
		}
		if err := m.admin.CommitAllOffsets(m.Context(), fmt.Sprint("group-", n), offsets); err != nil {
			m.Fatal(err)
		}
	}
	m.configure()
	m.throttle(allowed)
	m.elect()
	for i := range m.c.Brokers {
		for _, dir := range m.c.Dirs(int32(i + 1)) {
			if logs, _ := filepath.Glob(filepath.Join(dir, "*-[0-9]")); len(logs) == 0 {
				m.Errorf("there is no log in %s", dir)
			}
		}
	}
}

// configure sets something at each level.
func (m *migration) configure() {
	m.Helper()
	set := func(name, value string) kadm.AlterConfig {
		return kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
	}
	// None of these settings has Apache's broker start its log cleaner again, which can fail, and then it takes no setting any more.
	for what, alter := range map[string]func() (kadm.AlterConfigsResponses, error){
		"a topic": func() (kadm.AlterConfigsResponses, error) {
			return m.admin.AlterTopicConfigs(m.Context(), []kadm.AlterConfig{set("retention.ms", "-1")}, "plain")
		},
		"the replication of a topic": func() (kadm.AlterConfigsResponses, error) {
			return m.admin.AlterTopicConfigs(m.Context(), []kadm.AlterConfig{set("leader.replication.throttled.replicas", "0:1,0:2,1:3"),
				set("follower.replication.throttled.replicas", "*")}, "gzip")
		},
		"a broker": func() (kadm.AlterConfigsResponses, error) {
			return m.admin.AlterBrokerConfigs(m.Context(), []kadm.AlterConfig{set("max.connections.per.ip", "1000")}, 2)
		},
		"all brokers": func() (kadm.AlterConfigsResponses, error) {
			return m.admin.AlterBrokerConfigs(m.Context(), []kadm.AlterConfig{set("log.segment.delete.delay.ms", "70000")})
		},
	} {
		resp, err := alter()
		for _, r := range resp {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			m.Fatalf("the configuration of %s: %v", what, err)
		}
	}
	someone := "someone"
	var quotas []kadm.AlterClientQuotaEntry
	for _, quota := range []struct {
		of   kadm.ClientQuotaEntity
		name string
	}{
		{kadm.ClientQuotaEntity{{Type: "user"}}, "consumer_byte_rate"},
		{kadm.ClientQuotaEntity{{Type: "user", Name: &someone}, {Type: "client-id", Name: &someone}}, "request_percentage"},
		{kadm.ClientQuotaEntity{{Type: "client-id"}}, "producer_byte_rate"},
		{kadm.ClientQuotaEntity{{Type: "client-id", Name: &someone}}, "controller_mutation_rate"},
		{kadm.ClientQuotaEntity{{Type: "ip"}}, "connection_creation_rate"},
	} {
		quotas = append(quotas, kadm.AlterClientQuotaEntry{Entity: quota.of, Ops: []kadm.AlterClientQuotaOp{{Key: quota.name, Value: 1e9}}})
	}
	altered, err := m.admin.AlterClientQuotas(m.Context(), quotas)
	for _, a := range altered {
		err = errors.Join(err, a.Err)
	}
	if err != nil {
		m.Fatalf("the quotas of clients: %v", err)
	}
	await(m.load, "each broker to have its configuration", func() bool {
		got, delay := m.configs(), "log.segment.delete.delay.ms of "
		return got[delay+"1"] != "" && got[delay+"2"] != "" && got[delay+"3"] != "" && got["max.connections.per.ip of 2"] != ""
	})
}

// contents are digests of what the topics, the groups, the configurations and the tree hold.
func (m *migration) contents() map[string]string {
	m.Helper()
	all := map[string]string{}
	for _, topic := range append(m.topics(), compacted, moving) {
		m.endOffsets(topic).Each(func(end kadm.ListedOffset) {
			all[fmt.Sprintf("%s/%d", topic, end.Partition)] = m.digest(topic, end.Partition, end.Offset)
			if topic != compacted {
				m.ends[fmt.Sprintf("%s-%d", topic, end.Partition)] = end.Offset
			}
		})
	}
	for n := range groups {
		group := fmt.Sprint("group-", n)
		got, err := m.admin.FetchOffsets(m.Context(), group)
		if err != nil {
			m.Fatal(err)
		}
		var lines []string
		got.Each(func(o kadm.OffsetResponse) {
			lines = append(lines, fmt.Sprintf("%s/%d at %d, %q, %v", o.Topic, o.Partition, o.At, o.Metadata, o.Err))
		})
		slices.Sort(lines)
		all[group] = strings.Join(lines, "; ")
	}
	maps.Copy(all, m.configs())
	// What a restart changes is left out, and the topics that this test moves or deletes.
	tree := harness.TreeOptions{Settled: true}
	for _, topic := range []string{"__transaction_state", payments, moving} {
		tree.Without = append(tree.Without, "/brokers/topics/"+topic, "/config/topics/"+topic)
	}
	maps.Copy(all, byPath(m.c.Tree(m, tree)))
	return all
}

// configs are the configurations that were changed while the brokers ran.
func (m *migration) configs() map[string]string {
	m.Helper()
	all := map[string]string{}
	topics, err := m.admin.DescribeTopicConfigs(m.Context(), append(m.topics(), compacted, moving)...)
	if err != nil {
		m.Fatal(err)
	}
	brokers, err := m.admin.DescribeBrokerConfigs(m.Context(), 1, 2, 3)
	if err != nil {
		m.Fatal(err)
	}
	for _, of := range append(topics, brokers...) {
		for _, c := range of.Configs {
			if strings.HasPrefix(c.Source.String(), "DYNAMIC") {
				all[fmt.Sprintf("%s of %s", c.Key, of.Name)] = c.MaybeValue()
			}
		}
	}
	return all
}

// digest is a hash of a partition's records; of a compacted one, of the last value of each key.
func (m *migration) digest(topic string, partition int32, end int64) string {
	m.Helper()
	cl := newClient(m.load, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	sum, last := sha256.New(), map[string]string{}
	m.read(cl, fmt.Sprintf("offset %d of %s/%d", end-1, topic, partition), func(r *kgo.Record) bool {
		last[string(r.Key)] = string(r.Value)
		if topic != compacted {
			fmt.Fprintf(sum, "%d %q %q %d %d %s\n", r.Offset, r.Key, r.Headers, r.Timestamp.UnixMilli(), len(r.Value), r.Value)
		}
		return r.Offset+1 >= end
	})
	for _, key := range slices.Sorted(maps.Keys(last)) {
		fmt.Fprintf(sum, "%q %d %s\n", key, len(last[key]), last[key])
	}
	return fmt.Sprintf("%d keys, %x", len(last), sum.Sum(nil)[:8])
}

// read gives a function what a client reads, until the function says that it has got the last record.
func (m *migration) read(cl *kgo.Client, until string, take func(*kgo.Record) (last bool)) {
	m.Helper()
	ctx := m.Context()
	for done := false; !done; {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { done = take(r) || done })
		if ctx.Err() != nil && !done {
			m.inVain(until)
		}
	}
}

// same fails the test where something is not as it was.
func (m *migration) same(before map[string]string) {
	m.Helper()
	after := m.contents()
	for what, was := range before {
		if after[what] != was {
			m.Errorf("%s is %q, and was %q", what, after[what], was)
		}
	}
	for what := range after {
		if _, was := before[what]; !was {
			m.Errorf("%s is new", what)
		}
	}
}
