package durability

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// producer writes numbered records to one partition of its own and keeps the
// offset of each that was acknowledged.
type producer struct {
	name       string
	topic      string
	idempotent bool
	cl         *kgo.Client

	mu     sync.Mutex
	acked  []int64 // by record number: the offset, -1 when not acknowledged
	failed error
}

// kind is how a producer is set up.
type kind struct {
	name string
	opts []kgo.Opt
	once bool // idempotent: each record is there exactly once
	// leaderOnly says that the leader alone acknowledges. In a cluster such a record may be lost with the leader.
	leaderOnly bool
	codec      kgo.CompressionCodec
}

var kinds = []kind{
	{name: "acks=1", opts: []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}, codec: kgo.NoCompression(), leaderOnly: true},
	{name: "acks=all", opts: []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite()}, codec: kgo.Lz4Compression()},
	{name: "idempotent", once: true, codec: kgo.NoCompression()},
	{name: "idempotent, zstd", once: true, codec: kgo.ZstdCompression()},
}

// value is record n's value; its size depends on n.
func value(n int) []byte {
	return fmt.Appendf(nil, "%d %s", n, strings.Repeat("filler ", n%60))
}

// number reads a value back; false when it is not what value makes.
func number(v []byte) (int, bool) {
	digits, _, _ := strings.Cut(string(v), " ")
	n, err := strconv.Atoi(digits)
	return n, err == nil && string(value(n)) == string(v)
}

func newProducer(t *testing.T, addr, topic string, k kind) *producer {
	t.Helper()
	opts := append([]kgo.Opt{
		kgo.ProducerBatchCompression(k.codec), kgo.ProducerBatchMaxBytes(16 << 10), kgo.MaxBufferedRecords(400),
		kgo.ProducerLinger(2 * time.Millisecond), kgo.RecordRetries(1 << 30), kgo.RequestRetries(1 << 20),
		kgo.UnknownTopicRetries(-1), // Apache's broker knows no topic for a moment after its start
		kgo.RetryTimeout(10 * time.Minute), kgo.DialTimeout(2 * time.Second), kgo.ProduceRequestTimeout(10 * time.Second),
	}, k.opts...)
	return &producer{name: k.name, topic: topic, idempotent: k.once, cl: harness.Client(t, addr, opts...)}
}

// run produces at most perSecond records a second until stop, then waits for
// what is under way. The pace bounds how much is to be checked afterwards.
func (p *producer) run(ctx context.Context, stop <-chan struct{}, perSecond int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-stop:
			if err := harness.Flush(ctx, p.cl); err != nil {
				p.fail(fmt.Errorf("%s: %w", p.name, err))
			}
			return
		case <-tick.C:
		}
		for range max(1, perSecond/100) {
			p.send(ctx, n)
			n++
		}
	}
}

func (p *producer) send(ctx context.Context, n int) {
	p.mu.Lock()
	p.acked = append(p.acked, -1)
	p.mu.Unlock()
	p.cl.Produce(ctx, &kgo.Record{Topic: p.topic, Value: value(n)}, func(r *kgo.Record, err error) {
		if err != nil {
			p.fail(fmt.Errorf("%s: record %d: %w", p.name, n, err))
			return
		}
		p.mu.Lock()
		p.acked[n] = r.Offset
		p.mu.Unlock()
	})
}

func (p *producer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil { // the first error is the cause; the others follow from it
		p.failed = err
	}
}

// highest is the highest acknowledged offset, -1 when there is none.
func (p *producer) highest() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.acked) - 1; n >= 0; n-- {
		if p.acked[n] >= 0 {
			return p.acked[n]
		}
	}
	return -1
}

// check reads the partition from its start and compares it with what was
// acknowledged. It gives the numbers of the records by offset, from start on.
func (p *producer) check(t *testing.T, addr string) (start int64, numbers []int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		t.Errorf("%s: %v", p.name, p.failed)
	}
	start, end := bounds(t, addr, p.topic)
	records := harness.ReadPartition(t, addr, p.topic, 0, start, end)
	for { // retention may have deleted records while they were read
		now, _ := bounds(t, addr, p.topic)
		if now == start {
			break
		}
		start = now
		records = harness.ReadPartition(t, addr, p.topic, 0, start, end)
	}
	if int64(len(records)) != end-start {
		t.Errorf("%s: %d records between %d and %d", p.name, len(records), start, end)
	}
	for i, r := range records {
		n, ok := number(r.Value)
		if !ok || r.Offset != start+int64(i) {
			t.Fatalf("%s: record %d from the start has offset %d and holds %q", p.name, i, r.Offset, r.Value)
		}
		numbers = append(numbers, n)
		if p.idempotent && int64(n) != r.Offset {
			t.Fatalf("%s: record %d stands at offset %d: one is missing or doubled", p.name, n, r.Offset)
		}
	}
	kept := 0
	for n, offset := range p.acked {
		if offset < start {
			continue // deleted by retention, or not acknowledged
		}
		kept++
		if offset >= end {
			t.Fatalf("%s: record %d was acknowledged at offset %d and the log ends at %d", p.name, n, offset, end)
		}
		if got := numbers[offset-start]; got != n {
			t.Fatalf("%s: record %d was acknowledged at offset %d, where record %d stands", p.name, n, offset, got)
		}
	}
	p.checkOrder(t, numbers)
	t.Logf("%s: %d records sent, %d acknowledged ones at their offsets in [%d, %d)", p.name, len(p.acked), kept, start, end)
	return start, numbers
}

// checkOrder checks that records stand in the order in which they were sent. A record
// that was sent twice may stand twice.
func (p *producer) checkOrder(t *testing.T, numbers []int) {
	t.Helper()
	highest := -1
	for i, n := range numbers {
		if n > highest {
			if highest >= 0 && n != highest+1 {
				t.Fatalf("%s: record %d follows record %d", p.name, n, highest)
			}
			highest = n
		} else if p.idempotent || i == 0 {
			t.Fatalf("%s: record %d stands after record %d", p.name, n, highest)
		}
	}
}

// bounds gives the log start and end offsets of partition 0, as soon as the
// broker leads it.
func bounds(t *testing.T, addr, topic string) (start, end int64) {
	t.Helper()
	harness.AwaitTopic(t, addr, topic, 1)
	adm, ctx := harness.Admin(t, addr), harness.Context(t)
	one := func(list func(context.Context, ...string) (kadm.ListedOffsets, error)) int64 {
		for {
			listed, err := list(ctx, topic)
			if o, ok := listed.Lookup(topic, 0); ok && o.Err == nil && err == nil {
				return o.Offset
			}
			if ctx.Err() != nil {
				t.Fatalf("offsets of %s: %v %+v", topic, err, listed)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return one(adm.ListStartOffsets), one(adm.ListEndOffsets)
}

// consumer reads all topics from their start while the broker comes and goes,
// and remembers what it saw.
type consumer struct {
	cl *kgo.Client

	mu     sync.Mutex
	seen   map[string]map[int64]int // by topic and offset: the record's number
	next   map[string]int64
	failed error
}

func newConsumer(t *testing.T, addr string, topics []string) *consumer {
	t.Helper()
	c := &consumer{seen: map[string]map[int64]int{}, next: map[string]int64{}}
	for _, topic := range topics {
		c.seen[topic] = map[int64]int{}
	}
	c.cl = harness.Client(t, addr, kgo.ConsumeTopics(topics...), kgo.FetchMaxWait(100*time.Millisecond), kgo.DialTimeout(2*time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	return c
}

// run polls until ctx ends.
func (c *consumer) run(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := c.cl.PollFetches(ctx)
		c.mu.Lock()
		fetches.EachError(func(topic string, _ int32, err error) {
			if loss := (*kgo.ErrDataLoss)(nil); errors.As(err, &loss) {
				c.failed = errors.Join(c.failed, fmt.Errorf("consuming %s: %w", topic, err))
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < c.next[r.Topic] {
				c.failed = errors.Join(c.failed, fmt.Errorf("consuming %s: offset %d again, %d was due", r.Topic, r.Offset, c.next[r.Topic]))
			}
			c.next[r.Topic] = r.Offset + 1
			n, ok := number(r.Value)
			if !ok {
				c.failed = errors.Join(c.failed, fmt.Errorf("consuming %s: offset %d holds %q", r.Topic, r.Offset, r.Value))
			}
			c.seen[r.Topic][r.Offset] = n
		})
		c.mu.Unlock()
	}
}

// check compares what was seen with what a partition holds in the end.
func (c *consumer) check(t *testing.T, topic string, start int64, numbers []int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		t.Error(c.failed)
		c.failed = nil
	}
	for offset, n := range c.seen[topic] {
		if offset < start {
			continue
		}
		if offset-start >= int64(len(numbers)) {
			t.Fatalf("%s: a consumer saw record %d at offset %d, and the log ends at %d", topic, n, offset, start+int64(len(numbers)))
		}
		if got := numbers[offset-start]; got != n {
			t.Fatalf("%s: a consumer saw record %d at offset %d, where record %d stands now", topic, n, offset, got)
		}
	}
}
