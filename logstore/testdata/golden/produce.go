//go:build ignore

// Command produce fills the topics of the golden logs at the broker given as
// the only argument. See README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx := context.Background()
	seed := kgo.SeedBrokers(os.Args[1])
	admin, err := kgo.NewClient(seed)
	check(err)
	defer admin.Close()
	p := func(s string) *string { return &s }
	configs := map[string]*string{
		"segment.bytes": p("4096"), "index.interval.bytes": p("256"), "segment.index.bytes": p("1200"), "retention.ms": p("-1"),
	}
	_, err = kadm.NewClient(admin).CreateTopics(ctx, 1, 1, configs, "golden")
	check(err)
	codecs := []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
	n := 0
	for round := range 3 {
		for c, codec := range codecs {
			client, err := kgo.NewClient(seed, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("golden"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			check(err)
			for b := range 4 {
				var records []*kgo.Record
				for i := range 1 + (round+c+b)%7 {
					records = append(records, &kgo.Record{
						Key:       []byte(fmt.Sprint(n)),
						Value:     []byte(fmt.Sprint("value ", n, strings.Repeat(" golden", 20*i))),
						Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n)*1000),
					})
					n++
				}
				check(client.ProduceSync(ctx, records...).FirstErr())
			}
			client.Close()
		}
	}
	fmt.Println(n, "records")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
