package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// readers is how many connections catch-up has.
const readers = 4

// catchUpTimes is how often catch-up reads all that was written in a round: once is over in half a second, and CPU time
// comes in steps of 10 ms.
const catchUpTimes = 4

// fetchBytes is how much a fetch asks for of a partition.
const fetchBytes = 1 << 20

// catchUp is a load that reads what was written before. With one partition each
// connection reads a quarter of it, else a partition of its own.
type catchUp struct {
	partitions   int
	segmentBytes int  // 0: as the broker has it
	random       bool // from offsets at random instead of one after the other
	times        int  // how often all that was written is read
}

func (c catchUp) open(ctx context.Context, s *subject) (*session, error) {
	f, err := fill(ctx, s.target, c.partitions, c.segmentBytes, s.volume)
	if err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error { return s.target.dropTopic(ctx, f.topic) },
		round: func(ctx context.Context) (figures.Sample, error) {
			var done replay.Done
			u, err := metered(s.target.pids(), func() (err error) {
				done, err = replay.Fetch(ctx, c.fetching(s, f))
				return err
			})
			if err != nil {
				return nil, err
			}
			return sample(done, u), nil
		},
	}, nil
}

// fetching says what each connection reads.
func (c catchUp) fetching(s *subject, f *filled) replay.Fetching {
	r := replay.Fetching{Addr: s.target.addr(), Topic: f.topic, MaxBytes: fetchBytes, BatchBytes: f.batchBytes, BatchRecords: f.batchRecords}
	for i := range readers {
		from, to := int64(0), f.end
		if c.partitions == 1 {
			// Every offset is the first of a batch, so that no answer begins before the
			// requested offset.
			each := int64(f.batchRecords)
			from, to = f.end/each*int64(i)/readers*each, f.end/each*int64(i+1)/readers*each
		}
		next := inOrder(from, to, c.times)
		if c.random {
			next = atRandom(from, to, max(1, c.times*int(s.volume/fetchBytes/readers)), rand.New(rand.NewPCG(uint64(i), 1)))
		}
		r.Readings = append(r.Readings, replay.Reading{Partition: int32(i % c.partitions), Next: next})
	}
	return r
}

// inOrder reads from one offset up to another, as often as times says.
func inOrder(from, to int64, times int) func(offset, records int64) (int64, bool) {
	return func(offset, records int64) (int64, bool) {
		next := max(from, offset+records)
		if next >= to {
			next = from
			times--
		}
		return next, times > 0 && from < to
	}
}

// atRandom reads from offsets at random, as often as times says.
func atRandom(from, to int64, times int, rng *rand.Rand) func(offset, records int64) (int64, bool) {
	return func(int64, int64) (int64, bool) {
		times--
		return from + rng.Int64N(to-from), times >= 0
	}
}

// filled is a topic with the same number of equal batches in each partition.
type filled struct {
	topic                    string
	batchBytes, batchRecords int
	end                      int64 // of each partition
}

// fill makes a topic of big's batches, volume bytes of them.
func fill(ctx context.Context, t target, partitions, segmentBytes int, volume int64) (*filled, error) {
	batch, err := replay.Batch(big.records, big.valueBytes, replay.Plain, time.Now())
	if err != nil {
		return nil, err
	}
	f := &filled{topic: topicName(), batchBytes: len(batch), batchRecords: big.records}
	configs := map[string]string{}
	if segmentBytes > 0 {
		configs["segment.bytes"] = fmt.Sprint(segmentBytes)
	}
	if err := t.makeTopic(ctx, f.topic, partitions, configs); err != nil {
		return nil, err
	}
	frames := replay.ProduceFrames(f.topic, replay.First(partitions), big.inFlight, 1, batch)
	// Every connection goes round all frames equally often, so every partition gets the same
	// number of batches.
	round := big.connections * frames.Len()
	requests := max(1, int(volume/int64(len(batch)))/round) * round
	f.end = int64(requests / partitions * big.records)
	_, err = replay.Send(ctx, replay.Sending{Addr: t.addr(), Frames: frames, BatchBytes: len(batch), Connections: big.connections, InFlight: big.inFlight, Requests: requests})
	return f, err
}

// warmVolume is written, read and dropped at once, so that warming takes no more
// room than a load does.
const warmVolume = 1e9

// warm has a JVM receive and send volume bytes.
func warm(ctx context.Context, t target, volume int64) error {
	for ; volume > 0; volume -= warmVolume {
		f, err := fill(ctx, t, readers, 0, min(volume, warmVolume))
		if err != nil {
			return err
		}
		s := &subject{target: t}
		if _, err := replay.Fetch(ctx, catchUp{partitions: readers, times: 1}.fetching(s, f)); err != nil {
			return err
		}
		if err := t.dropTopic(ctx, f.topic); err != nil {
			return err
		}
	}
	return nil
}
