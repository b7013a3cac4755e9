package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options say what Verify compares.
type Options struct {
	// Bootstrap are addresses of brokers, host:port. The first that answers tells of the others.
	Bootstrap []string
	// Topics are the topics to compare; none for all.
	Topics []string
	// ExcludeInternal leaves __consumer_offsets and __transaction_state out.
	ExcludeInternal bool
	// Brokers are the ids of the brokers whose replicas are compared; none for all.
	Brokers []int32
	// BytesPerSecond bounds what is read from all brokers together; 0 for no bound.
	BytesPerSecond int64
	// Progress is called each second, if it is not nil.
	Progress func(Progress)
}

// Progress is how far a verification is.
type Progress struct {
	Done, Partitions int
	Bytes            int64 // read so far
	PerSecond        int64 // since the beginning
	// Rest is how long it will take yet at this rate; -1 if that is not known.
	Rest time.Duration
}

// workers is how many partitions are compared at a time.
const workers = 4

// verifier compares the partitions of one cluster.
type verifier struct {
	o        Options
	look     *clusterLook
	begun    time.Time
	throttle throttle
	bytes    atomic.Int64 // read so far

	mu       sync.Mutex
	report   Report // guarded by mu
	done     int    // guarded by mu; partitions
	finished int64  // guarded by mu; bytes of the replicas of those
}

// Verify compares replicas until all are done or ctx ends; then the report has what was found until then. An error says that nothing could be looked at, or
// that a topic or a broker is not there.
func Verify(ctx context.Context, o Options) (*Report, error) {
	l, err := o.look(ctx)
	if err != nil {
		return nil, err
	}
	v := &verifier{o: o, look: l, begun: time.Now(), throttle: throttle{rate: o.BytesPerSecond}, report: Report{
		Cluster: l.id, Brokers: slices.Sorted(maps.Keys(l.addrs)), Partitions: len(l.partitions),
		CompactedTopics: []string{}, Differences: []Difference{}, NotCompared: []Note{}, Information: []Note{},
	}}
	if len(o.Brokers) > 0 {
		v.report.Brokers = slices.Sorted(slices.Values(o.Brokers))
	}
	v.run(ctx)
	v.report.Bytes, v.report.Interrupted = v.bytes.Load(), ctx.Err() != nil && v.done < len(l.partitions)
	v.report.sort()
	return &v.report, nil
}

// run compares all partitions, some at a time.
func (v *verifier) run(ctx context.Context) {
	todo := make(chan *partition)
	var working, telling sync.WaitGroup
	for range workers {
		working.Go(func() {
			conns := newConnections(v.look.addrs, &v.look.silent)
			defer conns.close()
			for p := range todo {
				v.partition(ctx, conns, p)
			}
		})
	}
	over := make(chan struct{})
	if v.o.Progress != nil {
		telling.Go(func() { v.tell(over) })
	}
	for i := range v.look.partitions {
		if ctx.Err() != nil {
			break
		}
		todo <- &v.look.partitions[i]
	}
	close(todo)
	working.Wait()
	close(over)
	telling.Wait()
}

// tell says each second how far it is.
func (v *verifier) tell(over <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.o.Progress(v.progress(time.Since(v.begun)))
		case <-over:
			return
		}
	}
}

// progress says how far it is after some time.
func (v *verifier) progress(after time.Duration) Progress {
	total := int64(0)
	for i := range v.look.partitions {
		if p := &v.look.partitions[i]; len(p.replicas) > 1 {
			total += p.bytes
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	p := Progress{Done: v.done, Partitions: len(v.look.partitions), Bytes: v.bytes.Load(), Rest: -1}
	p.PerSecond = int64(float64(p.Bytes) / max(after.Seconds(), 0.001))
	if total > 0 && p.PerSecond > 0 {
		p.Rest = time.Duration(float64(max(0, total-max(v.finished, p.Bytes))) / float64(p.PerSecond) * float64(time.Second)).Round(time.Second)
	}
	return p
}

// partition compares one partition and notes what comes of it.
func (v *verifier) partition(ctx context.Context, conns *connections, p *partition) {
	single := len(p.replicas) < 2
	c := &comparison{topic: p.tp.Topic, partition: p.tp.Partition, compacted: v.look.compacted[p.tp.Topic]}
	var notes []Note
	note := func(broker int32, text string) {
		notes = append(notes, Note{p.tp.Topic, p.tp.Partition, broker, text})
	}
	switch reason, failed := v.look.failed[p.tp.Topic]; {
	case single:
	case failed:
		note(-1, "the topic's settings cannot be read: "+reason)
	case p.moves:
		note(-1, "its replicas are being moved")
	default:
		failed := func(broker int32, err error) { note(broker, v.why(ctx, conns, p, err)) }
		if err := c.run(ctx, v.cursors(conns, p), failed); err != nil {
			failed(-1, err)
		}
	}
	stopped := ctx.Err() != nil
	v.mu.Lock()
	defer v.mu.Unlock()
	v.add(p, c)
	if stopped {
		return // what failed did so because of that
	}
	v.done++
	v.report.NotCompared = append(v.report.NotCompared, notes...)
	switch {
	case single:
		v.report.Single++
		return
	case len(notes) == 0:
		v.report.Compared++
	}
	v.finished += p.bytes
}

// cursors are those of a partition's replicas.
func (v *verifier) cursors(conns *connections, p *partition) (all []*cursor) {
	for _, broker := range p.replicas {
		all = append(all, &cursor{broker: broker, log: &remoteLog{conns: conns, broker: broker, topic: p.tp.Topic, id: p.id, partition: p.tp.Partition,
			throttle: &v.throttle, bytes: &v.bytes}})
	}
	return all
}

// add adds what a comparison found to the report. The caller holds v.mu.
func (v *verifier) add(p *partition, c *comparison) {
	r := &v.report
	r.Batches += c.batches
	r.RecordsCompared += c.records
	if c.compacted && len(p.replicas) > 1 && !slices.Contains(r.CompactedTopics, p.tp.Topic) {
		r.CompactedTopics = append(r.CompactedTopics, p.tp.Topic)
	}
	for _, pair := range c.pairs {
		r.SkippedOffsets += pair.skipped
		if pair.difference != nil {
			r.Differences = append(r.Differences, *pair.difference)
		}
		note := func(text string) {
			r.Information = append(r.Information, Note{p.tp.Topic, p.tp.Partition, pair.other.broker, text})
		}
		if !slices.Contains(p.isr, pair.other.broker) {
			note(fmt.Sprintf("the replica is not in the ISR; it was compared up to offset %d", pair.end))
		}
		if pair.unjudged > 0 {
			note(fmt.Sprintf("%d records are there in one of the replicas alone, of transactions or too many to keep their keys: they were not judged", pair.unjudged))
		}
	}
}

// why says why something of a partition could not be compared. Where the partition is not what it was, that is the reason.
func (v *verifier) why(ctx context.Context, conns *connections, p *partition, err error) string {
	for _, broker := range p.all {
		m, asked := ask[*kmsg.MetadataResponse](ctx, conns, broker, metadataRequest([]string{p.tp.Topic}))
		if asked != nil {
			continue
		}
		for _, t := range m.Topics {
			for _, now := range t.Partitions {
				switch {
				case t.TopicID != p.id:
					return "the topic was deleted meanwhile, and made anew"
				case now.Partition == p.tp.Partition && !slices.Equal(now.Replicas, p.all):
					return fmt.Sprintf("its replicas moved meanwhile, from the brokers %v to %v", p.all, now.Replicas)
				}
			}
			if len(t.Partitions) == 0 {
				return "the topic was deleted meanwhile"
			}
		}
		break
	}
	return err.Error()
}
