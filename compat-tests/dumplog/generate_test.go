package dumplog

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

var generate = flag.Bool("generate", false, "write testdata again, with brokers of Apache Kafka 3.9.2")

// TestGenerate writes testdata, if -generate asks for that: what two brokers of Apache Kafka 3.9.2 left, one with the messages of today and one with those of 0.10.
func TestGenerate(t *testing.T) {
	if !*generate {
		return
	}
	b := harness.Start(t, harness.Options{Broker: "apache", Properties: map[string]string{
		"offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1", "log.index.interval.bytes": "300", "log.cleaner.enable": "false",
		"group.initial.rebalance.delay.ms": "0"}})
	admin := harness.Admin(t, b.Addr)
	for topic, configs := range map[string]map[string]*string{
		"data": {"segment.bytes": ptr("6000")}, "appended": {"message.timestamp.type": ptr("LogAppendTime")}, "other": {}} {
		if _, err := admin.CreateTopic(harness.Context(t), 1, 1, configs, topic); err != nil {
			t.Fatal(err)
		}
	}
	writeData(t, b)
	commitOffsets(t, b)
	keep(t, b, "data-0", "appended-0", "__consumer_offsets-0", "__transaction_state-0")

	old := harness.Start(t, harness.Options{Broker: "apache", Properties: map[string]string{
		"inter.broker.protocol.version": "2.8", "log.message.format.version": "0.10.0", "log.index.interval.bytes": "300"}})
	writeOld(t, old)
	keep(t, old, "old-0")
}

func ptr(s string) *string { return &s }

// writeData writes records of every kind.
func writeData(t *testing.T, b *harness.Broker) {
	ctx := harness.Context(t)
	at := time.UnixMilli(1_600_000_000_000)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(codec))
		for n := range 4 {
			var records []*kgo.Record
			for j := range n + 1 {
				records = append(records, &kgo.Record{Topic: "data", Timestamp: at.Add(time.Duration(i*100+n*10-j) * time.Second), Key: []byte(fmt.Sprint("key-", j)),
					Value: []byte(strings.Repeat("value ", 20+j)), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "", Value: nil}}[:j%3]})
			}
			if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	plain := harness.Client(t, b.Addr, kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for _, r := range []*kgo.Record{{}, {Key: []byte{}, Value: []byte{}}, {Key: []byte("ä\u20ac😀"), Value: []byte{0xff, 0xfe, 'a', 0xc3}}, {Key: []byte{0, 0, 0, 7}, Value: []byte{0, 0, 0, 0, 0, 0, 0, 9}}} {
		r.Topic, r.Timestamp = "data", at
		if err := plain.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	appended := harness.Client(t, b.Addr)
	for range 3 {
		if err := appended.ProduceSync(ctx, &kgo.Record{Topic: "appended", Value: []byte(strings.Repeat("x", 200))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryAbort, kgo.TryCommit} {
		cl := harness.Client(t, b.Addr, kgo.TransactionalID("writer"), kgo.TransactionTimeout(time.Minute))
		if err := errors.Join(cl.BeginTransaction(), cl.ProduceSync(ctx, &kgo.Record{Topic: "data", Key: []byte("t"), Value: []byte("in a transaction"), Timestamp: at}).FirstErr(),
			cl.Flush(ctx), cl.EndTransaction(ctx, end)); err != nil {
			t.Fatal(err)
		}
	}
}

// commitOffsets has groups come, commit and go.
func commitOffsets(t *testing.T, b *harness.Broker) {
	ctx := harness.Context(t)
	for _, group := range []string{"readers", "gone"} {
		cl := harness.Client(t, b.Addr, kgo.ConsumerGroup(group), kgo.ConsumeTopics("data", "other"), kgo.DisableAutoCommit(), kgo.FetchMaxWait(100*time.Millisecond))
		if got := cl.PollRecords(ctx, 5); got.Err() != nil {
			t.Fatal(got.Err())
		}
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(err)
		}
		cl.Close()
	}
	simple := harness.Admin(t, b.Addr)
	if _, err := simple.DeleteGroups(ctx, "gone"); err != nil {
		t.Fatal(err)
	}
}

// writeOld writes messages of magic 1, and, after the topic's format has changed, of magic 0.
func writeOld(t *testing.T, b *harness.Broker) {
	ctx := harness.Context(t)
	admin := harness.Admin(t, b.Addr)
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "old"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"0.10.0", "0.9.0"} {
		harness.Java(t, harness.Kafka39, "configs", nil, "--bootstrap-server", b.Addr, "--entity-type", "topics", "--entity-name", "old", "--alter", "--add-config", "message.format.version="+format)
		for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.Lz4Compression()} {
			cl := harness.Client(t, b.Addr, kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codec))
			var records []*kgo.Record
			for i := range 3 {
				records = append(records, &kgo.Record{Topic: "old", Key: []byte(fmt.Sprint("k", i)), Value: []byte(strings.Repeat("old ", 30)), Timestamp: time.UnixMilli(1_500_000_000_000 + int64(i))})
			}
			if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// keep stops a broker and copies partitions of it to testdata.
func keep(t *testing.T, b *harness.Broker, partitions ...string) {
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		to := filepath.Join("testdata", p)
		if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(filepath.Join(b.LogDir, p)))); err != nil {
			t.Fatal(err)
		}
	}
}
