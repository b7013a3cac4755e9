package durability

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

var (
	killFor = flag.Duration("for", 25*time.Second, "how long TestKill9UnderLoad goes on killing")
	seed    = flag.Uint64("seed", 0, "seed of the moments of the kills; 0: a new one, which is printed")
)

// atMost is d, or less where tests do less work.
func atMost(d time.Duration) time.Duration {
	if harness.Small() {
		return min(d, 10*time.Second)
	}
	return d
}

// load is the producers and the consumer of a test, at work.
type load struct {
	producers []*producer
	consumer  *consumer
	stop      chan struct{}
	running   sync.WaitGroup
	cancel    context.CancelFunc
	consuming sync.WaitGroup
	starts    map[string]int64
}

// startLoad makes a topic for each kind of producer and sets all to work.
func startLoad(t *testing.T, b *harness.Broker, perSecond int, configs ...string) *load {
	t.Helper()
	l := &load{stop: make(chan struct{}), starts: map[string]int64{}}
	var topics []string
	for _, k := range kinds {
		if k.leaderOnly && harness.Brokers() > 1 {
			continue
		}
		topic := harness.Topic(t, b.Addr, 1, configs...)
		topics = append(topics, topic)
		l.producers = append(l.producers, newProducer(t, b.Addr, topic, k))
	}
	l.consumer = newConsumer(t, b.Addr, topics)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	t.Cleanup(cancel)
	for _, p := range l.producers {
		l.running.Go(func() { p.run(ctx, l.stop, perSecond) })
	}
	l.consuming.Go(func() { l.consumer.run(ctx) })
	return l
}

// killOnce kills the broker after a while, starts it again and checks at once that the
// logs end past what was acknowledged before the kill.
func (l *load) killOnce(t *testing.T, b *harness.Broker, after time.Duration) {
	t.Helper()
	time.Sleep(after) // the load goes on; the seed decides when the kill comes
	b.Kill()
	before := map[string]int64{}
	for _, p := range l.producers {
		before[p.topic] = p.highest()
	}
	if err := b.Run(); err != nil {
		t.Fatalf("after a kill: %v; its log is kept: %s", err, b.KeepLog())
	}
	for _, p := range l.producers {
		start, end := bounds(t, b.Addr, p.topic)
		if end <= before[p.topic] {
			t.Fatalf("%s: offset %d was acknowledged before the kill and the log ends at %d", p.name, before[p.topic], end)
		}
		// Apache's broker forgets a log start offset that it has not checkpointed.
		if start < l.starts[p.topic] && !harness.Reference() {
			t.Fatalf("%s: the log started at %d and starts at %d after the kill", p.name, l.starts[p.topic], start)
		}
		l.starts[p.topic] = start
	}
}

// finish stops the producers, waits for what they have under way and compares
// everything with the logs, before a last kill and after it.
func (l *load) finish(t *testing.T, b *harness.Broker) {
	t.Helper()
	close(l.stop)
	l.running.Wait()
	l.cancel()
	l.consuming.Wait()
	for _, p := range l.producers {
		start, numbers := p.check(t, b.Addr)
		l.consumer.check(t, p.topic, start, numbers)
	}
	b.Kill()
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	for _, p := range l.producers {
		p.check(t, b.Addr)
	}
}

func TestKill9UnderLoad(t *testing.T) {
	rng := harness.Rand(t, *seed)
	b := harness.Start(t, harness.Options{Properties: map[string]string{
		"log.segment.bytes":                             "1000000",
		"log.index.interval.bytes":                      "2000",
		"log.flush.offset.checkpoint.interval.ms":       "2000",
		"replica.high.watermark.checkpoint.interval.ms": "1000",
	}})
	l := startLoad(t, b, 1500)
	kills := 0
	for deadline := time.Now().Add(atMost(*killFor)); kills < 3 || time.Now().Before(deadline); kills++ {
		l.killOnce(t, b, time.Duration(200+rng.IntN(1300))*time.Millisecond)
	}
	l.finish(t, b)
	t.Logf("%d kills", kills+1)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	facts := harness.DumpLogs(t, b.LogDir)
	t.Logf("DumpLogSegments read %d records in %d batches of %d files", facts.Records, facts.Batches, facts.Files)
}
