package franzgo

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// number is a codec's number in the attributes of a batch.
var number = map[string]uint8{"none": 0, "uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

// compressionTypes are the values of compression.type that name a codec.
var compressionTypes = []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"}

// prose makes records of words, which compress as text does.
func prose(topic string, n int) []*kgo.Record {
	rng := rand.New(rand.NewPCG(3, 9))
	records := make([]*kgo.Record, n)
	for i := range records {
		var v []byte
		for range 10 + i%40 {
			v = fmt.Appendf(v, "%s%d ", [...]string{"broker", "topic", "leader", "segment", "offset"}[rng.IntN(5)], rng.IntN(1+rng.IntN(300)))
		}
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i%97), Value: v, Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}, {Key: "null"}}}
	}
	return records
}

// TestCompressionType: batches are stored in the topic's codec, whatever codec the
// producer has. Nothing else of the records changes, and Apache's tools find nothing
// wrong in the segments.
func TestCompressionType(t *testing.T) {
	b := harness.Start(t, harness.Options{Properties: map[string]string{"compression.type": "snappy", "compression.zstd.level": "19"}})
	batches := 0
	for _, to := range append(compressionTypes, "the broker's", "producer") {
		var configs []string
		if to != "the broker's" {
			configs = []string{"compression.type", to}
		}
		topic := harness.Topic(t, b.Addr, 1, configs...)
		var sent []*kgo.Record
		var codecOf []uint8
		for _, from := range codecs {
			cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(from.codec), kgo.ProducerBatchMaxBytes(30_000))
			records := prose(topic, 300)
			produce(t, cl, records...)
			sent = append(sent, records...)
			for range records {
				switch to {
				case "producer":
					codecOf = append(codecOf, number[from.name])
				case "the broker's":
					codecOf = append(codecOf, number["snappy"])
				default:
					codecOf = append(codecOf, number[to])
				}
			}
		}
		for i, r := range harness.ReadPartition(t, b.Addr, topic, 0, 0, int64(len(sent))) {
			s := sent[i]
			if r.Offset != int64(i) || !bytes.Equal(r.Key, s.Key) || !bytes.Equal(r.Value, s.Value) || r.Timestamp.UnixMilli() != s.Timestamp.UnixMilli() ||
				len(r.Headers) != 2 || !bytes.Equal(r.Headers[0].Value, s.Headers[0].Value) || r.Headers[1].Value != nil {
				t.Fatalf("compression.type=%s: %+v came back as %+v", to, s, r)
			}
			if r.Attrs.CompressionType() != codecOf[i] {
				t.Fatalf("compression.type=%s: offset %d is in codec %d, want %d", to, i, r.Attrs.CompressionType(), codecOf[i])
			}
			if r.ProducerID < 0 || r.Attrs.TimestampType() != 0 {
				t.Fatalf("compression.type=%s: offset %d has producer %d, timestamp type %d", to, i, r.ProducerID, r.Attrs.TimestampType())
			}
		}
		batches += 7
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if facts := harness.DumpLogs(t, b.LogDir); facts.Batches < batches || facts.Records != 7*5*300 {
		t.Errorf("%+v: there are fewer records and batches than were produced", facts)
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
}

// TestCompressionLevels: a codec's level shows in the size of the segments.
func TestCompressionLevels(t *testing.T) {
	size := func(configs ...string) int64 {
		topic := harness.Topic(t, broker.Addr, 1, configs...)
		cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(500_000))
		records := prose(topic, 3000)
		produce(t, cl, records...)
		info, err := os.Stat(filepath.Join(broker.LogDir, topic+"-0", "00000000000000000000.log"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	plain := size()
	for _, c := range []struct{ codec, property, low, high string }{
		{"gzip", "compression.gzip.level", "1", "9"},
		{"lz4", "compression.lz4.level", "9", "12"}, // 9, the default, is the quick one
		{"zstd", "compression.zstd.level", "1", "22"},
	} {
		low := size("compression.type", c.codec, c.property, c.low)
		high := size("compression.type", c.codec, c.property, c.high)
		if high >= low || low >= plain {
			t.Errorf("%s: %d bytes at level %s, %d at level %s, %d without", c.codec, low, c.low, high, c.high, plain)
		}
	}
}

// TestCompressionTypeChanges: a change of the topic's or the broker's compression.type
// counts from the next batch on.
func TestCompressionTypeChanges(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := harness.Topic(t, broker.Addr, 1)
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	next := int64(0)
	// Apache's broker applies a change only after it has answered.
	becomes := func(what, want string) {
		t.Helper()
		for tries := 0; ; tries++ {
			produce(t, cl, prose(topic, 20)...)
			got := harness.ReadPartition(t, broker.Addr, topic, 0, next, next+20)
			next += 20
			if codec := got[0].Attrs.CompressionType(); codec == number[want] {
				return
			} else if ctx.Err() != nil || tries > 0 && harness.AtOnce() {
				t.Fatalf("%s: batches are in codec %d, want %s", what, codec, want)
			}
		}
	}
	becomes("without configuration", "lz4")
	alter := func(change func(ctx context.Context, configs []kadm.AlterConfig) error, op kadm.IncrementalOp, value string) {
		t.Helper()
		if err := change(ctx, []kadm.AlterConfig{{Op: op, Name: "compression.type", Value: &value}}); err != nil {
			t.Fatal(err)
		}
	}
	onTopic := func(ctx context.Context, configs []kadm.AlterConfig) error {
		r, err := adm.AlterTopicConfigs(ctx, configs, topic)
		if err == nil {
			err = r[0].Err
		}
		return err
	}
	onBroker := func(ctx context.Context, configs []kadm.AlterConfig) error {
		r, err := adm.AlterBrokerConfigs(ctx, configs) // of all brokers
		if err == nil {
			err = r[0].Err
		}
		return err
	}
	t.Cleanup(func() {
		_ = onBroker(context.Background(), []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "compression.type"}})
	})
	alter(onTopic, kadm.SetConfig, "zstd")
	becomes("the topic's is zstd", "zstd")
	alter(onBroker, kadm.SetConfig, "gzip")
	alter(onTopic, kadm.SetConfig, "uncompressed")
	becomes("the topic's is uncompressed", "uncompressed")
	alter(onTopic, kadm.DeleteConfig, "")
	becomes("the broker's is gzip", "gzip")
	alter(onBroker, kadm.DeleteConfig, "")
	becomes("nobody's", "lz4")
	harness.AwaitBrokerConfigDeleted(t, adm, "compression.type", broker.IDs()...) // the next test may ask a broker that does not lead here
}
