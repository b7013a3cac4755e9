package durability

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

var (
	soak  = flag.Duration("soak", 20*time.Second, "how long TestSoak works")
	kills = flag.Int("kills", 50, "how many kills TestSoak spreads over that time, one every 5 seconds at most")
)

// TestSoak mixes producers, consumers, retention, deleted records and topics
// that come and go, kills the broker in between, and has DumpLogSegments read
// what is left.
func TestSoak(t *testing.T) {
	rng := harness.Rand(t, *seed)
	b := harness.Start(t, harness.Options{Properties: map[string]string{
		"log.segment.bytes":                       "1048576",
		"log.index.interval.bytes":                "4096",
		"log.retention.check.interval.ms":         "2000",
		"log.initial.task.delay.ms":               "1000",
		"log.segment.delete.delay.ms":             "1000",
		"log.flush.offset.checkpoint.interval.ms": "5000",
	}})
	// Each run sees some retention by size and by time.
	l := startLoad(t, b, 1000, "retention.bytes", "1500000", "retention.ms", "600000", "segment.ms", "60000", "file.delete.delay.ms", "1000")
	ctx, cancel := context.WithCancel(context.Background())
	deletes := rand.New(rand.NewPCG(rng.Uint64(), 0))
	// The client does not auto-create topics: Apache's broker that has just come back
	// knows neither its topics nor itself yet, and answers that no broker is there to
	// create one on.
	cl := harness.Client(t, b.Addr, kgo.UnknownTopicRetries(-1), kgo.RecordRetries(1<<30))
	adm := harness.Admin(t, b.Addr)
	var busy sync.WaitGroup
	t.Cleanup(func() { cancel(); busy.Wait() })
	busy.Go(func() { churn(ctx, t, cl) })
	busy.Go(func() { deleteRecords(ctx, adm, l.producers[2], deletes) })

	n := max(1, min(*kills, int(*soak/(5*time.Second))))
	every := *soak / time.Duration(n)
	for i := range n {
		begun := time.Now()
		l.killOnce(t, b, every/2+time.Duration(rng.Int64N(int64(every/2))))
		if rest := every - time.Since(begun); rest > 0 {
			time.Sleep(rest) // the kills are spread over the whole time
		}
		if (i+1)%10 == 0 {
			t.Logf("%d of %d kills", i+1, n)
		}
	}
	cancel()
	busy.Wait()
	l.finish(t, b)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if *soak >= 5*time.Minute {
		for _, p := range l.producers {
			if l.starts[p.topic] == 0 {
				t.Errorf("%s: the log still starts at 0 after %s: retention did nothing", p.name, *soak)
			}
		}
	}
	facts := harness.DumpLogs(t, b.LogDir)
	t.Logf("%d kills in %s; DumpLogSegments read %d records in %d batches of %d files", n+1, *soak, facts.Records, facts.Batches, facts.Files)
}

// churn creates a topic, writes to it, changes it and deletes it, over and
// over. What fails because the broker is away is tried again.
func churn(ctx context.Context, t *testing.T, cl *kgo.Client) {
	adm := kadm.NewClient(cl)
	again := func(what string, f func() error, fine ...error) {
		for ctx.Err() == nil {
			err := f()
			if err == nil {
				return
			}
			for _, e := range fine {
				if errors.Is(err, e) {
					return
				}
			}
			away := harness.Brokers() > 1 && errors.Is(err, kerr.InvalidReplicationFactor)
			if e := (*kerr.Error)(nil); errors.As(err, &e) && !e.Retriable && !away {
				t.Errorf("%s: %v", what, err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for i := 0; ctx.Err() == nil; i++ {
		topic := fmt.Sprintf("comes-and-goes-%d", i)
		again("create", func() error {
			_, err := adm.CreateTopic(ctx, 2, -1, map[string]*string{"segment.bytes": kadm.StringPtr("200000")}, topic)
			return err
		}, kerr.TopicAlreadyExists)
		for j := range 200 {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: value(j)}).FirstErr(); err != nil && ctx.Err() == nil {
				t.Errorf("producing to %s: %v", topic, err)
			}
		}
		again("partitions", func() error {
			updated, err := adm.UpdatePartitions(ctx, 3, topic)
			return errors.Join(err, updated.Error())
		}, kerr.InvalidPartitions) // it has three: the answer to an earlier try was lost
		again("delete", func() error {
			_, err := adm.DeleteTopic(ctx, topic)
			return err
		}, kerr.UnknownTopicOrPartition)
	}
}

// deleteRecords moves the log start of a producer's partition on now and then.
func deleteRecords(ctx context.Context, adm *kadm.Client, p *producer, rng *rand.Rand) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(500+rng.IntN(1500)) * time.Millisecond):
		}
		highest := p.highest()
		if highest < 2000 {
			continue
		}
		var o kadm.Offsets
		o.AddOffset(p.topic, 0, highest-int64(rng.IntN(2000)), -1)
		_, _ = adm.DeleteRecords(ctx, o) // the broker may be away; the next one comes soon
	}
}
