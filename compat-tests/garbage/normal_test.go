package garbage

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// normal is a producer and a consumer of one topic, as a well-behaved application has
// them: an idempotent producer with acks=all that writes at a steady rate, and a consumer
// that reads along.
type normal struct {
	topic    string
	producer *kgo.Client
	consumer *kgo.Client

	mu       sync.Mutex
	times    *times // where latencies go; nil for nowhere
	sent     int64
	acked    int64
	received int64
	failed   error
}

// times are the latencies of one stretch of a run: from producing a record to
// its acknowledgement, and to its being consumed.
type times struct{ acked, consumed []time.Duration }

func newNormal(t *testing.T, addr string, codec kgo.CompressionCodec) *normal {
	topic := harness.Topic(t, addr, 1)
	return &normal{
		topic: topic,
		producer: harness.Client(t, addr, kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(0), kgo.RecordRetries(0)),
		consumer: harness.Client(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())),
	}
}

// value is a record: its number, when it was produced, and something that
// compresses as text does.
func value(n int64, now time.Time) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixNano()))
	for i := range 60 {
		b = fmt.Appendf(b, "field%d=%d ", i, n*int64(i)%977)
	}
	return b
}

// produce writes a record every so often until ctx ends, and then waits for
// what is not acknowledged yet.
func (n *normal) produce(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := harness.Flush(context.Background(), n.producer); err != nil {
				n.fail(fmt.Errorf("%s: %w", n.topic, err))
			}
			return
		case <-tick.C:
		}
		n.mu.Lock()
		number := n.sent
		n.sent++
		n.mu.Unlock()
		begun := time.Now()
		n.producer.Produce(context.Background(), &kgo.Record{Value: value(number, begun)}, func(_ *kgo.Record, err error) {
			took := time.Since(begun)
			if err != nil {
				n.fail(fmt.Errorf("%s: record %d: %w", n.topic, number, err))
				return
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.acked++
			if n.times != nil {
				n.times.acked = append(n.times.acked, took)
			}
		})
	}
}

// consume reads until ctx ends.
func (n *normal) consume(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := n.consumer.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err0(); err != nil && ctx.Err() == nil {
			n.fail(fmt.Errorf("%s: consuming: %w", n.topic, err))
		}
		n.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			number := int64(binary.BigEndian.Uint64(r.Value))
			begun := time.Unix(0, int64(binary.BigEndian.Uint64(r.Value[8:])))
			if number != n.received || r.Offset != n.received {
				n.failed = fmt.Errorf("%s: record %d at offset %d, %d was due", n.topic, number, r.Offset, n.received)
			}
			n.received++
			if n.times != nil {
				n.times.consumed = append(n.times.consumed, now.Sub(begun))
			}
		})
		n.mu.Unlock()
	}
}

func (n *normal) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed == nil {
		n.failed = err
	}
}

func (n *normal) measure(into *times) {
	n.mu.Lock()
	n.times = into
	n.mu.Unlock()
}

// merged puts the latencies of all clients together, in order.
func merged(all []*times) times {
	var m times
	for _, t := range all {
		m.acked, m.consumed = append(m.acked, t.acked...), append(m.consumed, t.consumed...)
	}
	slices.Sort(m.acked)
	slices.Sort(m.consumed)
	return m
}

// at is the latency that a share of all latencies does not exceed.
func at(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
