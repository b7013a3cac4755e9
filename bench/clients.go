package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/bench/figures"
)

const (
	clientCount = 4
	clientBytes = 1000 // of a record's value
	clientTopic = "load"
)

// clients measures how much four producers and then four consumers of franz-go get done
// with a broker that has just been started; each round starts another broker. The clients
// cost more than the broker does: the load shows what an application sees, not what the
// broker can do.
func clients(_ context.Context, s *subject) (*session, error) {
	return &session{close: nothing, round: func(ctx context.Context) (sample figures.Sample, err error) {
		b, err := startBroker(s.name, s.dir)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, b.close()) }()
		if err := b.makeTopic(ctx, clientTopic, clientCount, nil); err != nil {
			return nil, err
		}
		if err := firstRecords(ctx, b.Addr); err != nil {
			return nil, err
		}
		sample = figures.Sample{}
		u, err := metered(b.pids(), func() error {
			in, err := together(ctx, s.during, func(ctx context.Context, i int, n *atomic.Int64) error { return produce(ctx, b.Addr, i, n) })
			if err != nil {
				return err
			}
			out, err := together(ctx, s.during, func(ctx context.Context, i int, n *atomic.Int64) error { return consume(ctx, b.Addr, i, n) })
			sample[produced], sample[producedMB] = in, in*clientBytes/mega
			sample[consumed], sample[consumedMB] = out, out*clientBytes/mega
			return err
		})
		sample[figures.Peak] = float64(u.peak) / mega
		return sample, err
	}}, nil
}

// firstRecords puts a record into each partition, so that there is something to
// consume however short a round is.
func firstRecords(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	var records []*kgo.Record
	for p := range int32(clientCount) {
		records = append(records, &kgo.Record{Topic: clientTopic, Partition: p, Value: make([]byte, clientBytes)})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// together runs one worker for each client until the time is up and gives the
// records that they counted, by the second.
func together(ctx context.Context, during time.Duration, work func(ctx context.Context, i int, n *atomic.Int64) error) (float64, error) {
	timed, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	var n atomic.Int64
	errs := make([]error, clientCount)
	var workers sync.WaitGroup
	begun := time.Now()
	for i := range clientCount {
		workers.Go(func() { errs[i] = work(timed, i, &n) })
	}
	<-timed.Done()
	rate := float64(n.Load()) / time.Since(begun).Seconds()
	workers.Wait()
	return rate, errors.Join(append(errs, ctx.Err())...)
}

// produce sends records to partition i until ctx ends; n counts what is
// acknowledged.
func produce(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(20_000), kgo.ProducerLinger(2*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	rng := rand.NewChaCha8([32]byte{byte(i)})
	value := make([]byte, clientBytes)
	_, _ = rng.Read(value) // never fails
	var failed atomic.Pointer[error]
	for ctx.Err() == nil {
		cl.Produce(ctx, &kgo.Record{Topic: clientTopic, Partition: int32(i), Value: value}, func(_ *kgo.Record, err error) {
			if err == nil {
				n.Add(1)
			} else if ctx.Err() == nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// consume reads partition i from its start to its end, again and again, until ctx ends.
func consume(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	for ctx.Err() == nil {
		if err := consumeOnce(ctx, addr, i, n); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func consumeOnce(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{clientTopic: {int32(i): kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, clientTopic)
	if err != nil {
		return err
	}
	end, ok := ends.Lookup(clientTopic, int32(i))
	if !ok || end.Err != nil || end.Offset == 0 {
		return fmt.Errorf("partition %d ends at %d (%v)", i, end.Offset, end.Err)
	}
	for next := int64(0); next < end.Offset && ctx.Err() == nil; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		n.Add(int64(fetches.NumRecords()))
		fetches.EachRecord(func(r *kgo.Record) { next = r.Offset + 1 })
	}
	return nil
}
