package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/internal/history"
	"klamm/protocol/batch"
)

// direct is a producer that looks for no leader: it sends to every broker, and whoever leads acknowledges. Its pauses are those of the cluster. Those
// of the other producers have their library's share: franz-go asks a broker that hangs for metadata, behind the Produce requests that it sends to it
// again one after the other, and so goes on up to 12 s after another broker leads.
type direct struct {
	*history.Sent
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// directPause is how long the producer rests after each answer of a broker, and so how exact its pauses are.
const directPause = 50 * time.Millisecond

// startDirect starts the producer. It knows the brokers that the cluster has now.
func (l *load) startDirect() {
	l.Helper()
	l.direct = &direct{Sent: history.NewSent("direct", history.Topic{Partitions: l.partitions})}
	ctx, cancel := context.WithCancel(l.ctx)
	l.direct.cancel = cancel
	l.Cleanup(l.direct.stop)
	for _, b := range l.c.Brokers {
		for p := range l.partitions {
			// A partition has a client of its own, so that it waits for no other's acknowledgement. These versions name topics.
			cl := newClient(l, kgo.SeedBrokers(b.Addr), kgo.MaxVersions(kversion.V2_8_0()))
			l.direct.running.Go(func() {
				defer cl.Close()
				for pace := history.Steady(directPause); pace(ctx.Done()); {
					l.direct.send(l.ctx, cl, l.topic, p) // what is sent is answered: a broker may store what nobody waits for any more
				}
			})
		}
	}
}

// stop returns when nothing is under way any more.
func (d *direct) stop() {
	d.cancel()
	d.running.Wait()
}

// send sends one record to the broker of a client. That it is not acknowledged says nothing.
func (d *direct) send(ctx context.Context, cl *kgo.Client, topic string, partition int32) {
	n := d.Next(partition)
	b := batch.NewBuilder(batch.None)
	b.Add(time.Now().UnixMilli(), []byte(history.Value(d.Name, partition, n)), nil)
	records, err := b.Build()
	if err != nil {
		panic(err) // of a record that is made here
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 2000
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	t.Topic, p.Partition, p.Records = topic, partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return
	}
	if a := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]; a.ErrorCode == 0 {
		d.Acked(partition, n, a.BaseOffset)
	}
}
