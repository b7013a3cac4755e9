package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/internal/history"
	"klamm/protocol/batch"
)

// producer is an idempotent producer of its own: that of franz-go holds a lock while it waits for a producer id, and time in a bubble does
// not pass while a goroutine waits for a lock. It sends a batch until that is acknowledged, and now and then one again that was.
type producer struct {
	*history.Sent
	*journal
	cl      *kgo.Client
	topic   string
	id      int64
	stop    chan struct{}
	stale   atomic.Bool // a broker that was a leader may not know that it is no more, and lack what its successor has
	running sync.WaitGroup

	mu      sync.Mutex
	topicID [16]byte        // guarded by mu
	leaders map[int32]int32 // guarded by mu; by partition
}

// tempo is how fast producers send: in a rush around faults, since those harm what is on its way, and slowly in between, since each record costs
// time that another seed may use.
type tempo struct {
	slow, fast time.Duration // the pauses

	mu    sync.Mutex
	until time.Time     // guarded by mu; the end of the rush
	begun chan struct{} // guarded by mu; closed when a rush begins
}

// wait implements history.Pace.
func (t *tempo) wait(stop <-chan struct{}) bool {
	t.mu.Lock()
	pause, begun := t.slow, t.begun
	if time.Now().Before(t.until) {
		pause = t.fast
	}
	t.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-begun:
		return true
	case <-stop:
		return false
	}
}

// rush has the producers send fast for a time.
func (t *tempo) rush(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = time.Now().Add(d)
	close(t.begun)
	t.begun = make(chan struct{})
}

// sentBatch is a batch that was acknowledged.
type sentBatch struct {
	bytes  []byte
	offset int64
}

func startProducer(ctx context.Context, j *journal, t history.Topic, seed uint64, pace history.Pace) *producer {
	p := &producer{journal: j, Sent: history.NewSent("once", t), cl: t.Client(), topic: t.Name, stop: make(chan struct{}), leaders: map[int32]int32{}}
	p.running.Go(func() {
		if !p.identify(ctx) {
			return
		}
		for partition := range t.Partitions {
			r := chance(seed, "producer"+string(rune('0'+partition)))
			p.running.Go(func() { p.run(ctx, partition, r, pace) })
		}
	})
	return p
}

// Finish ends the producer once everything that it sent is acknowledged.
func (p *producer) Finish() {
	close(p.stop)
	p.running.Wait()
	p.cl.Close()
}

// identify gets a producer id. It reports false if ctx ended before.
func (p *producer) identify(ctx context.Context) bool {
	for ctx.Err() == nil {
		req := kmsg.NewPtrInitProducerIDRequest()
		resp, err := req.RequestWith(ctx, p.cl)
		if err == nil && resp.ErrorCode == 0 {
			p.id = resp.ProducerID
			return true
		}
		sleep(100*time.Millisecond, ctx.Done())
	}
	return false
}

// run sends batches to a partition.
func (p *producer) run(ctx context.Context, partition int32, r *rand.Rand, pace history.Pace) {
	var last sentBatch // the only one that a broker still knows after it was started again: a snapshot has no other
	var sequence int32
	for pace(p.stop) {
		if last.bytes != nil && r.IntN(10) == 0 {
			if offset, ok := p.send(ctx, partition, last.bytes); ok && offset != last.offset {
				p.Failed.Add("partition %d: a batch that was stored at offset %d is stored at %d when it is sent again", partition, last.offset, offset)
			}
		}
		builder := batch.NewBuilder(batch.None)
		builder.ProducerID, builder.ProducerEpoch, builder.BaseSequence = p.id, 0, sequence
		var numbers []int
		for range 1 + r.IntN(5) {
			n := p.Next(partition)
			numbers = append(numbers, n)
			builder.Add(time.Now().UnixMilli(), []byte(history.Value(p.Name, partition, n)), make([]byte, r.IntN(300)))
		}
		sequence += int32(len(numbers))
		text, err := builder.Build()
		if err != nil {
			p.Failed.Add("%v", err)
			return
		}
		offset, ok := p.send(ctx, partition, text)
		if !ok {
			return
		}
		for i, n := range numbers {
			p.Acked(partition, n, offset+int64(i))
		}
		last = sentBatch{text, offset}
	}
}

// send sends a batch until it is acknowledged. ok is false if that cannot be.
func (p *producer) send(ctx context.Context, partition int32, text []byte) (offset int64, ok bool) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 2000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = p.topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, text
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt) // ask sets its id
	for said := ""; ctx.Err() == nil; {
		answer, err := p.ask(ctx, partition, req)
		switch {
		case err != nil || answer == nil:
		case answer.ErrorCode == 0:
			return answer.BaseOffset, true
		case answer.ErrorCode == kerr.OutOfOrderSequenceNumber.Code && p.stale.Load():
		case !kerr.IsRetriable(kerr.ErrorForCode(answer.ErrorCode)) || answer.ErrorCode == kerr.OutOfOrderSequenceNumber.Code:
			p.Failed.Add("partition %d: %v", partition, kerr.ErrorForCode(answer.ErrorCode))
			return 0, false
		}
		if why := fmt.Sprint(err, answer); why != said {
			said = why
			p.note("once", "partition %d: %v %+v", partition, err, answer)
		}
		p.lead(partition, -1)
		sleep(50*time.Millisecond, ctx.Done())
	}
	p.Failed.Add("partition %d: given up: %v", partition, ctx.Err())
	return 0, false
}

// ask sends a request to the leader of a partition. It gives nil if nobody is known to lead.
func (p *producer) ask(ctx context.Context, partition int32, req *kmsg.ProduceRequest) (*kmsg.ProduceResponseTopicPartition, error) {
	leader := p.leader(ctx, partition)
	if leader < 0 {
		return nil, nil
	}
	p.mu.Lock()
	req.Topics[0].TopicID = p.topicID
	p.mu.Unlock()
	kresp, err := p.cl.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := kresp.(*kmsg.ProduceResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		p.Failed.Add("partition %d: an answer to Produce without the partition", partition)
		return nil, nil
	}
	return &resp.Topics[0].Partitions[0], nil
}

// lead notes who leads a partition.
func (p *producer) lead(partition, leader int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaders[partition] = leader
}

// leader gives who leads a partition, -1 for nobody that is known.
func (p *producer) leader(ctx context.Context, partition int32) int32 {
	p.mu.Lock()
	leader, known := p.leaders[partition]
	p.mu.Unlock()
	if known && leader >= 0 {
		return leader
	}
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &p.topic
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, p.cl)
	if err != nil || len(resp.Topics) != 1 {
		return -1
	}
	for _, known := range resp.Topics[0].Partitions {
		if known.Partition == partition {
			p.mu.Lock()
			p.topicID = resp.Topics[0].TopicID
			p.mu.Unlock()
			p.lead(partition, known.Leader)
			return known.Leader
		}
	}
	return -1
}
