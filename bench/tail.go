package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

const (
	tailRate       = 2000 // records a second
	tailValueBytes = 1000
	tailPartitions = 6
	// tailWarm is how many records go ahead of those that count: they open what has to be opened.
	tailWarm = tailRate / 2
)

// tail produces records at a fixed rate, and that many consumers each receive all of
// them. Both sides are franz-go, since such clients wait at a broker in real life.
func tail(consumers int) func(context.Context, *subject) (*session, error) {
	return func(_ context.Context, s *subject) (*session, error) {
		return &session{close: nothing, round: func(ctx context.Context) (figures.Sample, error) {
			topic := topicName()
			if err := s.target.makeTopic(ctx, topic, tailPartitions, nil); err != nil {
				return nil, err
			}
			sample, err := tailRound(ctx, s, topic, consumers)
			return sample, errors.Join(err, s.target.dropTopic(ctx, topic))
		}}, nil
	}
}

func tailRound(ctx context.Context, s *subject, topic string, consumers int) (figures.Sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := newPacer(s.target.addr(), topic)
	if err != nil {
		return nil, err
	}
	defer p.client.Close()
	n := int(tailRate * s.during.Seconds())
	receivers := make([]*receiver, consumers)
	var warmed, received sync.WaitGroup
	for i := range receivers {
		r := &receiver{total: tailWarm + n, latencies: make([]int64, 0, n)}
		if r.client, err = newConsumer(s.target.addr(), topic); err != nil {
			return nil, err
		}
		defer r.client.Close()
		receivers[i] = r
		warmed.Add(1)
		received.Go(func() {
			if err := r.run(ctx, warmed.Done); err != nil {
				cancel(err)
			}
		})
	}
	p.send(ctx, 0, tailWarm, cancel)
	warmed.Wait()
	u, err := metered(s.target.pids(), func() error {
		p.send(ctx, tailWarm, n, cancel)
		received.Wait()
		return context.Cause(ctx)
	})
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, r := range receivers {
		all = append(all, r.latencies...)
	}
	sample := latencies(all)
	sample[figures.Requests] = float64(n) / u.took.Seconds()
	sample[figures.CPUShare] = 100 * u.cpu.Seconds() / u.took.Seconds()
	sample[figures.CPUPerMillion] = u.cpu.Seconds() / (float64(n) / mega)
	sample[figures.Peak] = float64(u.peak) / mega
	return sample, nil
}

// pacer produces records when they are due.
type pacer struct {
	client *kgo.Client
	topic  string
}

func newPacer(addr, topic string) (*pacer, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(topic))
	return &pacer{cl, topic}, err
}

// send produces n records, the first of which has that number, and waits until each
// is acknowledged. A record carries its number and the time at which it was due:
// one that goes late, because others hold it up, counts from then.
func (p *pacer) send(ctx context.Context, first, n int, failed func(error)) {
	defer replay.KeepThread()()
	var acknowledged sync.WaitGroup
	begun := time.Now()
	for i := range n {
		due := begun.Add(time.Duration(i) * time.Second / tailRate)
		replay.SleepUntil(due)
		value := make([]byte, tailValueBytes)
		binary.BigEndian.PutUint64(value, uint64(due.UnixNano()))
		binary.BigEndian.PutUint64(value[8:], uint64(first+i))
		acknowledged.Add(1)
		p.client.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed(fmt.Errorf("producing record %d: %w", first+i, err))
			}
			acknowledged.Done()
		})
		if ctx.Err() != nil {
			break
		}
	}
	acknowledged.Wait()
}

func newConsumer(addr, topic string) (*kgo.Client, error) {
	partitions := map[int32]kgo.Offset{}
	for p := range int32(tailPartitions) {
		partitions[p] = kgo.NewOffset().AtStart()
	}
	return kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: partitions}), kgo.FetchMinBytes(1))
}

// receiver is one consumer.
type receiver struct {
	client    *kgo.Client
	total     int // records, the warm ones with them
	latencies []int64
}

// run receives all records; it calls warmed once, when it has those that do not
// count, or when it fails.
func (r *receiver) run(ctx context.Context, warmed func()) error {
	once := sync.OnceFunc(warmed)
	defer once()
	for n := 0; n < r.total; {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("consuming: %w", err)
		}
		now := time.Now().UnixNano()
		fetches.EachRecord(func(record *kgo.Record) {
			n++
			if binary.BigEndian.Uint64(record.Value[8:]) >= tailWarm {
				r.latencies = append(r.latencies, now-int64(binary.BigEndian.Uint64(record.Value)))
			}
		})
		if n >= tailWarm {
			once()
		}
	}
	return nil
}
