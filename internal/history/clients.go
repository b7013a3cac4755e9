package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is what the clients work on.
type Topic struct {
	Name       string
	Partitions int32
	// Client makes a client of the cluster. Its caller closes it.
	Client func(opts ...kgo.Opt) *kgo.Client
	// Rest is how long a reader, and a member of a group, rests after each poll. 0 has it poll again at once, also after an error: a broker that
	// does not know the topic yet answers at once.
	Rest time.Duration
}

// rest waits before the next poll.
func (t *Topic) rest(ctx context.Context) {
	if t.Rest > 0 {
		Steady(t.Rest)(ctx.Done())
	}
}

// Pace waits until a producer is to send again. It reports false if stop is closed before.
type Pace func(stop <-chan struct{}) bool

// Steady is a pace with the same pause each time.
func Steady(pause time.Duration) Pace {
	return func(stop <-chan struct{}) bool {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
			return true
		case <-stop:
			return false
		}
	}
}

// Faults are things that must not be. The zero value has none.
type Faults struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

// Add adds one, with the time.
func (f *Faults) Add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// All gives all.
func (f *Faults) All() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// Ack is an acknowledgement: the number of the record, where it is stored, and when the answer came.
type Ack struct {
	N      int
	Offset int64
	At     time.Time
}

// Sent is what a producer sent, numbered in each partition, and what it was told of that.
type Sent struct {
	Name   string
	Failed Faults // records that were given up

	mu    sync.Mutex
	sent  []int   // guarded by mu; by partition
	acked [][]Ack // guarded by mu; by partition, in the order of the answers
}

// NewSent is for a producer that has sent nothing yet.
func NewSent(name string, t Topic) *Sent {
	return &Sent{Name: name, sent: make([]int, t.Partitions), acked: make([][]Ack, t.Partitions)}
}

// Next gives the number of the next record.
func (s *Sent) Next(partition int32) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.sent[partition]
	s.sent[partition]++
	return n
}

// Acked notes that a record was acknowledged.
func (s *Sent) Acked(partition int32, n int, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[partition] = append(s.acked[partition], Ack{n, offset, time.Now()})
}

// Producer sends numbered records to each partition, by a client library.
type Producer struct {
	*Sent
	cl   *kgo.Client
	stop chan struct{}
	done chan struct{}
}

// StartProducer starts a producer that sends a record to each partition at a pace, until Finish.
func StartProducer(ctx context.Context, t Topic, name string, pace Pace, opts ...kgo.Opt) *Producer {
	p := &Producer{Sent: NewSent(name, t), stop: make(chan struct{}), done: make(chan struct{})}
	p.cl = t.Client(append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(t.Name), kgo.ProducerLinger(2 * time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxBufferedRecords(100_000),
	}, opts...)...)
	go p.run(ctx, t, pace)
	return p
}

// Value is what the key of a record holds.
func Value(name string, partition int32, n int) string {
	return fmt.Sprintf("%s %d %d", name, partition, n)
}

func (p *Producer) run(ctx context.Context, t Topic, pace Pace) {
	defer close(p.done)
	filler := strings.Repeat(".", 100)
	for pace(p.stop) {
		for partition := range t.Partitions {
			n := p.Next(partition)
			p.cl.Produce(ctx, &kgo.Record{Partition: partition, Key: []byte(Value(p.Name, partition, n)), Value: []byte(filler)}, func(r *kgo.Record, err error) {
				if err != nil {
					p.Failed.Add("%s: %v", r.Key, err)
					return
				}
				p.Acked(partition, n, r.Offset)
			})
		}
	}
	if err := p.cl.Flush(ctx); err != nil {
		p.Failed.Add("flush: %v", err)
	}
}

// Finish sends what is buffered and ends. It may be called again.
func (p *Producer) Finish() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.done
	p.cl.Close()
}

// Since says whether each partition has got an acknowledgement after a time.
func (s *Sent) Since(at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.acked, func(acks []Ack) bool { return len(acks) == 0 || acks[len(acks)-1].At.Before(at) })
}

// Longest is the longest time between two acknowledgements of a partition, of those that overlap a span.
func (s *Sent) Longest(from, to time.Time) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, acks := range s.acked {
		for i := 1; i < len(acks); i++ {
			if acks[i].At.After(from) && acks[i-1].At.Before(to) {
				longest = max(longest, acks[i].At.Sub(acks[i-1].At))
			}
		}
	}
	return longest
}

// Counts gives how many records were sent to a partition, and how many were acknowledged.
func (s *Sent) Counts(partition int32) (sent, acked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[partition], len(s.acked[partition])
}

// Reader reads each partition from its start and remembers what it read.
type Reader struct {
	Faults Faults
	// Exact says that no record may stand at the high watermark that came with it, or above. Apache's broker may tell one that is older than what
	// it read: it takes the high watermark first.
	Exact bool

	mu      sync.Mutex
	seen    [][]string // guarded by mu; by partition, the keys by offset
	lenient bool       // guarded by mu; see Stale
}

// Stale says whether a broker that was a leader may not know that it is no more, and so call an offset out of range that its successor has.
func (r *Reader) Stale(possible bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lenient = possible
}

// mayHear says whether the reader may be told of an error.
func (r *Reader) mayHear(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return mayHear(err, r.lenient)
}

// mayHear says whether one that reads may be told of an error. With stale, a broker that was a leader may not know that it is no more.
func mayHear(err error, stale bool) bool {
	return Passing(err) || stale && errors.Is(err, kerr.OffsetOutOfRange)
}

// NewReader makes a reader that has read nothing yet.
func NewReader(t Topic) *Reader { return &Reader{seen: make([][]string, t.Partitions)} }

// Run reads until ctx ends.
func (r *Reader) Run(ctx context.Context, t Topic) {
	from := map[int32]kgo.Offset{}
	for p := range t.Partitions {
		from[p] = kgo.NewOffset().At(0)
	}
	cl := t.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.Name: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(200*time.Millisecond))
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		fetches.EachError(func(_ string, p int32, err error) {
			if ctx.Err() == nil && !r.mayHear(err) {
				r.Faults.Add("partition %d: the reader is told: %v", p, err)
			}
		})
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, rec := range p.Records {
				r.take(rec, p.HighWatermark)
			}
		})
		t.rest(ctx)
	}
}

func (r *Reader) take(rec *kgo.Record, highWatermark int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if due := int64(len(r.seen[rec.Partition])); rec.Offset != due {
		r.Faults.Add("partition %d: the reader gets offset %d where %d is due", rec.Partition, rec.Offset, due)
	}
	if r.Exact && rec.Offset >= highWatermark {
		r.Faults.Add("partition %d: the reader gets offset %d with a high watermark of %d", rec.Partition, rec.Offset, highWatermark)
	}
	r.seen[rec.Partition] = append(r.seen[rec.Partition], string(rec.Key))
}

// Seen gives the keys that were read of a partition, by offset.
func (r *Reader) Seen(partition int32) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen[partition])
}

// CaughtUp says whether the reader has read up to the offsets.
func (r *Reader) CaughtUp(ends []int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, end := range ends {
		if int64(len(r.seen[p])) < end {
			return false
		}
	}
	return true
}

// WatchOffsets asks for the latest offsets after each pause, until ctx ends: they never go back, also from one leader to the next (KIP-207).
// A leader that does not know yet that it is none any more may tell an older one, with its older epoch.
func WatchOffsets(ctx context.Context, t Topic, pause time.Duration, faults *Faults) {
	adm := kadm.NewClient(t.Client())
	defer adm.Close()
	last := map[int32]kadm.ListedOffset{}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil {
		listed, err := adm.ListEndOffsets(ctx, t.Name)
		if err == nil {
			listed.Each(func(e kadm.ListedOffset) {
				was := last[e.Partition]
				if e.Err != nil || e.LeaderEpoch < was.LeaderEpoch {
					return
				}
				if e.Offset < was.Offset {
					faults.Add("partition %d: the latest offset goes back from %d in epoch %d to %d in epoch %d", e.Partition, was.Offset, was.LeaderEpoch,
						e.Offset, e.LeaderEpoch)
				}
				last[e.Partition] = e
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Passing says whether an error of a client goes away by itself: a broker is gone or moves its partitions, or the
// coordinator has dropped a member of a group, which joins again.
func Passing(err error) bool {
	var session *kgo.ErrGroupSession
	return kgo.IsRetryableBrokerErr(err) || retriable(err) || errors.As(err, &session)
}

// retriable says whether Kafka calls an error retriable.
func retriable(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke) && ke.Retriable
}
