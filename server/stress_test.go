package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/broker"
	"klamm/compat-tests/harness"
	"klamm/server/config"
)

// stress is a broker that is started and stopped again and again in this process, with clients
// that do everything at once. It is for the race detector, and for what must hold all the same: an
// acknowledged record of a topic that stays is there once, and in order.
type stress struct {
	t    *testing.T
	addr string
	dir  string
	stop atomic.Bool
	ctx  context.Context
}

const stressTopic, stressPartitions = "stays", 3

func TestEverythingAtOnce(t *testing.T) {
	port, err := harness.FreePort() // nobody takes it between two lives
	if err != nil {
		t.Fatal(err)
	}
	s := &stress{t: t, addr: fmt.Sprint("127.0.0.1:", port), dir: t.TempDir()}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(context.Background(), 10*patience) // each life needs some of it
	defer cancel()
	b := s.start()
	adm := kadm.NewClient(s.client())
	if _, err := adm.CreateTopic(s.ctx, stressPartitions, 1, map[string]*string{"flush.messages": kadm.StringPtr("1")}, stressTopic); err != nil {
		t.Fatal(err)
	}
	var acked [stressPartitions]int
	var work sync.WaitGroup
	for p := range acked {
		work.Go(func() { acked[p] = s.produce(int32(p)) })
	}
	for i := range 3 {
		work.Go(func() { s.comeAndGo(i) })
	}
	work.Go(s.consume)
	work.Go(s.configure)
	const lives = 4
	for range lives {
		time.Sleep(700 * time.Millisecond) // the load works meanwhile; nothing waits for it
		if err := b.Stop(s.ctx); err != nil {
			t.Error(err)
		}
		b = s.start()
	}
	s.stop.Store(true)
	work.Wait()
	for p, n := range acked {
		s.check(int32(p), n)
	}
	if err := b.Stop(s.ctx); err != nil {
		t.Error(err)
	}
	t.Logf("%v records acknowledged in %d lives", acked, lives+1)
}

func (s *stress) start() *broker.Broker {
	s.t.Helper()
	cfg, _, err := config.Load(config.Options{Sets: []string{
		"listeners=PLAINTEXT://" + s.addr, "log.dirs=" + s.dir + "/a," + s.dir + "/b", "log.segment.bytes=20000", "log.index.interval.bytes=500",
		"log.retention.check.interval.ms=50", "log.initial.task.delay.ms=20", "log.flush.offset.checkpoint.interval.ms=50",
		"log.flush.start.offset.checkpoint.interval.ms=50", "replica.high.watermark.checkpoint.interval.ms=50",
		"log.segment.delete.delay.ms=100", "producer.id.expiration.check.interval.ms=50",
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := broker.Start(s.ctx, broker.Options{Config: cfg, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *stress) client(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.addr), kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.RecordRetries(1 << 30), kgo.UnknownTopicRetries(-1),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequestRetries(1000), kgo.RetryTimeout(time.Minute)}, opts...)...)
	if err != nil {
		s.t.Error(err)
		runtime.Goexit()
	}
	s.t.Cleanup(cl.Close)
	return cl
}

// produce sends numbered records until the end and gives how many there are.
func (s *stress) produce(p int32) (n int) {
	cl := s.client(kgo.ProducerBatchMaxBytes(2000), kgo.ProducerLinger(0))
	for !s.stop.Load() {
		for range 20 {
			cl.Produce(s.ctx, &kgo.Record{Topic: stressTopic, Partition: p, Value: fmt.Appendf(nil, "%d", n)}, func(_ *kgo.Record, err error) {
				if err != nil {
					s.t.Errorf("partition %d: %v", p, err)
				}
			})
			n++
		}
		if err := cl.Flush(s.ctx); err != nil {
			s.t.Error(err)
			return n
		}
	}
	return n
}

// check reads what was acknowledged: once, and in order.
func (s *stress) check(p int32, n int) {
	s.t.Helper()
	cl := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{stressTopic: {p: kgo.NewOffset().At(0)}}))
	for next := 0; next < n; {
		fetches := cl.PollFetches(s.ctx)
		if err := fetches.Err(); err != nil {
			s.t.Fatalf("partition %d at %d of %d: %v", p, next, n, err)
		}
		for _, r := range fetches.Records() {
			if string(r.Value) != fmt.Sprint(next) || r.Offset != int64(next) {
				s.t.Fatalf("partition %d: record %d is %q at offset %d", p, next, r.Value, r.Offset)
			}
			next++
		}
	}
}

// comeAndGo makes a topic, writes to it, has records deleted, and deletes it, under one name.
func (s *stress) comeAndGo(i int) {
	cl := s.client(kgo.RecordRetries(3), kgo.UnknownTopicRetries(3))
	adm := kadm.NewClient(cl)
	name := fmt.Sprintf("comes-%d", i)
	for round := 0; !s.stop.Load(); round++ {
		_, err := adm.CreateTopic(s.ctx, 2, 1, map[string]*string{"segment.bytes": kadm.StringPtr("2000"), "retention.bytes": kadm.StringPtr("5000")}, name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // a stop in between answered nobody
			continue
		}
		for n := range 60 {
			cl.TryProduce(s.ctx, &kgo.Record{Topic: name, Partition: int32(n % 2), Value: make([]byte, 200)}, nil)
		}
		ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
		_ = cl.Flush(ctx) // as far as it comes
		cancel()
		o := kadm.Offsets{}
		o.Add(kadm.Offset{Topic: name, Partition: 0, At: -1})
		_, _ = adm.DeleteRecords(s.ctx, o)
		_, _ = adm.DescribeAllLogDirs(s.ctx, nil)
		_, _ = adm.DeleteTopics(s.ctx, name)
	}
}

// consume reads everything that there is, with sessions, as it comes and goes. A client's
// context ends before it is closed: while its loops run, Close of franz-go 1.22 races with them.
func (s *stress) consume() {
	for !s.stop.Load() {
		life, end := context.WithCancel(s.ctx)
		cl := s.client(kgo.WithContext(life), kgo.ConsumeTopics(stressTopic, "comes-0", "comes-1", "comes-2"), kgo.FetchMaxWait(50*time.Millisecond))
		for range 20 {
			ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
			cl.PollFetches(ctx)
			cancel()
		}
		end()
		cl.Close()
	}
}

// configure changes topics' and the broker's properties.
func (s *stress) configure() {
	adm := kadm.NewClient(s.client())
	for !s.stop.Load() {
		set := func(name, value string) []kadm.AlterConfig {
			return []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: kadm.StringPtr(value)}}
		}
		_, _ = adm.AlterTopicConfigs(s.ctx, set("segment.bytes", fmt.Sprint(3000+rand.IntN(30000))), stressTopic)
		_, _ = adm.AlterTopicConfigs(s.ctx, set("flush.messages", fmt.Sprint(1+rand.IntN(3))), stressTopic, "comes-1")
		_, _ = adm.AlterBrokerConfigs(s.ctx, set("log.index.interval.bytes", fmt.Sprint(100+rand.IntN(3000))))
		_, _ = adm.DescribeTopicConfigs(s.ctx, stressTopic)
	}
}
