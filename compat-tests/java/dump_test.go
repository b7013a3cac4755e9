package java

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestDumpLogSegments has a broker write small segments in every codec, stops
// it, and has Apache's tool read every file that it left.
func TestDumpLogSegments(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	topic := harness.Topic(t, b.Addr, 2, "segment.bytes", "100000", "index.interval.bytes", "1000")
	sent := 0
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		cl := harness.Client(t, b.Addr, kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(4000),
			kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		var records []*kgo.Record
		for i := range 2000 {
			records = append(records, &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%0*d", 10+i%300, i)})
		}
		if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		sent += len(records)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	facts := harness.DumpLogs(t, b.LogDir)
	if facts.Records != sent || facts.Files < 20 {
		t.Errorf("DumpLogSegments read %d records in %d files; %d were sent, to segments of 100 kB", facts.Records, facts.Files, sent)
	}
}
