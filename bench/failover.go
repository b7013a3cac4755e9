package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/bench/figures"
	"klamm/compat-tests/harness"
)

const (
	failoverPartitions = 6
	failoverEvery      = 5 * time.Millisecond // between two records of a partition
	// failoverLead is how long records are acknowledged before something happens.
	failoverLead = time.Second
)

// failover kills a broker while records are produced, and measures the longest time in which a partition gets no
// acknowledgement. The broker starts again, and leads what it led before the next round.
func failover(victim func(*cluster, context.Context) (*harness.Broker, error)) func(context.Context, *subject) (*session, error) {
	return func(_ context.Context, s *subject) (*session, error) {
		c := s.target.(*cluster)
		return &session{close: nothing, round: func(ctx context.Context) (figures.Sample, error) {
			topic := topicName()
			if err := c.makeTopic(ctx, topic, failoverPartitions, nil); err != nil {
				return nil, err
			}
			b, err := victim(c, ctx)
			if err != nil {
				return nil, err
			}
			sample := figures.Sample{}
			if _, sample[gap], err = longestGap(ctx, c, topic, func() error { b.Kill(); return nil }); err != nil {
				return nil, err
			}
			return sample, c.restore(ctx, sample, b, topic)
		}}, nil
	}
}

// takeover kills the controller while records are produced to partitions that have no replica on it, and measures the longest time in which
// one of them gets no acknowledgement until another broker is the controller.
func takeover(_ context.Context, s *subject) (*session, error) {
	c := s.target.(*cluster)
	return &session{close: nothing, round: func(ctx context.Context) (figures.Sample, error) {
		b, err := c.controller(ctx)
		if err != nil {
			return nil, err
		}
		var others []int32
		for _, o := range c.Brokers {
			if o != b {
				others = append(others, o.ID())
			}
		}
		topic := topicName()
		if err := c.makeTopicsOn(ctx, others, []string{topic}, failoverPartitions, nil); err != nil {
			return nil, err
		}
		sample := figures.Sample{}
		sample[calmGap], sample[gap], err = longestGap(ctx, c, topic, func() error {
			b.Kill()
			return timed(sample, step{newController, func() error {
				return slowPoll(ctx, func() (bool, error) {
					now, err := c.controller(ctx)
					return err == nil && now != b, ctx.Err()
				})
			}})
		})
		if err != nil {
			return nil, err
		}
		return sample, c.restore(ctx, sample, b, topic)
	}}, nil
}

// restore starts a broker that was killed, waits until the topic's replicas are in sync and led as before, and deletes it.
func (c *cluster) restore(ctx context.Context, sample figures.Sample, b *harness.Broker, topic string) error {
	if err := b.Settle(); err != nil {
		return err
	}
	if err := timed(sample, step{backInSync, func() error {
		return errors.Join(b.Launch(), c.await(ctx, []string{topic}, failoverPartitions, inSync))
	}}); err != nil {
		return err
	}
	return errors.Join(c.elect(ctx, failoverPartitions), c.dropTopic(ctx, topic))
}

// longestGap produces to each partition of the topic, has something happen, waits until each partition is acknowledged
// again, and gives the longest time without an acknowledgement in milliseconds, before and since.
func longestGap(ctx context.Context, c *cluster, topic string, happen func() error) (before, since float64, err error) {
	// The client asks again at once, so that what is measured is the brokers' time.
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.RecordRetries(1<<30), kgo.DialTimeout(time.Second), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	if err != nil {
		return 0, 0, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	a := &acknowledged{last: make([]time.Time, failoverPartitions)}
	stop := make(chan struct{})
	var producing sync.WaitGroup
	producing.Go(func() { a.produce(ctx, cl, stop) })
	end := func() { close(stop); producing.Wait() }
	if err := pause(ctx, failoverLead); err != nil {
		end()
		return 0, 0, err
	}
	before = milliseconds(a.begin())
	if err = happen(); err == nil {
		happened := time.Now()
		err = poll(ctx, func() (bool, error) { return a.since(happened) })
	}
	end()
	return before, milliseconds(a.longest), errors.Join(err, cl.Flush(ctx), a.failed)
}

// acknowledged is when records of each partition were acknowledged.
type acknowledged struct {
	mu      sync.Mutex
	last    []time.Time   // guarded by mu; by partition
	longest time.Duration // guarded by mu; between two acknowledgements of a partition, since begin
	failed  error         // guarded by mu
}

// produce sends a record to each partition every few milliseconds.
func (a *acknowledged) produce(ctx context.Context, cl *kgo.Client, stop <-chan struct{}) {
	tick := time.NewTicker(failoverEvery)
	defer tick.Stop()
	value := make([]byte, 100)
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for p := range int32(failoverPartitions) {
			cl.TryProduce(ctx, &kgo.Record{Partition: p, Value: value}, func(r *kgo.Record, err error) {
				if !errors.Is(err, kgo.ErrMaxBuffered) { // what is not sent is not missed
					a.note(r, err)
				}
			})
		}
	}
}

func (a *acknowledged) note(r *kgo.Record, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.failed = err
		return
	}
	now := time.Now()
	if last := a.last[r.Partition]; !last.IsZero() {
		a.longest = max(a.longest, now.Sub(last))
	}
	a.last[r.Partition] = now
}

// begin gives the longest gap so far, and forgets it.
func (a *acknowledged) begin() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	longest := a.longest
	a.longest = 0
	return longest
}

// since says whether each partition was acknowledged after a time.
func (a *acknowledged) since(t time.Time) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, last := range a.last {
		if !last.After(t) {
			return false, a.failed
		}
	}
	return true, a.failed
}
