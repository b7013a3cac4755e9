package scripts

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/connect"
	"klamm/cmd/scripts/jopt"
)

// clientProperties are the properties of a Java client that a script is given: in a file, and one by one, which go over the file's.
type clientProperties map[string]string

// readProperties reads the properties that options of a script have. file may be nil.
func readProperties(opts *jopt.Set, file, each *jopt.Option) (clientProperties, error) {
	all := clientProperties{}
	if file != nil && opts.Has(file) {
		path, err := opts.Value(file)
		if err != nil {
			return nil, err
		}
		read, err := connect.ReadProperties(path)
		if err != nil {
			return nil, &exit{1, err.Error()}
		}
		for name, value := range read {
			all[name] = value
		}
	}
	for _, text := range opts.Values(each) {
		name, value, _ := strings.Cut(text, "=")
		all[name] = value
	}
	return all, nil
}

// isConnection says whether a property is about how to reach a cluster, which package connect serves or refuses.
func isConnection(name string) bool {
	for _, prefix := range []string{"ssl.", "sasl.", "security.", "socket.connection.", "bootstrap.", "client.id", "client.rack", "default.api.timeout.ms",
		"request.timeout.ms", "config.providers", "socks.", "client.dns.lookup", "connections.max.idle.ms", "reconnect.backoff"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// setting makes options of the client of a property's value.
type clientSetting func(value string) ([]kgo.Opt, error)

// options makes the options of a client of the properties, those that are about its connection aside. One that is not known is refused,
// since passing it over would do something else than what was asked for.
func (p clientProperties) options(known map[string]clientSetting) (opts []kgo.Opt, err error) {
	var names []string
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		make, ok := known[name]
		if !ok {
			if isConnection(name) {
				continue
			}
			return nil, &exit{1, fmt.Sprintf("klamm does not serve the client property %s; leave it out", name)}
		}
		some, err := make(strings.TrimSpace(p[name]))
		if err != nil {
			return nil, &exit{1, fmt.Sprintf("Invalid value %s for configuration %s: %v", p[name], name, err)}
		}
		opts = append(opts, some...)
	}
	return opts, nil
}

// open connects a client, as the properties that are about that say.
func (p clientProperties) open(ctx context.Context, bootstrap, clientID string, opts ...kgo.Opt) (*kgo.Client, error) {
	var servers connect.Servers
	if err := servers.Set(bootstrap); err != nil {
		return nil, &exit{1, "--bootstrap-server: " + err.Error()}
	}
	properties := connect.Properties{}
	for name, value := range p {
		if isConnection(name) {
			properties[name] = value
		}
	}
	if properties["client.id"] == "" && clientID != "" {
		properties["client.id"] = clientID
	}
	config, err := connect.New(servers, properties)
	if err != nil {
		return nil, &exit{1, err.Error()}
	}
	cluster, err := config.Open(ctx, opts...)
	if err != nil {
		return nil, &exit{1, err.Error()}
	}
	return cluster.Client, nil
}

// millis makes a setting of a number of milliseconds.
func millis(make func(time.Duration) kgo.Opt) clientSetting {
	return func(value string) ([]kgo.Opt, error) {
		n, err := strconv.ParseInt(value, 10, 64)
		return []kgo.Opt{make(time.Duration(n) * time.Millisecond)}, err
	}
}

// whole makes a setting of a number.
func whole(make func(int64) kgo.Opt) clientSetting {
	return func(value string) ([]kgo.Opt, error) {
		n, err := strconv.ParseInt(value, 10, 64)
		return []kgo.Opt{make(n)}, err
	}
}

// acks are how many replicas have to have a record.
func acks(value string) ([]kgo.Opt, error) {
	switch value {
	case "-1", "all":
		return []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks())}, nil
	case "1":
		return []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}, nil
	case "0":
		return []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}, nil
	}
	return nil, fmt.Errorf("there are all, -1, 0, 1")
}

// codec is how batches are compressed.
func codec(value string) ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	c, ok := codecs[value]
	if !ok {
		return nil, fmt.Errorf("there are none, gzip, snappy, lz4, zstd")
	}
	return []kgo.Opt{kgo.ProducerBatchCompression(c)}, nil
}

// producerSettings are the properties of producers that scripts serve.
func producerSettings() map[string]clientSetting {
	return map[string]clientSetting{
		"acks":                                  acks,
		"compression.type":                      codec,
		"linger.ms":                             millis(func(d time.Duration) kgo.Opt { return kgo.ProducerLinger(d) }),
		"delivery.timeout.ms":                   millis(func(d time.Duration) kgo.Opt { return kgo.RecordDeliveryTimeout(d) }),
		"retries":                               whole(func(n int64) kgo.Opt { return kgo.RecordRetries(int(n)) }),
		"max.request.size":                      whole(func(n int64) kgo.Opt { return kgo.ProducerBatchMaxBytes(int32(n)) }),
		"buffer.memory":                         whole(func(n int64) kgo.Opt { return kgo.MaxBufferedBytes(int(n)) }),
		"metadata.max.age.ms":                   millis(func(d time.Duration) kgo.Opt { return kgo.MetadataMaxAge(d) }),
		"retry.backoff.ms":                      millis(func(d time.Duration) kgo.Opt { return kgo.RetryBackoffFn(func(int) time.Duration { return d }) }),
		"enable.idempotence":                    idempotence,
		"batch.size":                            batchSize,
		"transactional.id":                      func(string) ([]kgo.Opt, error) { return nil, fmt.Errorf("no script of klamm begins transactions") },
		"max.in.flight.requests.per.connection": whole(func(n int64) kgo.Opt { return kgo.MaxProduceRequestsInflightPerBroker(int(n)) }),
	}
}

// batchSize bounds batches. A batch here is no larger than that, so that a record that is larger needs another bound.
func batchSize(value string) ([]kgo.Opt, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	const least = 1 << 20 // the default of max.request.size: Java's producer sends a record of that size in a batch of its own
	return []kgo.Opt{kgo.ProducerBatchMaxBytes(max(least, int32(n)))}, err
}

func idempotence(value string) ([]kgo.Opt, error) {
	on, err := strconv.ParseBool(value)
	if on || err != nil {
		return nil, err
	}
	return []kgo.Opt{kgo.DisableIdempotentWrite()}, nil
}

// consumerSettings are the properties of consumers that scripts serve. Some of them the scripts look at themselves.
func consumerSettings() map[string]clientSetting {
	seen := func(string) ([]kgo.Opt, error) { return nil, nil }
	return map[string]clientSetting{
		"group.id": seen, "auto.offset.reset": seen, "enable.auto.commit": seen, "isolation.level": seen, "group.instance.id": seen,
		"session.timeout.ms":        millis(func(d time.Duration) kgo.Opt { return kgo.SessionTimeout(d) }),
		"heartbeat.interval.ms":     millis(func(d time.Duration) kgo.Opt { return kgo.HeartbeatInterval(d) }),
		"fetch.min.bytes":           whole(func(n int64) kgo.Opt { return kgo.FetchMinBytes(int32(n)) }),
		"fetch.max.bytes":           whole(func(n int64) kgo.Opt { return kgo.FetchMaxBytes(int32(n)) }),
		"max.partition.fetch.bytes": whole(func(n int64) kgo.Opt { return kgo.FetchMaxPartitionBytes(int32(n)) }),
		"fetch.max.wait.ms":         millis(func(d time.Duration) kgo.Opt { return kgo.FetchMaxWait(d) }),
		"metadata.max.age.ms":       millis(func(d time.Duration) kgo.Opt { return kgo.MetadataMaxAge(d) }),
	}
}
