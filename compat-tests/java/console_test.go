package java

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// consume reads a partition of n records with the console consumer.
func consume(t *testing.T, release, topic string, partition, n int, more ...string) string {
	t.Helper()
	args := append(server(), "--topic", topic, "--partition", fmt.Sprint(partition), "--offset", "earliest",
		"--max-messages", fmt.Sprint(n), "--timeout-ms", "60000")
	return harness.Java(t, release, "console-consumer", nil, append(args, more...)...)
}

func TestEveryCodecFromTheConsoleProducer(t *testing.T) {
	for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		release := []string{harness.Kafka39, harness.KafkaNewest}[i%2]
		t.Run(codec+" with "+release, func(t *testing.T) {
			const n = 2000
			topic := harness.Topic(t, broker.Addr, 1)
			var sent strings.Builder
			for i := range n {
				fmt.Fprintf(&sent, "%06d a line of the console, a line of the console, a line of the console\n", i)
			}
			harness.Java(t, release, "console-producer", strings.NewReader(sent.String()),
				append(server(), "--topic", topic, "--compression-codec", codec)...)
			records := harness.ReadPartition(t, broker.Addr, topic, 0, 0, n)
			var got strings.Builder
			for _, r := range records {
				fmt.Fprintf(&got, "%s\n", r.Value)
			}
			if got.String() != sent.String() {
				t.Fatalf("%d bytes came back, %d were sent", got.Len(), sent.Len())
			}
			if want := uint8(i); records[n/2].Attrs.CompressionType() != want {
				t.Errorf("the batch is of codec %d, want %d", records[n/2].Attrs.CompressionType(), want)
			}
		})
	}
}

func TestEveryCodecToTheConsoleConsumer(t *testing.T) {
	eachRelease(t, func(t *testing.T, release string) {
		topic := harness.Topic(t, broker.Addr, 2)
		var sent strings.Builder
		n := 0
		for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
			cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			var records []*kgo.Record
			for range 400 {
				value := strings.Repeat(fmt.Sprintf("record %d ", n), 1+n%7)
				records = append(records, &kgo.Record{Topic: topic, Partition: 1, Key: fmt.Append(nil, n), Value: []byte(value)})
				fmt.Fprintf(&sent, "%d\t%s\n", n, value)
				n++
			}
			if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		property := "--property" // 4.3 says on stdout that this name is deprecated
		if release == harness.KafkaNewest {
			property = "--formatter-property"
		}
		if got := consume(t, release, topic, 1, n, property, "print.key=true"); got != sent.String() {
			t.Fatalf("%d bytes came back, %d were sent", len(got), sent.Len())
		}
	})
}

func TestPerformanceProducer(t *testing.T) {
	eachRelease(t, func(t *testing.T, release string) {
		const n = 20_000
		topic := harness.Topic(t, broker.Addr, 3)
		out := harness.Java(t, release, "producer-perf-test", nil, "--topic", topic, "--num-records", fmt.Sprint(n),
			"--record-size", "200", "--throughput", "-1", "--producer-props", "bootstrap.servers="+broker.Addr, "acks=all")
		if !strings.Contains(out, fmt.Sprintf("%d records sent", n)) {
			t.Errorf("it says\n%s", out)
		}
		var total int64
		for p := range int32(3) {
			total += harness.EndOffset(t, broker.Addr, topic, p)
		}
		if total != n {
			t.Errorf("the partitions hold %d records, %d were sent", total, n)
		}
	})
}
