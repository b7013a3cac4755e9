package franzgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// codecs are what record batches come in.
var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
}{
	{"none", kgo.NoCompression()},
	{"gzip", kgo.GzipCompression()},
	{"snappy", kgo.SnappyCompression()},
	{"lz4", kgo.Lz4Compression()},
	{"zstd", kgo.ZstdCompression()},
}

// produce sends the records one after the other and waits for all of them.
func produce(t *testing.T, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// text makes n records with values that compress, of growing size.
func text(topic string, n int) []*kgo.Record {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i),
			Value: bytes.Repeat(fmt.Appendf(nil, "value %d ", i), 1+i%40)}
	}
	return records
}

func TestEveryCodecComesBackAsItWas(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, 1)
			cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(c.codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			sent := text(topic, 2000)
			produce(t, cl, sent...)
			got := harness.ReadPartition(t, broker.Addr, topic, 0, 0, int64(len(sent)))
			if len(got) != len(sent) {
				t.Fatalf("%d records, %d were sent", len(got), len(sent))
			}
			for i, r := range got {
				if r.Offset != int64(i) || !bytes.Equal(r.Key, sent[i].Key) || !bytes.Equal(r.Value, sent[i].Value) ||
					r.Timestamp.UnixMilli() != sent[i].Timestamp.UnixMilli() {
					t.Fatalf("record %d came back as offset %d, key %q, value %q, %s", i, r.Offset, r.Key, r.Value, r.Timestamp)
				}
			}
		})
	}
}

func TestNullAndEmptyAreNotTheSame(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	sent := []*kgo.Record{
		{Topic: topic, Key: nil, Value: nil},
		{Topic: topic, Key: []byte{}, Value: []byte{}},
		{Topic: topic, Key: nil, Value: []byte{}},
		{Topic: topic, Key: []byte{}, Value: nil},
		{Topic: topic, Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{
			{Key: "null", Value: nil}, {Key: "empty", Value: []byte{}}, {Key: "", Value: []byte("no name")},
			{Key: "twice", Value: []byte("1")}, {Key: "twice", Value: []byte("2")},
		}},
	}
	for _, c := range codecs {
		produce(t, harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(c.codec)), clone(sent)...)
	}
	got := harness.ReadPartition(t, broker.Addr, topic, 0, 0, int64(len(sent)*len(codecs)))
	for i, r := range got {
		want := sent[i%len(sent)]
		if !same(r.Key, want.Key) || !same(r.Value, want.Value) {
			t.Errorf("offset %d: key %#v value %#v, sent %#v %#v", i, r.Key, r.Value, want.Key, want.Value)
		}
		if len(r.Headers) != len(want.Headers) {
			t.Fatalf("offset %d: headers %v, sent %v", i, r.Headers, want.Headers)
		}
		for j, h := range r.Headers {
			if h.Key != want.Headers[j].Key || !same(h.Value, want.Headers[j].Value) {
				t.Errorf("offset %d: header %d is %q=%#v, sent %q=%#v", i, j, h.Key, h.Value, want.Headers[j].Key, want.Headers[j].Value)
			}
		}
	}
}

// same compares with null and empty kept apart.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// clone copies records, since a client fills in what it sends.
func clone(records []*kgo.Record) []*kgo.Record {
	c := make([]*kgo.Record, len(records))
	for i, r := range records {
		d := *r
		c[i] = &d
	}
	return c
}

func TestBigBatches(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "max.message.bytes", "20000000")
	rng := rand.New(rand.NewPCG(1, 2))
	big := make([]byte, 9<<20)
	for i := range big {
		big[i] = byte(rng.Uint32())
	}
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchMaxBytes(20_000_000), kgo.BrokerMaxWriteBytes(64<<20),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	produce(t, cl, &kgo.Record{Topic: topic, Value: []byte("small")}, &kgo.Record{Topic: topic, Value: big},
		&kgo.Record{Topic: topic, Value: []byte("small again")})
	got := harness.ReadPartition(t, broker.Addr, topic, 0, 0, 3)
	if !bytes.Equal(got[1].Value, big) || string(got[2].Value) != "small again" {
		t.Fatalf("a record of 9 MiB came back with %d bytes, and %q after it", len(got[1].Value), got[2].Value)
	}
}

func TestAcks(t *testing.T) {
	for _, c := range []struct {
		name string
		acks kgo.Acks
	}{{"0", kgo.NoAck()}, {"1", kgo.LeaderAck()}, {"all", kgo.AllISRAcks()}} {
		t.Run(c.name, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, 1)
			cl := harness.Client(t, broker.Addr, kgo.RequiredAcks(c.acks), kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
			sent := text(topic, 500)
			produce(t, cl, sent...)
			// With acks=0 nothing says when the records are stored; reading waits for them.
			got := harness.ReadPartition(t, broker.Addr, topic, 0, 0, int64(len(sent)))
			for i, r := range got {
				if !bytes.Equal(r.Value, sent[i].Value) {
					t.Fatalf("offset %d holds %q, sent %q", i, r.Value, sent[i].Value)
				}
			}
		})
	}
}

func TestMessageTooLarge(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 2, "max.message.bytes", "2000")
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	results := cl.ProduceSync(harness.Context(t),
		&kgo.Record{Topic: topic, Partition: 0, Value: make([]byte, 3000)},
		&kgo.Record{Topic: topic, Partition: 1, Value: []byte("fits")})
	for _, r := range results {
		if r.Record.Partition == 0 && !errors.Is(r.Err, kerr.MessageTooLarge) {
			t.Errorf("3000 bytes where 2000 are allowed: %v, want MESSAGE_TOO_LARGE", r.Err)
		}
		if r.Record.Partition == 1 && r.Err != nil {
			t.Errorf("the other partition of the same request: %v", r.Err)
		}
	}
	if end := harness.EndOffset(t, broker.Addr, topic, 0); end != 0 {
		t.Errorf("the refused batch left the log end offset at %d", end)
	}
}

func TestTimestampsTooFarOffAreRefused(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "message.timestamp.before.max.ms", "3600000", "message.timestamp.after.max.ms", "3600000")
	now := time.Now()
	for _, c := range []struct {
		name string
		at   time.Time
		want error
	}{
		{"two hours old", now.Add(-2 * time.Hour), kerr.InvalidTimestamp},
		{"two hours ahead", now.Add(2 * time.Hour), kerr.InvalidTimestamp},
		{"half an hour old", now.Add(-30 * time.Minute), nil},
		{"half an hour ahead", now.Add(30 * time.Minute), nil},
	} {
		for _, codec := range codecs[:2] {
			cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(codec.codec))
			err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Value: []byte(c.name), Timestamp: c.at}).FirstErr()
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", c.name, codec.name, err, c.want)
			}
		}
	}
}

func TestLogAppendTime(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "message.timestamp.type", "LogAppendTime")
	old := time.UnixMilli(1_000_000)
	before := time.Now().Add(-time.Second)
	for _, c := range codecs {
		produce(t, harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(c.codec)),
			&kgo.Record{Topic: topic, Value: []byte(c.name), Timestamp: old})
	}
	for _, r := range harness.ReadPartition(t, broker.Addr, topic, 0, 0, int64(len(codecs))) {
		if r.Attrs.TimestampType() != 1 || !r.Timestamp.After(before) {
			t.Errorf("%s: timestamp type %d, %s; want the time of the append", r.Value, r.Attrs.TimestampType(), r.Timestamp)
		}
	}
}

func TestCompactedTopicRefusesANullKey(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "cleanup.policy", "compact")
	for _, c := range codecs {
		cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(c.codec))
		err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Value: []byte("no key")}).FirstErr()
		if !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("%s: a record without a key: %v, want INVALID_RECORD", c.name, err)
		}
	}
	produce(t, harness.Client(t, broker.Addr), &kgo.Record{Topic: topic, Key: []byte{}, Value: []byte("an empty key is one")})
}

func TestProduceToAnUnknownTopicWithoutAutoCreation(t *testing.T) {
	b := harness.Start(t, harness.Options{Properties: map[string]string{"auto.create.topics.enable": "false"}})
	ctx, cancel := context.WithCancel(harness.Context(t))
	defer cancel()
	cl := harness.Client(t, b.Addr, kgo.UnknownTopicRetries(2), kgo.AllowAutoTopicCreation())
	err := cl.ProduceSync(ctx, &kgo.Record{Topic: "nobody-made-this", Value: []byte("v")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Fatalf("%v, want UNKNOWN_TOPIC_OR_PARTITION", err)
	}
}

func TestAutoCreation(t *testing.T) {
	b := harness.Start(t, harness.Options{Properties: map[string]string{"num.partitions": "3"}})
	topic := harness.Name(t)
	cl := harness.Client(t, b.Addr, kgo.AllowAutoTopicCreation())
	err := harness.OnAllBrokers(func() error {
		return cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Value: []byte("first")}).FirstErr()
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, b.Addr, topic, 3)
	m, err := harness.Admin(t, b.Addr).Metadata(harness.Context(t), topic)
	if err != nil || len(m.Topics[topic].Partitions) != 3 {
		t.Fatalf("%v, %+v; want a topic of num.partitions=3", err, m.Topics[topic])
	}
}
