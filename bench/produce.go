package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// producing is a load that replays Produce. Each round has a topic of its own.
type producing struct {
	records, valueBytes   int // of a batch
	codec                 replay.Codec
	connections, inFlight int
	partitions            int
	acks                  int16
	configs               map[string]string
	part                  int64 // a round moves the volume divided by part: 4 for a quarter; 0: all of it
	counted               bool  // a round is -requests requests instead of -volume bytes
	timed                 bool  // a round takes -during
}

// number makes the topics' names differ.
var number atomic.Int64

func topicName() string { return fmt.Sprintf("load%d", number.Add(1)) }

func (p producing) open(_ context.Context, s *subject) (*session, error) {
	batch, err := replay.Batch(p.records, p.valueBytes, p.codec, time.Now())
	if err != nil {
		return nil, err
	}
	return &session{close: nothing, round: func(ctx context.Context) (figures.Sample, error) {
		topic := topicName()
		if err := s.target.makeTopic(ctx, topic, p.partitions, p.configs); err != nil {
			return nil, err
		}
		r := replay.Sending{BatchBytes: len(batch), Connections: p.connections, InFlight: p.inFlight}
		switch {
		case p.timed:
			r.Requests, r.During = math.MaxInt32, s.during
		case p.counted:
			r.Requests = s.requests
		default:
			r.Requests = max(1, int(s.volume/max(1, p.part)/int64(len(batch))))
		}
		var sendings []replay.Sending
		places := s.target.places(p.partitions)
		for _, place := range places {
			to := r // each broker gets its part of the connections and of the requests
			to.Addr, to.Frames = place.addr, replay.ProduceFrames(topic, place.partitions, p.inFlight, p.acks, batch)
			to.Connections, to.Requests = max(1, r.Connections/len(places)), max(1, r.Requests/len(places))
			sendings = append(sendings, to)
		}
		var done replay.Done
		u, err := metered(s.target.pids(), func() (err error) {
			done, err = sendAll(ctx, sendings)
			return err
		})
		if err := errors.Join(err, s.target.dropTopic(ctx, topic)); err != nil {
			return nil, err
		}
		return sample(done, u), nil
	}}, nil
}

// sendAll sends to several brokers at once.
func sendAll(ctx context.Context, sendings []replay.Sending) (sum replay.Done, err error) {
	done := make([]replay.Done, len(sendings))
	errs := make([]error, len(sendings))
	var sending sync.WaitGroup
	for i, s := range sendings {
		sending.Go(func() { done[i], errs[i] = replay.Send(ctx, s) })
	}
	sending.Wait()
	for _, d := range done {
		sum.Took = max(sum.Took, d.Took)
		sum.Requests += d.Requests
		sum.Bytes += d.Bytes
		sum.Latencies = append(sum.Latencies, d.Latencies...)
	}
	return sum, errors.Join(errs...)
}

// durable runs that many producers, each of which waits for the disk.
func durable(producers int) func(context.Context, *subject) (*session, error) {
	return producing{records: 1, valueBytes: 100, connections: producers, inFlight: 1, partitions: 1, acks: -1, timed: true,
		configs: map[string]string{"flush.messages": "1"}}.open
}
