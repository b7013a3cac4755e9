package franzgo

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestIdempotenceOverCutConnections produces through a proxy that cuts the
// connections, before requests and before answers. Records whose answer was lost
// are sent again; each is stored once and in order all the same.
func TestIdempotenceOverCutConnections(t *testing.T) {
	for _, partitions := range []int32{1, 4} {
		t.Run(fmt.Sprintf("%d partitions", partitions), func(t *testing.T) {
			const records = 3000
			topic := harness.Topic(t, broker.Addr, partitions)
			proxy := harness.NewProxy(t, broker.Addr)
			cl := harness.Client(t, proxy.Addr,
				kgo.Dialer(proxy.Dial), // the broker's address in Metadata leads to the proxy as well
				kgo.RecordPartitioner(kgo.ManualPartitioner()),
				kgo.ProducerBatchMaxBytes(2000), kgo.ProducerLinger(time.Millisecond),
				kgo.RecordRetries(1000), kgo.RequestRetries(1000))
			rng := rand.New(rand.NewPCG(7, uint64(partitions)))
			failed := make(chan error, records)
			record := func(i int) *kgo.Record {
				return &kgo.Record{Topic: topic, Partition: int32(i) % partitions, Value: fmt.Appendf(nil, "%06d", i)}
			}
			// The first record goes undisturbed: a client that has no producer id yet gives up
			// soon.
			produce(t, cl, record(0))
			failed <- nil
			for i := 1; i < records; i++ {
				r := record(i)
				cl.Produce(harness.Context(t), r, func(_ *kgo.Record, err error) { failed <- err })
				switch rng.IntN(150) {
				case 0:
					proxy.Cut()
				case 1:
					proxy.CutAnswers() // requests still arrive, answers do not
				}
				if i%20 == 0 {
					time.Sleep(time.Millisecond) // so that the cuts fall into different moments
				}
			}
			proxy.Heal()
			for range records {
				if err := <-failed; err != nil {
					t.Fatal(err)
				}
			}
			if proxy.Cuts() == 0 {
				t.Fatal("the proxy cut nothing")
			}
			for p := range partitions {
				want := int64(0)
				for i := range records {
					if int32(i)%partitions == p {
						want++
					}
				}
				if end := harness.EndOffset(t, broker.Addr, topic, p); end != want {
					t.Errorf("partition %d ends at %d, %d records were sent to it", p, end, want)
				}
				for i, r := range harness.ReadPartition(t, broker.Addr, topic, p, 0, want) {
					if sent := fmt.Sprintf("%06d", int32(i)*partitions+p); string(r.Value) != sent {
						t.Fatalf("partition %d offset %d holds %s, want %s", p, i, r.Value, sent)
					}
				}
			}
		})
	}
}
